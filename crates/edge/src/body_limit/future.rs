//! The future.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hardpoint_core::{HeadFacts, Refusals, ResponseBody};
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{BodyTooLarge, body::Mark};

pin_project! {
    /// The inner service's response, or a refusal: at once, or in place of the response if by then
    /// more than the limit has come.
    pub struct ResponseFuture<F, R> {
        #[pin]
        inner: hardpoint_core::ResponseFuture<F, R>,
        watch: Option<Watch>,
    }
}

/// A body that is counted, seen from the response.
pub(super) struct Watch {
    pub(super) mark: Mark,
    pub(super) refusals: Refusals,
    pub(super) limit: u64,
}

impl<F, R> ResponseFuture<F, R> {
    pub(super) fn forward(inner: F, watch: Option<Watch>) -> Self {
        Self { inner: hardpoint_core::ResponseFuture::forward(inner), watch }
    }

    pub(super) fn refuse(response: Response<ResponseBody<R>>) -> Self {
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
        Poll::Ready(match this.watch {
            // Whatever the inner service made of the failure, an error of its own included.
            Some(watch) if watch.mark.is_set() => {
                Ok(too_large(&watch.refusals, watch.mark.facts(), watch.limit))
            }
            _ => outcome,
        })
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

/// The refusal.
pub(super) fn too_large<R>(
    refusals: &Refusals,
    facts: &HeadFacts,
    limit: u64,
) -> Response<ResponseBody<R>> {
    tracing::debug!(
        target: "hardpoint::edge::body_limit",
        limit,
        "request body too large"
    );
    refusals.refuse(facts, &BodyTooLarge::new(limit))
}
