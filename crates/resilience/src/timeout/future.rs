//! The future.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;

use super::TimedOut;
use crate::{BoxError, sleep::LazySleep};

pin_project! {
    /// The inner service's response, or [`TimedOut`].
    pub struct ResponseFuture<F> {
        // None if the deadline had passed before the call.
        #[pin]
        inner: Option<F>,
        limit: Option<Limit>,
        #[pin]
        sleep: LazySleep,
    }
}

/// The time that a call has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) time: Duration,
    /// Whether the deadline left less than the layer's limit.
    pub(super) cut: bool,
}

impl Limit {
    /// The deadline has passed.
    pub(crate) const EXPIRED: Self = Self { time: Duration::ZERO, cut: true };

    pub(crate) const fn error(self) -> TimedOut {
        if self.cut { TimedOut::cut(self.time) } else { TimedOut::new(self.time) }
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(super) fn new(inner: F, limit: Option<Limit>) -> Self {
        let sleep = LazySleep::new(limit.map_or(Duration::MAX, |limit| limit.time));
        Self { inner: Some(inner), limit, sleep }
    }

    /// Splits it into the inner future (`None` if the deadline had passed) and its limit.
    pub(crate) fn into_parts(self) -> (Option<F>, Option<Limit>) {
        (self.inner, self.limit)
    }

    #[cold]
    pub(super) fn expired() -> Self {
        let limit = Limit::EXPIRED;
        Self { inner: None, limit: Some(limit), sleep: LazySleep::new(limit.time) }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else {
            return Poll::Ready(Err(Limit::EXPIRED.error().into()));
        };
        // One value, returned on every path, so the compiler builds it in the caller's place.
        let mut polled = inner.poll(cx).map_err(Into::into);
        if polled.is_pending()
            && let Some(limit) = *this.limit
            && this.sleep.poll(cx).is_ready()
        {
            polled = Poll::Ready(Err(limit.error().into()));
        }
        polled
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit.map(|limit| limit.time);
        f.debug_struct("ResponseFuture").field("limit", &limit).finish_non_exhaustive()
    }
}
