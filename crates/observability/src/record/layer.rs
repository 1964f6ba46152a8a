use hardpoint_core::{Place, StackLayer, Telemetry, Time};
use tower_layer::Layer;

use super::{Record, ids::Trust};

/// Assigns ids to each request and writes its access line. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct RecordLayer {
    settings: Settings,
}

/// The settings of a layer's services. They share no state: a record belongs to one request.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) time: Time,
    pub(super) on: bool,
    pub(super) trust: Trust,
    pub(super) telemetry: Telemetry,
}

impl Settings {
    const fn new(on: bool) -> Self {
        Self { time: Time::system(), on, trust: Trust::Proxies, telemetry: Telemetry::none() }
    }
}

impl RecordLayer {
    /// Accepts the ids of requests that come through a trusted proxy, and generates new ones for
    /// all others.
    pub const fn new() -> Self {
        Self { settings: Settings::new(true) }
    }

    /// Does nothing: no context, no ids, no access line.
    pub const fn off() -> Self {
        Self { settings: Settings::new(false) }
    }

    /// Accepts valid ids from every caller. Default: only from requests that come through a trusted
    /// proxy.
    ///
    /// Use it only if no other services than your own can reach this one: a caller may copy another
    /// request's id and mix its log lines into that request's.
    pub fn accept_ids(mut self) -> Self {
        self.settings.trust = Trust::Everyone;
        self
    }

    /// Generates new ids for every request. Default: ids from a trusted proxy are accepted.
    ///
    /// Use it for a service whose proxy passes on the `x-request-id` and `traceparent` of its
    /// clients instead of writing its own.
    pub fn replace_ids(mut self) -> Self {
        self.settings.trust = Trust::Nobody;
        self
    }

    /// Sets the clock that durations are measured with. Default: the system clock.
    ///
    /// All layers of a stack must read the same clock, because the duration starts when the first
    /// of them sees the request.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.settings.time = time.into();
        self
    }

    /// Reports the start and the end of each request to `telemetry`. Default: the stack's, or none.
    pub fn telemetry(mut self, telemetry: &Telemetry) -> Self {
        self.settings.telemetry = telemetry.clone();
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

    fn telemetry(self, telemetry: &Telemetry) -> Self {
        if self.settings.telemetry.is_none() { self.telemetry(telemetry) } else { self }
    }
}
