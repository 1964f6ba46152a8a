//! The body that counts its bytes while it is read.

use std::{
    error::Error,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Buf;
use hardpoint_core::{HeadFacts, Outcome};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::LimitedBodyError;

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
        left: u64,
        mark: Option<Mark>,
        cut: bool,
    }
}

impl<B> LimitedBody<B> {
    /// Fails after `limit` bytes and sets the mark.
    pub(super) fn new(inner: B, limit: u64, mark: Option<Mark>) -> Self {
        Self { inner, limit, left: limit, mark, cut: false }
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
        let length = frame.data_ref().map_or(0, |data| data.remaining() as u64);
        match this.left.checked_sub(length) {
            Some(left) => {
                *this.left = left;
                Poll::Ready(Some(Ok(frame)))
            }
            None => {
                *this.cut = true;
                if let Some(mark) = this.mark {
                    mark.set();
                }
                Poll::Ready(Some(Err(LimitedBodyError::too_large(*this.limit))))
            }
        }
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

/// Reports to the response that the body exceeded the limit.
#[derive(Clone, Debug)]
pub(super) struct Mark(Arc<Passed>);

#[derive(Debug)]
struct Passed {
    flag: AtomicBool,
    facts: HeadFacts,
}

impl Mark {
    pub(super) fn new(facts: HeadFacts) -> Self {
        Self(Arc::new(Passed { flag: AtomicBool::new(false), facts }))
    }

    fn set(&self) {
        self.0.flag.store(true, Ordering::Release);
        // The response head may already have been sent. Then only the record shows why the body
        // broke off.
        if let Some(context) = self.0.facts.context() {
            context.set_body_outcome(Outcome::Rejected);
        }
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.flag.load(Ordering::Acquire)
    }

    pub(super) fn facts(&self) -> &HeadFacts {
        &self.0.facts
    }
}
