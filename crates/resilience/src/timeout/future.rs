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
        limit: Option<Duration>,
        #[pin]
        sleep: LazySleep,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, limit: Option<Duration>) -> Self {
        let sleep = LazySleep::new(limit.unwrap_or(Duration::MAX));
        Self { inner: Some(inner), limit, sleep }
    }

    pub(super) fn expired() -> Self {
        Self { inner: None, limit: Some(Duration::ZERO), sleep: LazySleep::new(Duration::ZERO) }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else {
            return Poll::Ready(Err(TimedOut::new(Duration::ZERO).into()));
        };
        if let Poll::Ready(result) = inner.poll(cx) {
            return Poll::Ready(result.map_err(Into::into));
        }
        let Some(limit) = *this.limit else {
            return Poll::Pending;
        };
        this.sleep.poll(cx).map(|()| Err(TimedOut::new(limit).into()))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("limit", &self.limit).finish_non_exhaustive()
    }
}
