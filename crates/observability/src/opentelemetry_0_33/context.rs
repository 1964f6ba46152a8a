use hardpoint_core::{RequestContext, SpanId, TraceContext};
use opentelemetry::{Context, trace::TraceContextExt as _};

use super::convert;
use crate::{OutgoingLayer, record::span};

/// Returns the context in which spans of the SDK continue the request's trace, for work outside the
/// handler's own calls, such as a spawned task or a queue. It extends the current context.
///
/// Its span is remote and is the first of these that exists:
/// 1. the request's span: that of [`RequestSpans`](super::RequestSpans), or of the exporter (feature
///    `otlp`) if the request is sampled;
/// 2. the caller's span;
/// 3. a span id that is never exported, which keeps the trace id of the log lines.
///
/// The context has the trace's flags and `tracestate`, and the accepted baggage. Without a trace,
/// as outside a [`RecordLayer`](crate::RecordLayer), it is the current context.
#[must_use]
pub fn context_of(request: &RequestContext) -> Context {
    let mut context = Context::current();
    if let Some(trace) = request.trace() {
        let span = request.span_id().or(trace.parent_id).unwrap_or_else(span::new_id);
        context = convert::remote(&context, trace, span, request.trace_state());
    }
    match request.baggage() {
        Some(baggage) => convert::with_baggage(&context, baggage),
        None => context,
    }
}

impl OutgoingLayer {
    /// Names the SDK's current span as the parent of the called service's work, if it belongs to the
    /// request's trace. Default: the request's span, because the layer does not see the SDK's.
    ///
    /// An exporter of calls (`otlp`) takes precedence: the parent is then its span of the call.
    pub fn opentelemetry_0_33(mut self) -> Self {
        self.settings.parent = Some(current_span);
        self
    }
}

fn current_span(trace: TraceContext) -> Option<SpanId> {
    Context::map_current(|context| {
        if !context.has_active_span() {
            return None;
        }
        let (current, span) = convert::current(context)?;
        (current.trace_id == trace.trace_id).then_some(span)
    })
}
