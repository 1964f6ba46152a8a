//! The future.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use hardpoint_core::Scheme;
use http::Response;
use pin_project_lite::pin_project;

use super::SecurityHeaders;

pin_project! {
    /// Adds the headers to the inner service's response.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        set: Option<Arc<SecurityHeaders>>,
        scheme: Option<Scheme>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(
        inner: F,
        set: Option<Arc<SecurityHeaders>>,
        scheme: Option<Scheme>,
    ) -> Self {
        Self { inner, set, scheme }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if let Some(set) = this.set {
            set.apply(response.headers_mut(), *this.scheme);
        }
        Poll::Ready(Ok(response))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
