//! The body that counts its bytes while it is read.

use std::{
    error::Error,
    io::IoSlice,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{LimitedBodyError, mark::Mark, messages::Messages};

pin_project! {
    /// A request body that fails once it exceeds the limit.
    ///
    /// Frames, trailers, `size_hint` and `is_end_stream` are forwarded from the inner body. After
    /// exceeding the limit, this body has ended and does not read the inner one any further.
    #[derive(Debug)]
    pub struct LimitedBody<B> {
        #[pin]
        inner: B,
        limit: u64,
        count: Count,
        mark: Option<Mark>,
        cut: bool,
    }
}

impl<B> LimitedBody<B> {
    /// Fails after `limit` bytes and sets the mark.
    pub(super) fn new(inner: B, limit: u64, mark: Option<Mark>) -> Self {
        Self { inner, limit, count: Count::Bytes { left: limit }, mark, cut: false }
    }

    /// Fails at a message of more than `limit` bytes and sets the mark.
    pub(super) fn of_messages(inner: B, limit: u64, mark: Mark) -> Self {
        let count = Count::Messages(Messages::default());
        Self { inner, limit, count, mark: Some(mark), cut: false }
    }

    /// Never fails because of its length.
    pub(super) fn unlimited(inner: B) -> Self {
        Self::new(inner, u64::MAX, None)
    }

    /// Returns `true` if the length was known in advance and within the limit, or if no limit is
    /// set. In both cases the inner body may be passed on instead of this one.
    #[must_use]
    pub fn is_known_to_fit(&self) -> bool {
        self.mark.is_none()
    }

    /// Returns the inner body. Its remaining bytes are not counted.
    #[must_use]
    pub fn into_inner(self) -> B {
        self.inner
    }
}

impl<B> Body for LimitedBody<B>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = B::Data;
    type Error = LimitedBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, LimitedBodyError>>> {
        let this = self.project();
        // Returns the end of the body instead of the same error again: a reader that skips errors
        // would never finish.
        if *this.cut {
            return Poll::Ready(None);
        }
        let frame = match ready!(this.inner.poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(LimitedBodyError::inner(error)))),
            None => return Poll::Ready(None),
        };
        if frame.data_ref().is_none_or(|data| this.count.add(data, *this.limit)) {
            return Poll::Ready(Some(Ok(frame)));
        }
        *this.cut = true;
        if let Some(mark) = this.mark {
            mark.set();
        }
        Poll::Ready(Some(Err(LimitedBodyError::too_large(*this.limit))))
    }

    fn is_end_stream(&self) -> bool {
        self.cut || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.cut {
            return SizeHint::with_exact(0);
        }
        self.inner.size_hint()
    }
}

/// What is counted of a body.
#[derive(Debug)]
pub(super) enum Count {
    /// All bytes, of which so many may still come.
    Bytes { left: u64 },
    /// The bytes of each message.
    Messages(Messages),
}

impl Count {
    /// Counts `data`. `false` if it exceeds the limit.
    fn add(&mut self, data: &impl Buf, limit: u64) -> bool {
        match self {
            Self::Bytes { left } => {
                let rest = left.checked_sub(data.remaining() as u64);
                *left = rest.unwrap_or(0);
                rest.is_some()
            }
            Self::Messages(messages) => {
                let mut parts = [IoSlice::new(&[]); 16];
                let count = data.chunks_vectored(&mut parts);
                let parts = parts.get(..count).unwrap_or_default();
                // Data in more parts than servers make cannot be looked at without taking it.
                let is_seen =
                    parts.iter().map(|part| part.len()).sum::<usize>() == data.remaining();
                is_seen && parts.iter().all(|part| messages.follow(part, limit))
            }
        }
    }
}
