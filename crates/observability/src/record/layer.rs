use hardpoint_core::{Clock, SystemClock};
use tower_layer::Layer;

use super::{Record, ids::Trust};

/// Gives each request its ids, and writes its one access line. See the [module docs](super).
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct RecordLayer<C = SystemClock> {
    settings: Settings<C>,
}

/// What a layer's services are told. There is no state to share: a record belongs to one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings<C> {
    pub(super) clock: C,
    pub(super) on: bool,
    pub(super) trust: Trust,
}

impl RecordLayer {
    /// Takes ids over from requests that came through a trusted proxy, and makes new ones for all
    /// others.
    pub const fn new() -> Self {
        Self { settings: Settings { clock: SystemClock, on: true, trust: Trust::Proxies } }
    }

    /// Does nothing: no context, no id, no line.
    pub const fn off() -> Self {
        let mut layer = Self::new();
        layer.settings.on = false;
        layer
    }
}

impl<C> RecordLayer<C> {
    /// Takes over the valid ids of every caller. Default: only those that came through a trusted
    /// proxy.
    ///
    /// For a service that only other services of yours can reach. Anybody who can reach it may
    /// then choose an id that another request has, and so put their lines into its story.
    pub const fn accept_ids(mut self) -> Self {
        self.settings.trust = Trust::Everyone;
        self
    }

    /// Takes over nobody's ids: every request gets new ones. Default: those that came through a
    /// trusted proxy are taken over.
    ///
    /// For a service whose proxy hands on the `x-request-id` and `traceparent` of its clients
    /// instead of writing its own.
    pub const fn replace_ids(mut self) -> Self {
        self.settings.trust = Trust::Nobody;
        self
    }

    /// Measures with `clock`. Default: [`SystemClock`]. Layers that meet in one stack must be given
    /// clones of one clock, since the duration starts when the first of them saw the request.
    pub fn with_clock<D: Clock>(self, clock: D) -> RecordLayer<D> {
        let Settings { on, trust, .. } = self.settings;
        RecordLayer { settings: Settings { clock, on, trust } }
    }
}

impl Default for RecordLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, C: Clone> Layer<S> for RecordLayer<C> {
    type Service = Record<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Record::new(inner, self.settings.clone())
    }
}
