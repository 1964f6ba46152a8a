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
use crate::BoxError;

pin_project! {
    /// Resolves to the inner service's response, or immediately to [`CircuitOpen`].
    ///
    /// Dropping it records a hung call if it was pending for the circuit's `slow_after`.
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<F> {
        // The permit comes after the inner future, so that a dropped call has ended when its
        // outcome is recorded.
        Call { #[pin] inner: F, permit: Option<CircuitPermit> },
        Refused { refused: Option<CircuitOpen> },
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(super) const fn call(inner: F, permit: Option<CircuitPermit>) -> Self {
        Self { state: State::Call { inner, permit } }
    }

    pub(super) const fn refuse(refused: CircuitOpen) -> Self {
        Self { state: State::Refused { refused: Some(refused) } }
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
        match self.project().state.project() {
            StateProject::Call { inner, permit } => Poll::Ready(match ready!(inner.poll(cx)) {
                Ok(response) => Ok(ResponseBody::judge(response, permit.take())),
                Err(error) => Err(failed(error.into(), permit.take())),
            }),
            // The error is absent only if the caller polls again after `Ready`, which it must not
            // do.
            StateProject::Refused { refused } => {
                refused.take().map_or(Poll::Pending, |refused| Poll::Ready(Err(refused.into())))
            }
        }
    }
}

/// Records a call that ended in an error.
#[cold]
fn failed(error: BoxError, permit: Option<CircuitPermit>) -> BoxError {
    if let Some(permit) = permit {
        let class = permit.circuit().classifier().classify_error(&*error);
        permit.record(class);
    }
    error
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Call { .. } => "call",
            State::Refused { .. } => "refused",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
