//! The future.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hardpoint_core::{HeadFacts, Refusals};
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{BodyTooLarge, ResponseBody, mark::Mark};

pin_project! {
    /// The inner service's response or a rejection. The request is rejected at once, or when the
    /// response is ready and the body has exceeded the limit by then.
    pub struct ResponseFuture<F, R> {
        #[pin]
        inner: hardpoint_core::ResponseFuture<F, R>,
        watch: Option<Watch>,
    }
}

/// The response's view of a body that is being counted.
pub(super) struct Watch {
    pub(super) mark: Mark,
    pub(super) refusals: Refusals,
    pub(super) limit: u64,
}

impl<F, R> ResponseFuture<F, R> {
    pub(super) fn forward(inner: F, watch: Option<Watch>) -> Self {
        Self { inner: hardpoint_core::ResponseFuture::forward(inner), watch }
    }

    pub(super) fn refuse(response: Response<hardpoint_core::ResponseBody<R>>) -> Self {
        Self { inner: hardpoint_core::ResponseFuture::refuse(response), watch: None }
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
        let outcome = ready!(this.inner.poll(cx));
        let watch = this.watch.take();
        // Replaces any result of the inner service, including its own errors.
        if let Some(watch) = watch.as_ref().filter(|watch| watch.mark.is_set()) {
            let refused = too_large(&watch.refusals, watch.mark.facts(), watch.limit);
            return Poll::Ready(Ok(refused.map(|body| ResponseBody::new(body, None))));
        }
        Poll::Ready(outcome.map(|response| response.map(|body| ResponseBody::new(body, watch))))
    }
}

impl<F, R> fmt::Debug for ResponseFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("inner", &self.inner)
            .field("counted", &self.watch.is_some())
            .finish()
    }
}

/// Renders the rejection.
pub(super) fn too_large<R>(
    refusals: &Refusals,
    facts: &HeadFacts,
    limit: u64,
) -> Response<hardpoint_core::ResponseBody<R>> {
    log(limit);
    refusals.refuse(facts, &BodyTooLarge::new(limit))
}

pub(super) fn log(limit: u64) {
    tracing::debug!(
        target: "hardpoint::edge::body_limit",
        limit,
        "request body too large"
    );
}
