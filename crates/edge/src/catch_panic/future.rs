//! The future.

use std::{
    fmt,
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
            Err(_payload) => Poll::Ready(Ok(panicked(facts))),
        }
    }
}

impl<F, R> fmt::Debug for ResponseFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResponseFuture").field(&self.inner).finish()
    }
}

/// The answer to a panic.
pub(super) fn panicked<R>(facts: &HeadFacts) -> Response<ResponseBody<R>>
where
    R: Body<Data = Bytes>,
{
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
