use std::{borrow::Cow, sync::Arc};

use hardpoint_core::{SpanId, Telemetry, Time, TraceContext};
use tower_layer::Layer;

use super::{AllowedHosts, Outgoing};
use crate::record::span::SpanSink;

/// Passes ids on and measures calls. See the [module docs](super).
///
/// Defaults: no `x-amzn-trace-id`, no telemetry, the system's clock.
#[derive(Clone, Debug)]
#[must_use]
pub struct OutgoingLayer {
    pub(crate) settings: Settings,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(super) destination: Arc<str>,
    pub(super) hosts: Arc<AllowedHosts>,
    pub(super) amazon: bool,
    pub(super) time: Time,
    pub(super) telemetry: Telemetry,
    /// What exports the calls' spans.
    pub(crate) spans: Option<Arc<dyn SpanSink>>,
    /// Returns the current span of the application's tracer, if it belongs to a trace.
    pub(crate) parent: Option<fn(TraceContext) -> Option<SpanId>>,
}

impl OutgoingLayer {
    /// For calls to the destination of this name, which is the metrics' label. Ids are passed on to
    /// the allowed hosts.
    pub fn new(destination: impl Into<Cow<'static, str>>, hosts: AllowedHosts) -> Self {
        let settings = Settings {
            destination: destination.into().into(),
            hosts: Arc::new(hosts),
            amazon: false,
            time: Time::system(),
            telemetry: Telemetry::none(),
            spans: None,
            parent: None,
        };
        Self { settings }
    }

    /// Also writes the trace as `X-Amzn-Trace-Id`, which AWS X-Ray reads. Default: off.
    pub fn amazon_trace_id(mut self) -> Self {
        self.settings.amazon = true;
        self
    }

    /// Measures durations with this clock. Default: the system's.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.settings.time = time.into();
        self
    }

    /// Reports each call to `telemetry`. Default: none.
    pub fn telemetry(mut self, telemetry: &Telemetry) -> Self {
        self.settings.telemetry = telemetry.clone();
        self
    }
}

impl<S> Layer<S> for OutgoingLayer {
    type Service = Outgoing<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Outgoing::new(inner, self.settings.clone())
    }
}
