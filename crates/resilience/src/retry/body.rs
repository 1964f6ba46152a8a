//! The response body.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

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
        peeked: Peeked<R::Error>,
        #[pin]
        inner: R,
    }
}

/// What was read of a body in advance.
#[derive(Debug)]
enum Peeked<E> {
    Nothing,
    Frame(Frame<Bytes>),
    Failed(E),
}

impl<R> ResponseBody<R>
where
    R: Body<Data = Bytes>,
{
    pub(super) fn new(inner: R) -> Self {
        Self { peeked: Peeked::Nothing, inner }
    }

    /// A body whose first frame, or error, was read already.
    pub(super) fn peeked(inner: R, first: Option<Result<Frame<Bytes>, R::Error>>) -> Self {
        let peeked = match first {
            None => Peeked::Nothing,
            Some(Ok(frame)) => Peeked::Frame(frame),
            Some(Err(error)) => Peeked::Failed(error),
        };
        Self { peeked, inner }
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
        match std::mem::replace(this.peeked, Peeked::Nothing) {
            Peeked::Nothing => this.inner.poll_frame(cx),
            Peeked::Frame(frame) => Poll::Ready(Some(Ok(frame))),
            Peeked::Failed(error) => Poll::Ready(Some(Err(error))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.peeked, Peeked::Nothing) && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.inner.size_hint();
        let peeked = match &self.peeked {
            Peeked::Frame(frame) => frame.data_ref().map_or(0, |data| data.len() as u64),
            Peeked::Nothing | Peeked::Failed(_) => return hint,
        };
        let mut whole = SizeHint::new();
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper.saturating_add(peeked));
        }
        whole.set_lower(hint.lower().saturating_add(peeked));
        whole
    }
}
