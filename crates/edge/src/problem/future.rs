//! The future.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hardpoint_core::ResponseBody;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::replace::Render;

pin_project! {
    /// The inner service's response, or the problem that replaces it.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        render: Option<Render>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, render: Option<Render>) -> Self {
        Self { inner, render }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        Poll::Ready(Ok(match this.render {
            Some(render) => render.replace(response, cx),
            None => response.map(ResponseBody::inner),
        }))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
