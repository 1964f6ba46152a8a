use std::{borrow::Cow, sync::Arc};

use hardpoint_core::{Place, StackLayer, Telemetry, Time};
use tower_layer::Layer;

use super::{Record, grpc::Methods, ids::Trust, sample::Sample, span::SpanSink};

/// The default of [`RecordLayer::rejected_lines`].
const REJECTED_LINES: u32 = 100;

/// Assigns ids to each request and writes its access line. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct RecordLayer {
    pub(crate) settings: Settings,
}

/// The settings of a layer's services. They share the names of gRPC methods and the count of lines
/// about rejected requests: a record belongs to one request.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(super) time: Time,
    pub(super) trust: Trust,
    /// Which rejected requests have a line.
    pub(super) sample: Arc<Sample>,
    pub(super) telemetry: Telemetry,
    /// The keys of the accepted baggage.
    pub(super) baggage: Option<Arc<[Cow<'static, str>]>>,
    /// Whether `X-Amzn-Trace-Id` names the trace.
    pub(super) amazon: bool,
    /// `None` if the layer is off.
    pub(super) methods: Option<Methods>,
    /// What exports the requests' spans.
    pub(crate) spans: Option<Arc<dyn SpanSink>>,
}

impl Settings {
    fn new(methods: Option<Methods>) -> Self {
        Self {
            time: Time::system(),
            trust: Trust::Proxies,
            sample: Arc::new(Sample::new(REJECTED_LINES)),
            telemetry: Telemetry::none(),
            baggage: None,
            amazon: false,
            methods,
            spans: None,
        }
    }

    pub(super) const fn is_on(&self) -> bool {
        self.methods.is_some()
    }
}

impl RecordLayer {
    /// Accepts the ids of requests that come through a trusted proxy, and generates new ones for
    /// all others.
    pub fn new() -> Self {
        Self { settings: Settings::new(Some(Methods::new())) }
    }

    /// Does nothing: no context, no ids, no access line.
    pub fn off() -> Self {
        Self { settings: Settings::new(None) }
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

    /// Accepts the members of `baggage` with these keys, under the same rule as ids, and removes
    /// the others. Default: none, because every service on the path reads them and any caller can
    /// write them.
    ///
    /// [`RequestContext::baggage`](hardpoint_core::RequestContext::baggage) returns the accepted
    /// members, and [`outgoing`](crate::outgoing) passes them on.
    pub fn baggage(mut self, keys: impl IntoIterator<Item = impl Into<Cow<'static, str>>>) -> Self {
        self.settings.baggage = Some(keys.into_iter().map(Into::into).collect());
        self
    }

    /// Reads the trace from `X-Amzn-Trace-Id` without a valid `traceparent`, under the same rule.
    /// Default: the header is ignored. AWS's load balancers add it and do not add `traceparent`.
    pub fn amazon_trace_id(mut self) -> Self {
        self.settings.amazon = true;
        self
    }

    /// Declares methods of gRPC, such as `/routeguide.RouteGuide/GetFeature`: a call of one has its
    /// path as its route, in the record and for the limits inside, whose filters and keys by route
    /// then work. Default: none. A method that is not declared has its path as its route in the
    /// record once it has answered (see the [module docs](super), *gRPC*), and no route for limits.
    ///
    /// May be called several times. A request whose path is not declared is not affected.
    pub fn grpc_methods<I>(mut self, methods: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Cow<'static, str>>,
    {
        if let Some(known) = &mut self.settings.methods {
            known.declare(methods.into_iter().map(Into::into));
        }
        self
    }

    /// The maximum number of lines a second about rejected requests, whose outcome is `rejected` or
    /// whose status is 400 to 499. A burst may have ten seconds' worth of lines. The next such line
    /// reports the number of requests without a line as `unlogged`; metrics and other observers see
    /// every request. Default: 100, because a flood of rejected requests costs its sender nothing,
    /// and a line for each would fill disks and hide the others. 0 writes none of them; `u32::MAX`
    /// writes all.
    pub fn rejected_lines(mut self, per_second: u32) -> Self {
        self.settings.sample = Arc::new(Sample::new(per_second));
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
