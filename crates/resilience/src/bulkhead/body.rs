//! The body of a response, which holds the permit until it ends.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::ConcurrencyPermit;

pin_project! {
    /// The inner service's body. It holds the call's permit until it ends, fails or is dropped.
    ///
    /// It forwards frames, trailers, `size_hint` and `is_end_stream` unchanged.
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        // After the body, so that a dropped body has ended when the permit is returned.
        permit: Option<ConcurrencyPermit>,
    }
}

impl<B: Body> ResponseBody<B> {
    #[inline]
    pub(super) fn holding(
        response: Response<B>,
        permit: Option<ConcurrencyPermit>,
    ) -> Response<Self> {
        response.map(|inner| Self::new(inner, permit))
    }

    /// Holds the permit to the end of `inner`.
    #[inline]
    pub(crate) fn new(inner: B, permit: Option<ConcurrencyPermit>) -> Self {
        // A caller may not even poll an empty body.
        let permit = permit.filter(|_| !inner.is_end_stream());
        Self { inner, permit }
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        // The last frame counts as the end: a caller need not poll again after it.
        let is_last = !matches!(frame, Some(Ok(_))) || this.inner.is_end_stream();
        if is_last {
            drop(this.permit.take());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: fmt::Debug> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("inner", &self.inner)
            .field("holds_permit", &self.permit.is_some())
            .finish()
    }
}
