use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{RequestContext, SpanId, TraceContext};
use http::{HeaderMap, HeaderValue, Request, Response};
use tower_service::Service;

use super::{ResponseFuture, future::Attempt, layer::Settings};
use crate::record::{
    amazon, facts,
    ids::{BAGGAGE, TRACEPARENT, TRACESTATE, X_AMZN_TRACE_ID, X_CORRELATION_ID, X_REQUEST_ID},
    span, traceparent,
};

/// The service of [`OutgoingLayer`](super::OutgoingLayer).
#[derive(Clone, Debug)]
pub struct Outgoing<S> {
    inner: S,
    settings: Settings,
}

impl<S> Outgoing<S> {
    pub(super) const fn new(inner: S, settings: Settings) -> Self {
        Self { inner, settings }
    }

    hardpoint_core::inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Outgoing<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = Response<ResB>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let settings = &self.settings;
        let context = RequestContext::find(request.extensions()).map(Arc::clone);
        let method = facts::method(request.method());
        let id = span_of(context.as_deref(), settings);
        if let Some(context) = &context
            && request.uri().host().is_some_and(|host| settings.hosts.contains(host))
        {
            pass_on(context, id, request.headers_mut(), settings.amazon);
        }
        let attempt = Attempt::begin(settings, method, context.as_deref(), id, request.uri());
        ResponseFuture::new(self.inner.call(request), attempt)
    }
}

/// Sets the headers that name the request and its trace, and removes those that were copied from an
/// incoming request whose ids were not accepted.
fn pass_on(context: &RequestContext, span: SpanId, headers: &mut HeaderMap, amazon: bool) {
    for name in [&X_REQUEST_ID, &TRACEPARENT, &TRACESTATE, &BAGGAGE, &X_AMZN_TRACE_ID] {
        headers.remove(name);
    }
    if let Some(id) = context.request_id() {
        headers.insert(&X_REQUEST_ID, id.as_header().clone());
    }
    // The header of an application that handles it itself passes as it is.
    if let Some(id) = context.correlation_id() {
        headers.insert(&X_CORRELATION_ID, id.as_header().clone());
    }
    if let Some(trace) = context.trace() {
        if let Some(value) = traceparent(trace, span) {
            headers.insert(&TRACEPARENT, value);
        }
        if amazon && let Ok(value) = HeaderValue::try_from(amazon::write(trace, span)) {
            headers.insert(&X_AMZN_TRACE_ID, value);
        }
    }
    if let Some(state) = context.trace_state() {
        headers.insert(&TRACESTATE, state.as_header().clone());
    }
    if let Some(baggage) = context.baggage() {
        headers.insert(&BAGGAGE, baggage.as_header().clone());
    }
}

fn traceparent(trace: TraceContext, span: SpanId) -> Option<HeaderValue> {
    let text = traceparent::write(trace, span);
    HeaderValue::from_maybe_shared(Bytes::from_owner(text)).ok()
}

/// The parent of the called service's work: the call's span if it is exported, else the current
/// span of the application's tracer, else the request's span, so that the exported trace has no
/// gap; else an id that is never exported.
fn span_of(context: Option<&RequestContext>, settings: &Settings) -> SpanId {
    let parent = context.filter(|_| settings.spans.is_none()).and_then(|context| {
        let current = settings.parent.and_then(|current| current(context.trace()?));
        current.or_else(|| context.span_id())
    });
    parent.unwrap_or_else(span::new_id)
}
