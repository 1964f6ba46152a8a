//! The response body.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

/// The first frame of a body. Boxed: a frame is as large as its trailers, and only gRPC is read in
/// advance.
pub(crate) type First<R> = Box<Result<Frame<Bytes>, <R as Body>::Error>>;

pin_project! {
    /// The body of the attempt that was returned.
    ///
    /// Forwards frames, trailers, `size_hint` and `is_end_stream` of the inner body, whose first
    /// frame the retry may have read already: a gRPC status can be in it.
    #[derive(Debug)]
    pub struct ResponseBody<R>
    where
        R: Body<Data = Bytes>,
    {
        peeked: Option<Box<Result<Frame<Bytes>, R::Error>>>,
        #[pin]
        inner: R,
    }
}

impl<R> ResponseBody<R>
where
    R: Body<Data = Bytes>,
{
    /// A body whose first frame, or error, may have been read already.
    pub(crate) const fn new(inner: R, peeked: Option<First<R>>) -> Self {
        Self { peeked, inner }
    }

    /// Puts the first frame back: the next `poll_frame` yields it.
    pub(crate) fn put_back(&mut self, first: First<Self>) {
        self.peeked = Some(first);
    }
}

impl<R> Body for ResponseBody<R>
where
    R: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        let this = self.project();
        match this.peeked.take() {
            None => this.inner.poll_frame(cx),
            Some(first) => Poll::Ready(Some(*first)),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.peeked.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.inner.size_hint();
        let Some(Ok(frame)) = self.peeked.as_deref() else { return hint };
        let peeked = frame.data_ref().map_or(0, |data| data.len() as u64);
        let mut whole = SizeHint::new();
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper.saturating_add(peeked));
        }
        whole.set_lower(hint.lower().saturating_add(peeked));
        whole
    }
}
