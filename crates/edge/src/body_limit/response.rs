//! The response body, which breaks off with the request body.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{
    BodyTooLarge,
    future::{Watch, log},
};

type BoxError = Box<dyn Error + Send + Sync>;

pin_project! {
    /// The inner service's body, or that of a rejection.
    ///
    /// It forwards frames, trailers, errors, `size_hint` and `is_end_stream`. If the request body
    /// exceeds the limit while this body is sent, this body ends with a [`BodyTooLarge`] error, and
    /// for gRPC with trailers.
    pub struct ResponseBody<R> {
        #[pin]
        inner: hardpoint_core::ResponseBody<R>,
        watch: Option<Watch>,
        cut: bool,
    }
}

impl<R> ResponseBody<R> {
    pub(super) fn new(inner: hardpoint_core::ResponseBody<R>, watch: Option<Watch>) -> Self {
        Self { inner, watch, cut: false }
    }
}

impl<R> Default for ResponseBody<R> {
    /// An empty body.
    fn default() -> Self {
        Self::new(hardpoint_core::ResponseBody::empty(), None)
    }
}

impl<R> Body for ResponseBody<R>
where
    R: Body<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        if *this.cut {
            return Poll::Ready(None);
        }
        let Some(watch) = this.watch else {
            return this.inner.poll_frame(cx).map_err(Into::into);
        };
        if !watch.mark.is_set() {
            let polled = this.inner.as_mut().poll_frame(cx);
            if polled.is_pending() {
                watch.mark.wake(cx.waker());
            }
            // The inner body may have read the request, and has set the mark then.
            if !watch.mark.is_set() {
                return polled.map_err(Into::into);
            }
        }
        *this.cut = true;
        // Releases the inner body at once, even if this one is dropped much later.
        this.inner.set(hardpoint_core::ResponseBody::empty());
        log(watch.limit);
        Poll::Ready(Some(match watch.mark.facts().is_grpc() {
            true => Ok(Frame::trailers(trailers(watch))),
            false => Err(BodyTooLarge::new(watch.limit).into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.cut || (self.inner.is_end_stream() && !self.is_to_be_cut())
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<R> ResponseBody<R> {
    fn is_to_be_cut(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.mark.is_set())
    }
}

/// The status of gRPC, as in a response that consists of it.
fn trailers(watch: &Watch) -> HeaderMap {
    let refused = watch.refusals.refuse::<hardpoint_core::ResponseBody<()>>(
        watch.mark.facts(),
        &BodyTooLarge::new(watch.limit),
    );
    let (head, _body) = refused.into_parts();
    let fields = head.headers.iter().filter(|(name, _)| name.as_str().starts_with("grpc-"));
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

impl<R: fmt::Debug> fmt::Debug for ResponseBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("inner", &self.inner)
            .field("cut", &self.cut)
            .finish_non_exhaustive()
    }
}
