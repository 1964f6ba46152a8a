//! The spans of a request and of its outgoing calls, for trace exporters.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use hardpoint_core::{
    Client, Host, Peer, RequestContext, SpanId, TraceContext,
    event::{CallEnded, RequestEnded},
};
use http::{Request, Uri, Version};

use super::{ids, random};

/// Decides which requests have a span, and receives the spans.
pub(crate) trait SpanSink: fmt::Debug + Send + Sync {
    /// Whether the request of this trace has a span. Called before the request runs.
    fn samples(&self, trace: TraceContext) -> bool;

    /// Receives the span of a request that has ended.
    fn ended(&self, span: &RequestSpan<'_>);

    /// Receives the span of an outgoing call that has ended.
    fn called(&self, span: &CallSpan<'_>);
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
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "only an exporter reads it"))]
pub(crate) struct RequestSpan<'a> {
    pub(crate) id: SpanId,
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
    uri: Uri,
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
    ) -> Option<Self> {
        let sink = sink?;
        let trace = context.trace().filter(|trace| trace.is_sampled())?;
        let id = new_id();
        if !context.set_span_id(id) {
            // An outer layer has the request's span.
            return None;
        }
        ids::continue_from(request.headers_mut(), trace, id);
        Some(Self {
            sink: Arc::clone(sink),
            id,
            trace,
            uri: request.uri().clone(),
            version: request.version(),
            peer: Peer::find(request.extensions()).map(Peer::ip),
        })
    }

    /// Passes the span on.
    pub(super) fn end(
        &self,
        event: &RequestEnded<'_>,
        context: &RequestContext,
        user_agent: Option<&str>,
        end: Duration,
    ) {
        self.sink.ended(&RequestSpan {
            id: self.id,
            trace: self.trace,
            end,
            event,
            request_id: context.request_id().map(|id| id.as_str()),
            path: self.uri.path(),
            version: self.version,
            host: context.client().and_then(Client::host),
            client: context.client().and_then(Client::ip),
            peer: self.peer,
            user_agent,
        });
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
