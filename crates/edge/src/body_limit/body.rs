//! The body that is counted while it is read.

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
    /// A request's body that fails when more than the limit has come.
    ///
    /// Frames, trailers, `size_hint` and `is_end_stream` are those of the body inside. After it has
    /// failed for its length it is at its end: the body inside is not read any further.
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
    /// Fails beyond `limit` bytes, and sets the mark there.
    pub(super) fn new(inner: B, limit: u64, mark: Option<Mark>) -> Self {
        Self { inner, limit, left: limit, mark, cut: false }
    }

    /// Never fails for its length.
    pub(super) fn unlimited(inner: B) -> Self {
        Self::new(inner, u64::MAX, None)
    }

    /// Whether the length was known beforehand to lie within the limit, or there is none: then the
    /// body inside may be handed on in place of this one.
    #[must_use]
    pub fn is_known_to_fit(&self) -> bool {
        self.mark.is_none()
    }

    /// The body inside, not counted any more.
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
        // An end, not the same error again: a reader that skips errors would never come to one.
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

/// Shows the response that the limit was passed, wherever the body is read.
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
        // For a response whose head is sent already: only the record can show why it broke off.
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
