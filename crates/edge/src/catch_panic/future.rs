//! The future.

use std::{
    any::Any,
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{HeadFacts, Outcome, Problem, Refusals, RequestId, ResponseBody};
use http::{Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;

pin_project! {
    /// The inner service's response, or the response to a panic.
    pub struct ResponseFuture<F, R> {
        #[pin]
        inner: hardpoint_core::ResponseFuture<F, R>,
        answer: Option<Answer>,
    }
}

impl<F, R> ResponseFuture<F, R> {
    pub(super) fn forward(inner: F, answer: Option<Answer>) -> Self {
        Self { inner: hardpoint_core::ResponseFuture::forward(inner), answer }
    }

    pub(super) fn refuse(response: Response<ResponseBody<R>>) -> Self {
        Self { inner: hardpoint_core::ResponseFuture::refuse(response), answer: None }
    }
}

impl<F, R, E> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(answer) = this.answer else {
            return this.inner.poll(cx);
        };
        // A future that panicked is not polled again: this response is the final result.
        match catch_unwind(AssertUnwindSafe(|| this.inner.poll(cx))) {
            Ok(poll) => poll,
            Err(payload) => Poll::Ready(Ok(answer.panicked(payload))),
        }
    }
}

impl<F, R> fmt::Debug for ResponseFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResponseFuture").field(&self.inner).finish()
    }
}

/// Everything needed to respond to a panic.
pub(super) struct Answer {
    pub(super) refusals: Refusals,
    pub(super) facts: HeadFacts,
}

impl Answer {
    /// Responds to a panic with this payload.
    pub(super) fn panicked<R>(&self, payload: Box<dyn Any + Send>) -> Response<ResponseBody<R>> {
        discard(payload);
        tracing::error!(
            target: "hardpoint::edge::catch_panic",
            request_id = self.facts.request_id().map(RequestId::as_str),
            "handler panicked"
        );
        let problem = Problem::from_status(StatusCode::INTERNAL_SERVER_ERROR);
        let problem = problem.outcome(Outcome::Panicked);
        // A service's own renderer may be what panicked.
        let refuse = || self.refusals.refuse(&self.facts, &problem);
        catch_unwind(AssertUnwindSafe(refuse)).unwrap_or_else(|payload| {
            discard(payload);
            Refusals::new().refuse(&self.facts, &problem)
        })
    }
}

/// Drops a panic's payload. It can be of any type, and dropping it may panic in turn.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(next) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // This could repeat forever, so the second payload is leaked.
        mem::forget(next);
    }
}
