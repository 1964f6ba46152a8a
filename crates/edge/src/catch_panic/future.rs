//! The future.

use std::{
    any::Any,
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{HeadFacts, Outcome, RequestId, ResponseBody, refuse};
use http::{Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::status::{Refusal, problem_of};

pin_project! {
    /// The inner service's response, or the answer to a panic.
    pub struct ResponseFuture<F, R> {
        #[pin]
        inner: hardpoint_core::ResponseFuture<F, R>,
        facts: Option<HeadFacts>,
    }
}

impl<F, R> ResponseFuture<F, R> {
    pub(super) const fn forward(inner: F, facts: Option<HeadFacts>) -> Self {
        Self { inner: hardpoint_core::ResponseFuture::forward(inner), facts }
    }

    pub(super) const fn refuse(response: Response<ResponseBody<R>>) -> Self {
        Self { inner: hardpoint_core::ResponseFuture::refuse(response), facts: None }
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
        let Some(facts) = this.facts else {
            return this.inner.poll(cx);
        };
        // A future that panicked is not polled again: the answer is ready.
        match catch_unwind(AssertUnwindSafe(|| this.inner.poll(cx))) {
            Ok(poll) => poll,
            Err(payload) => Poll::Ready(Ok(panicked(facts, payload))),
        }
    }
}

impl<F, R> fmt::Debug for ResponseFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResponseFuture").field(&self.inner).finish()
    }
}

/// The answer to a panic.
pub(super) fn panicked<R>(
    facts: &HeadFacts,
    payload: Box<dyn Any + Send>,
) -> Response<ResponseBody<R>>
where
    R: Body<Data = Bytes>,
{
    discard(payload);
    let context = facts.context();
    if let Some(context) = context {
        context.set_outcome(Outcome::Panicked);
    }
    tracing::error!(
        target: "hardpoint::edge::catch_panic",
        request_id = context.and_then(|context| context.request_id()).map(RequestId::as_str),
        "handler panicked"
    );
    refuse(facts, &Refusal::new(problem_of(StatusCode::INTERNAL_SERVER_ERROR)))
}

/// Drops what a panic carried. It may be anything, and panic in its turn.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(next) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // It might go on like that for ever: this one is leaked.
        mem::forget(next);
    }
}
