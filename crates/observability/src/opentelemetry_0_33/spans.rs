use std::{
    any::Any,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use hardpoint_core::{SpanId, TraceContext};
use opentelemetry::{
    Context, InstrumentationScope, KeyValue,
    trace::{SpanKind, Status, TraceContextExt as _, Tracer, TracerProvider},
};

use super::convert;
use crate::{
    RecordLayer, Redactor,
    record::{
        attributes::{self, Add, Value},
        span::{CallSpan, LiveSpan, RequestSpan, SpanSink, SpanStart},
        traceparent::RANDOM,
    },
};

/// The attributes that a span has from its beginning, so that a sampler can read them.
const METHOD: &str = "http.request.method";
const PATH: &str = "url.path";

/// Makes the span of each request with the tracer of the service's own SDK. See the
/// [module docs](super).
///
/// Default: [`Redactor::new`] for paths and user agents.
#[derive(Clone)]
#[must_use]
pub struct RequestSpans {
    provider: Arc<dyn Begin>,
    redactor: Redactor,
}

impl RequestSpans {
    /// Takes a tracer named `hardpoint-observability` from this provider, such as the SDK's
    /// `SdkTracerProvider`.
    pub fn new<P>(provider: &P) -> Self
    where
        P: TracerProvider,
        P::Tracer: Tracer<Span: Send + Sync> + Send + Sync + 'static,
    {
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        let provider = Arc::new(ByTracer(provider.tracer_with_scope(scope)));
        Self { provider, redactor: Redactor::new() }
    }

    /// Redacts paths and user agents with this. Default: [`Redactor::new`].
    pub fn redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }
}

impl RecordLayer {
    /// Makes the span of each request with the service's SDK. Default: none.
    ///
    /// The SDK's sampler then decides, and the ids of the request's trace and span are those of the
    /// SDK's span. This setting and the exporter of `otlp` replace each other: the last one set
    /// counts.
    pub fn opentelemetry_0_33(self, spans: &RequestSpans) -> Self {
        self.spans(Arc::new(spans.clone()))
    }
}

/// A tracer of any type.
trait Begin: Send + Sync {
    /// Begins a span below `parent`, and returns the context in which it is the current one.
    fn begin(&self, start: &Start, parent: &Context) -> Context;
}

/// The first facts about a request.
struct Start {
    method: &'static str,
    path: String,
    at: SystemTime,
}

struct ByTracer<T>(T);

impl<T> Begin for ByTracer<T>
where
    T: Tracer<Span: Send + Sync> + Send + Sync,
    T::Span: 'static,
{
    fn begin(&self, start: &Start, parent: &Context) -> Context {
        let attributes =
            [KeyValue::new(METHOD, start.method), KeyValue::new(PATH, start.path.clone())];
        let builder = self.0.span_builder(attributes::method(start.method));
        let builder = builder
            .with_kind(SpanKind::Server)
            .with_start_time(start.at)
            .with_attributes(attributes);
        parent.with_span(self.0.build_with_context(builder, parent))
    }
}

impl SpanSink for RequestSpans {
    fn begins(&self) -> bool {
        true
    }

    fn begin(&self, start: &SpanStart<'_>) -> Option<Box<dyn LiveSpan>> {
        let trace = start.trace;
        let mut parent = Context::new();
        if let Some(caller) = trace.parent_id {
            parent = convert::remote(&parent, trace, caller, start.state);
        }
        if let Some(baggage) = start.baggage {
            parent = convert::with_baggage(&parent, baggage);
        }
        let path = attributes::path(start.path, &self.redactor).into_owned();
        let first = Start { method: start.method, path, at: time(start.start) };
        let context = self.provider.begin(&first, &parent);
        // A provider that was shut down makes no spans.
        let (own, id) = convert::current(&context)?;
        // An id generator other than the SDK's default may make ids that are not random.
        let random = if trace.parent_id.is_some() { trace.flags & RANDOM } else { 0 };
        let trace = TraceContext::new(own.trace_id, trace.parent_id, own.flags | random);
        Some(Box::new(Live { context, trace, id, redactor: self.redactor.clone() }))
    }

    /// Asked about requests without a span only: the provider was shut down.
    fn samples(&self, trace: TraceContext) -> bool {
        trace.parent_id.is_some() && trace.is_sampled()
    }

    fn ended(&self, _span: &RequestSpan<'_>) {}

    fn called(&self, _span: &CallSpan<'_>) {}
}

/// The span of a request that runs.
struct Live {
    /// Its current span is this one.
    context: Context,
    trace: TraceContext,
    id: SpanId,
    redactor: Redactor,
}

impl LiveSpan for Live {
    fn trace(&self) -> TraceContext {
        self.trace
    }

    fn id(&self) -> Option<SpanId> {
        self.trace.is_sampled().then_some(self.id)
    }

    fn enter(&self) -> Box<dyn Any> {
        Box::new(self.context.clone().attach())
    }

    fn end(&self, request: &RequestSpan<'_>) {
        let span = self.context.span();
        let method = attributes::method(request.event.method);
        if let Some(route) = request.event.route {
            span.update_name(format!("{method} {route}"));
        }
        let mut later = Later(Vec::new());
        let is_error = attributes::visit(request, &self.redactor, &mut later);
        span.set_attributes(later.0);
        if is_error {
            span.set_status(Status::error(""));
        }
        span.end_with_timestamp(time(request.end));
    }
}

/// The attributes that a span does not have from its beginning.
struct Later(Vec<KeyValue>);

impl Add for Later {
    fn add(&mut self, key: &'static str, value: Value<'_>) {
        // The SDK keeps both of two equal keys.
        if key != METHOD && key != PATH {
            self.0.push(KeyValue::new(key, value));
        }
    }
}

impl From<Value<'_>> for opentelemetry::Value {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Int(number) => Self::I64(number),
            Value::Text(text) => text.to_owned().into(),
        }
    }
}

fn time(unix: Duration) -> SystemTime {
    SystemTime::UNIX_EPOCH + unix
}

impl fmt::Debug for RequestSpans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestSpans").field("redactor", &self.redactor).finish_non_exhaustive()
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("trace", &self.trace).finish_non_exhaustive()
    }
}
