//! The response future.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{CircuitOpen, CircuitPermit, ResponseBody};
use crate::{BoxError, TimedOut};

pin_project! {
    /// Resolves to the inner service's response, or immediately to [`CircuitOpen`].
    ///
    /// Dropping it records a hung call if it was pending for the circuit's `slow_after`.
    // Not an enum of its states: an inner future that is moved into one is copied twice more.
    pub struct ResponseFuture<F> {
        // `None` if the circuit refused the call.
        #[pin]
        inner: Option<F>,
        // After the inner future, so that a dropped call has ended when its outcome is recorded.
        permit: Option<CircuitPermit>,
        refused: Option<Box<CircuitOpen>>,
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(super) const fn call(inner: F, permit: Option<CircuitPermit>) -> Self {
        Self { inner: Some(inner), permit, refused: None }
    }

    #[cold]
    pub(super) fn refuse(refused: CircuitOpen) -> Self {
        // Boxed, as the error will be.
        Self { inner: None, permit: None, refused: Some(Box::new(refused)) }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<B>>, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else {
            // The error is absent only if the caller polls again after `Ready`, which it must not
            // do.
            return this.refused.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error)));
        };
        Poll::Ready(match ready!(inner.poll(cx)) {
            Ok(response) => Ok(ResponseBody::judge(response, this.permit.take())),
            Err(error) => Err(failed(error.into(), this.permit.take())),
        })
    }
}

/// Records a call that ended in an error.
#[cold]
pub(crate) fn failed(error: BoxError, permit: Option<CircuitPermit>) -> BoxError {
    if error.downcast_ref::<TimedOut>().is_some_and(|timed_out| timed_out.is_cut()) {
        // The caller had little time left. Dropping its permit counts the call only if the
        // destination had the time of a slow call.
        drop(permit);
    } else if let Some(permit) = permit {
        let class = permit.circuit().classifier().classify_error(&*error);
        permit.record(class);
    }
    error
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.inner.is_some() { "call" } else { "refused" };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
