use std::{borrow::Cow, sync::Arc};

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
    /// The keys of the accepted baggage.
    pub(super) baggage: Option<Arc<[Cow<'static, str>]>>,
    /// Whether `X-Amzn-Trace-Id` names the trace.
    pub(super) amazon: bool,
}

impl Settings {
    const fn new(on: bool) -> Self {
        Self {
            time: Time::system(),
            on,
            trust: Trust::Proxies,
            telemetry: Telemetry::none(),
            baggage: None,
            amazon: false,
        }
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

    /// Accepts the members of `baggage` with these keys, under the same rule as ids, and removes the
    /// others. Default: none, because every service on the way reads them and any caller can write
    /// them.
    ///
    /// [`RequestContext::baggage`](hardpoint_core::RequestContext::baggage) returns what was accepted,
    /// and [`outgoing`](crate::outgoing) passes it on.
    pub fn baggage(mut self, keys: impl IntoIterator<Item = impl Into<Cow<'static, str>>>) -> Self {
        self.settings.baggage = Some(keys.into_iter().map(Into::into).collect());
        self
    }

    /// Reads the trace from `X-Amzn-Trace-Id` if there is no valid `traceparent`, under the same rule.
    /// Default: the header is ignored. AWS's load balancers add it and do not add `traceparent`.
    pub fn amazon_trace_id(mut self) -> Self {
        self.settings.amazon = true;
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
