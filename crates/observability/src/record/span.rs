//! The spans of a request and of its outgoing calls, for trace exporters.

use std::{any::Any, fmt, net::IpAddr, sync::Arc, time::Duration};

use hardpoint_core::{
    Baggage, Client, Host, Peer, RequestContext, SpanId, TraceContext, TraceState,
    event::{CallEnded, RequestEnded},
};
use http::{Request, Uri, Version, uri::PathAndQuery};

use super::{ids, random};

/// Decides which requests have a span, and receives the spans.
pub(crate) trait SpanSink: fmt::Debug + Send + Sync {
    /// Whether spans [begin](Self::begin) with their requests. Those of other sinks are made when the
    /// requests end.
    fn begins(&self) -> bool {
        false
    }

    /// Begins the span of a request. The request then belongs to the trace of this span.
    fn begin(&self, _start: &SpanStart<'_>) -> Option<Box<dyn LiveSpan>> {
        None
    }

    /// Whether the request of this trace has a span. Called before the request runs.
    fn samples(&self, trace: TraceContext) -> bool;

    /// Receives the span of a request that has ended.
    fn ended(&self, span: &RequestSpan<'_>);

    /// Receives the span of an outgoing call that has ended.
    fn called(&self, span: &CallSpan<'_>);
}

/// The span of a request that begins.
#[cfg_attr(
    not(feature = "opentelemetry_0_33"),
    expect(dead_code, reason = "only a tracer reads it")
)]
pub(crate) struct SpanStart<'a> {
    /// The trace that the caller sent, or a new one.
    pub(crate) trace: TraceContext,
    pub(crate) state: Option<&'a TraceState>,
    pub(crate) baggage: Option<&'a Baggage>,
    pub(crate) method: &'static str,
    pub(crate) path: &'a str,
    /// When the request was received, since 1970.
    pub(crate) start: Duration,
}

/// A span that began with its request, in a tracer of the application. An unsampled span is not
/// exported; it keeps the spans inside it from being sampled.
pub(crate) trait LiveSpan: fmt::Debug + Send + Sync {
    /// The trace that the span belongs to, with the caller as its parent.
    fn trace(&self) -> TraceContext;

    /// The span's id; `None` if it is not sampled.
    fn id(&self) -> Option<SpanId>;

    /// Makes this span the current one of its tracer, on this thread, until the value is dropped.
    fn enter(&self) -> Box<dyn Any>;

    /// Ends the span of a request that is over.
    fn end(&self, span: &RequestSpan<'_>);
}

/// The span of an outgoing call, once the call has ended.
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "only an exporter reads it"))]
pub(crate) struct CallSpan<'a> {
    pub(crate) id: SpanId,
    /// The span of the request that the call belongs to.
    pub(crate) parent: Option<SpanId>,
    pub(crate) trace: TraceContext,
    /// When the call ended, since 1970.
    pub(crate) end: Duration,
    pub(crate) event: &'a CallEnded<'a>,
    pub(crate) uri: &'a Uri,
}

/// The span of a request, once the request has ended.
#[cfg_attr(
    not(any(feature = "opentelemetry_0_33", feature = "otlp")),
    expect(dead_code, reason = "only an exporter reads it")
)]
pub(crate) struct RequestSpan<'a> {
    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "a tracer has its own"))]
    pub(crate) id: SpanId,
    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "a tracer has its own"))]
    pub(crate) trace: TraceContext,
    /// When the request ended, since 1970.
    pub(crate) end: Duration,
    pub(crate) event: &'a RequestEnded<'a>,
    pub(crate) request_id: Option<&'a str>,
    pub(crate) path: &'a str,
    pub(crate) version: Version,
    pub(crate) host: Option<&'a Host>,
    pub(crate) client: Option<IpAddr>,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) user_agent: Option<&'a str>,
}

/// A span whose request is running. Only a sampled request has one.
#[derive(Debug)]
pub(super) struct OpenSpan {
    sink: Arc<dyn SpanSink>,
    id: SpanId,
    trace: TraceContext,
    /// Shares the request's bytes.
    target: Option<PathAndQuery>,
    version: Version,
    peer: Option<IpAddr>,
}

impl OpenSpan {
    /// Opens the span of a request whose trace is sampled.
    ///
    /// The request's `traceparent` then names this span, so that the next service continues the
    /// trace from here.
    pub(super) fn open<B>(
        sink: Option<&Arc<dyn SpanSink>>,
        request: &mut Request<B>,
        context: &RequestContext,
        live: Option<&dyn LiveSpan>,
    ) -> Option<Self> {
        let sink = sink?;
        let trace = context.trace().filter(|trace| trace.is_sampled())?;
        let id = if sink.begins() { live?.id()? } else { new_id() };
        if !context.set_span_id(id) {
            // An outer layer has the request's span.
            return None;
        }
        ids::continue_from(request.headers_mut(), trace, id);
        Some(Self {
            sink: Arc::clone(sink),
            id,
            trace,
            target: request.uri().path_and_query().cloned(),
            version: request.version(),
            peer: Peer::find(request.extensions()).map(Peer::ip),
        })
    }

    /// Passes the span on.
    pub(super) fn end(
        &self,
        live: Option<&dyn LiveSpan>,
        event: &RequestEnded<'_>,
        context: &RequestContext,
        user_agent: Option<&str>,
        end: Duration,
    ) {
        let span = RequestSpan {
            id: self.id,
            trace: self.trace,
            end,
            event,
            request_id: context.request_id().map(|id| id.as_str()),
            path: self.target.as_ref().map_or("", PathAndQuery::path),
            version: self.version,
            host: context.client().and_then(Client::host),
            client: context.client().and_then(Client::ip),
            peer: self.peer,
            user_agent,
        };
        match live {
            Some(live) => live.end(&span),
            None => self.sink.ended(&span),
        }
    }
}

/// Draws the id of a span.
pub(crate) fn new_id() -> SpanId {
    // Eight zero bytes are practically impossible; if they occur, draw again.
    loop {
        if let Some(id) = SpanId::from_bytes(random::bytes()) {
            return id;
        }
    }
}
