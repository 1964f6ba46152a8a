use std::{borrow::Cow, sync::Arc, time::Duration};

use hardpoint_core::{Place, StackLayer, Telemetry, Time};
use tower_layer::Layer;

use super::{Record, grpc::Methods, ids::Trust, sample::Sample, span::SpanSink};

/// Assigns ids to each request and writes its access line. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct RecordLayer {
    /// `None` if the layer is off.
    settings: Option<Arc<Settings>>,
}

/// The settings of a layer's services. They share the names of gRPC methods and the count of lines
/// about rejected requests: a record belongs to one request.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) time: Time,
    pub(super) trust: Trust,
    /// Which rejected and successful requests have a line.
    pub(super) sample: Arc<Sample>,
    pub(super) telemetry: Telemetry,
    /// The keys of the accepted baggage.
    pub(super) baggage: Option<Arc<[Cow<'static, str>]>>,
    /// Whether `X-Amzn-Trace-Id` names the trace.
    pub(super) amazon: bool,
    /// Whether `X-Correlation-Id` is read.
    pub(super) correlation: bool,
    /// The parameters of the query that are logged.
    pub(super) query: Option<Arc<[Cow<'static, str>]>>,
    pub(super) methods: Methods,
    /// What exports the requests' spans.
    pub(super) spans: Option<Arc<dyn SpanSink>>,
}

impl RecordLayer {
    /// Accepts the ids of requests that come through a trusted proxy, and generates new ones for
    /// all others.
    pub fn new() -> Self {
        let settings = Settings {
            time: Time::system(),
            trust: Trust::Proxies,
            sample: Arc::default(),
            telemetry: Telemetry::none(),
            baggage: None,
            amazon: false,
            correlation: false,
            query: None,
            methods: Methods::new(),
            spans: None,
        };
        Self { settings: Some(Arc::new(settings)) }
    }

    /// Does nothing: no context, no ids, no access line.
    pub fn off() -> Self {
        Self { settings: None }
    }

    /// Accepts valid ids from every caller. Default: only from requests that come through a trusted
    /// proxy.
    ///
    /// Use it only if no other services than your own can reach this one: a caller may copy another
    /// request's id and mix its log lines into that request's.
    pub fn accept_ids(self) -> Self {
        self.change(|settings| settings.trust = Trust::Everyone)
    }

    /// Generates new ids for every request. Default: ids from a trusted proxy are accepted.
    ///
    /// Use it for a service whose proxy passes on the `x-request-id` and `traceparent` of its
    /// clients instead of writing its own.
    pub fn replace_ids(self) -> Self {
        self.change(|settings| settings.trust = Trust::Nobody)
    }

    /// Accepts the members of `baggage` with these keys, under the same rule as ids, and removes
    /// the others. Default: none, because every service on the path reads them and any caller can
    /// write them.
    ///
    /// [`RequestContext::baggage`](hardpoint_core::RequestContext::baggage) returns the accepted
    /// members, and [`outgoing`](crate::outgoing) passes them on.
    pub fn baggage(self, keys: impl IntoIterator<Item = impl Into<Cow<'static, str>>>) -> Self {
        let keys = keys.into_iter().map(Into::into).collect();
        self.change(|settings| settings.baggage = Some(keys))
    }

    /// Reads the trace from `X-Amzn-Trace-Id` without a valid `traceparent`, under the same rule.
    /// Default: the header is ignored. AWS's load balancers add it and do not add `traceparent`.
    pub fn amazon_trace_id(self) -> Self {
        self.change(|settings| settings.amazon = true)
    }

    /// Reads `X-Correlation-Id`, the id of several requests that belong together, under the same rule
    /// as the request id. Without an accepted one, the request's id begins a correlation. Default: the
    /// header is ignored; `trace_id` already connects the requests of services that pass on a trace.
    ///
    /// The access line has it as `correlation_id`, and [`outgoing`](crate::outgoing) passes it on. It
    /// costs an allocation.
    pub fn correlation_id(self) -> Self {
        self.change(|settings| settings.correlation = true)
    }

    /// Logs the query's parameters with these names as `query`, such as `page=2&sort=name`: decoded,
    /// their first 256 bytes, redacted like every text. All other parameters leave one `[redacted]`.
    /// Default: no query is logged, because it may hold tokens and what people search for.
    pub fn query(self, names: impl IntoIterator<Item = impl Into<Cow<'static, str>>>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        self.change(|settings| settings.query = Some(names))
    }

    /// Declares methods of gRPC, such as `/routeguide.RouteGuide/GetFeature`: a call of one has its
    /// path as its route, in the record and for the limits inside, whose filters and keys by route
    /// then work. Default: none. A method that is not declared has its path as its route in the
    /// record once it has answered (see the [module docs](super), *gRPC*), and no route for limits.
    ///
    /// May be called several times. A request whose path is not declared is not affected.
    pub fn grpc_methods<I>(self, methods: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Cow<'static, str>>,
    {
        self.change(|settings| settings.methods.declare(methods.into_iter().map(Into::into)))
    }

    /// The maximum number of lines a second about rejected requests, whose outcome is `rejected` or
    /// whose status is 400 to 499. A burst may have ten seconds' worth of lines. The next such line
    /// reports the number of requests without a line as `unlogged`; metrics and other observers see
    /// every request. Default: 100, because a flood of rejected requests costs its sender nothing,
    /// and a line for each would fill disks and hide the others. 0 writes none of them; `u32::MAX`
    /// writes all.
    pub fn rejected_lines(self, per_second: u32) -> Self {
        self.change(|settings| settings.sample = Arc::new(settings.sample.rejected(per_second)))
    }

    /// Logs one in so many successful requests, and those that took at least the time of
    /// [`slow_after`](Self::slow_after). Default: 1, which logs all; 0 is the same. Successful means
    /// that the outcome is `ok` and the status below 400; all other requests are not affected.
    ///
    /// The trace id decides: services with the same number log the same traces, and an exporter with
    /// a ratio of `1 / requests` records them. The next line about a success reports the number of
    /// those without a line as `unlogged`; metrics and other observers see every request. A trusted
    /// proxy that passes on its clients' trace ids lets them choose whether a success is logged.
    pub fn one_success_in(self, requests: u32) -> Self {
        self.change(|settings| settings.sample = Arc::new(settings.sample.one_success_in(requests)))
    }

    /// Sets the duration from which a successful request has a line although it is not in the sample
    /// of [`one_success_in`](Self::one_success_in). Default: 1 s, since people notice such a wait.
    /// Zero logs all.
    pub fn slow_after(self, duration: Duration) -> Self {
        self.change(|settings| settings.sample = Arc::new(settings.sample.slow_after(duration)))
    }

    /// Sets the clock that durations are measured with. Default: the system clock.
    ///
    /// All layers of a stack must read the same clock, because the duration starts when the first
    /// of them sees the request.
    pub fn time(self, time: impl Into<Time>) -> Self {
        self.change(|settings| settings.time = time.into())
    }

    /// Reports the start and the end of each request to `telemetry`. Default: the stack's, or none.
    pub fn telemetry(self, telemetry: &Telemetry) -> Self {
        self.change(|settings| settings.telemetry = telemetry.clone())
    }

    /// Exports the span of each sampled request to this sink.
    #[cfg(any(feature = "otlp", feature = "opentelemetry_0_33"))]
    pub(crate) fn spans(self, sink: Arc<dyn SpanSink>) -> Self {
        self.change(|settings| settings.spans = Some(sink))
    }

    fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        if let Some(settings) = &mut self.settings {
            change(Arc::make_mut(settings));
        }
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
        let is_unset = self.settings.as_ref().is_some_and(|settings| settings.telemetry.is_none());
        if is_unset { self.telemetry(telemetry) } else { self }
    }
}
