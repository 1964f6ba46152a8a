use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use hardpoint_core::{
    Mono, Outcome, RequestContext, SpanId, Telemetry, Time, TraceContext,
    event::{CallEnded, Ending},
};
use http::{Response, StatusCode, Uri};
use pin_project_lite::pin_project;

use super::layer::Settings;
use crate::record::span::{CallSpan, SpanSink};

pin_project! {
    /// The future of [`Outgoing`](super::Outgoing).
    ///
    /// If dropped before it is ready, it reports the call as cancelled.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        attempt: Attempt,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(inner: F, attempt: Attempt) -> Self {
        Self { inner, attempt }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.inner.poll(cx));
        this.attempt.end(answer.as_ref().ok().map(Response::status));
        Poll::Ready(answer)
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// A call that was sent. It is reported once, at its end or when it is dropped.
pub(super) struct Attempt {
    destination: Arc<str>,
    telemetry: Telemetry,
    time: Time,
    method: &'static str,
    trace: Option<TraceContext>,
    span: Option<OpenCall>,
    begin: Mono,
    is_over: bool,
}

/// The span of a call that was sent.
struct OpenCall {
    sink: Arc<dyn SpanSink>,
    id: SpanId,
    parent: Option<SpanId>,
    trace: TraceContext,
    /// Shares the request's bytes.
    uri: Uri,
}

impl Attempt {
    pub(super) fn begin(
        settings: &Settings,
        method: &'static str,
        context: Option<&RequestContext>,
        id: SpanId,
        uri: &Uri,
    ) -> Self {
        let trace = context.and_then(RequestContext::trace);
        let span = settings.spans.as_ref().and_then(|sink| {
            Some(OpenCall {
                sink: Arc::clone(sink),
                id,
                parent: context.and_then(RequestContext::span_id),
                trace: trace.filter(|trace| trace.is_sampled())?,
                uri: uri.clone(),
            })
        });
        Self {
            destination: Arc::clone(&settings.destination),
            telemetry: settings.telemetry.clone(),
            time: settings.time.clone(),
            method,
            trace,
            begin: settings.time.now(),
            is_over: settings.telemetry.is_none() && span.is_none(),
            span,
        }
    }

    /// Reports the status of the response; `None` if the call failed without one.
    fn end(&mut self, status: Option<StatusCode>) {
        let is_error =
            status.is_none_or(|status| status.is_client_error() || status.is_server_error());
        let ending = if is_error { Ending::Known(Outcome::Failed) } else { Ending::Ok };
        self.report(ending, status);
    }

    fn report(&mut self, ending: Ending, status: Option<StatusCode>) {
        if self.is_over {
            return;
        }
        self.is_over = true;
        let duration = self.time.now().saturating_since(self.begin);
        let mut event = CallEnded::new(&self.destination, self.method, ending, duration);
        event.status = status.map(|status| status.as_u16());
        event.trace = self.trace;
        self.telemetry.on(&event.into());
        if let Some(OpenCall { sink, id, parent, trace, uri }) = &self.span {
            let (id, parent, trace) = (*id, *parent, *trace);
            let end = self.time.unix();
            sink.called(&CallSpan { id, parent, trace, end, event: &event, uri });
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.report(Ending::Cancelled, None);
    }
}
