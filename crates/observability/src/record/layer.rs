use hardpoint_core::{Place, StackLayer, Time};
use tower_layer::Layer;

use super::{Record, ids::Trust};

/// Gives each request its ids, and writes its access line. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct RecordLayer {
    settings: Settings,
}

/// What the services of a layer need. They share no state, because a record belongs to one request.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) time: Time,
    pub(super) on: bool,
    pub(super) trust: Trust,
}

impl RecordLayer {
    /// Accepts the ids of requests that come through a trusted proxy, and makes new ones for all
    /// others.
    pub const fn new() -> Self {
        Self { settings: Settings { time: Time::system(), on: true, trust: Trust::Proxies } }
    }

    /// Does nothing: no context, no id, no line.
    pub const fn off() -> Self {
        Self { settings: Settings { time: Time::system(), on: false, trust: Trust::Proxies } }
    }

    /// Accepts the valid ids of every caller. Default: only of those that come through a trusted
    /// proxy.
    ///
    /// Use it for a service that only your own services can reach: a caller may choose an id that
    /// another request has, and so mix its lines with that request's.
    pub fn accept_ids(mut self) -> Self {
        self.settings.trust = Trust::Everyone;
        self
    }

    /// Gives every request new ids. Default: ids that come through a trusted proxy are accepted.
    ///
    /// Use it for a service whose proxy passes on the `x-request-id` and `traceparent` of its
    /// clients instead of writing its own.
    pub fn replace_ids(mut self) -> Self {
        self.settings.trust = Trust::Nobody;
        self
    }

    /// The clock that durations are measured with. Default: the system's.
    ///
    /// All layers of one stack must read the same clock, since the duration starts when the first
    /// of them saw the request.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.settings.time = time.into();
        self
    }
}

impl Default for RecordLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for RecordLayer {
    type Service = Record<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Record::new(inner, self.settings.clone())
    }
}

impl StackLayer for RecordLayer {
    const PLACE: Place = Place::RECORD;
}
