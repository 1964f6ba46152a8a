//! The future.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hardpoint_core::{HeadFacts, Refusals, ResponseBody};
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{DeadlineExceeded, service::log};
use crate::sleep::LazySleep;

pin_project! {
    /// The inner service's response, or a refusal if the deadline passes first.
    pub struct ResponseFuture<F, R> {
        #[pin]
        inner: hardpoint_core::ResponseFuture<F, R>,
        #[pin]
        timer: Option<Timer>,
    }
}

pin_project! {
    /// When to refuse the request, and how.
    pub(super) struct Timer {
        #[pin]
        sleep: LazySleep,
        facts: HeadFacts,
        refusals: Refusals,
    }
}

impl Timer {
    pub(super) fn new(remaining: Duration, facts: HeadFacts, refusals: Refusals) -> Self {
        Self { sleep: LazySleep::new(remaining), facts, refusals }
    }
}

impl<F, R> ResponseFuture<F, R> {
    pub(super) fn forward(inner: F, timer: Option<Timer>) -> Self {
        Self { inner: hardpoint_core::ResponseFuture::forward(inner), timer }
    }

    pub(super) fn refuse(response: Response<ResponseBody<R>>) -> Self {
        Self { inner: hardpoint_core::ResponseFuture::refuse(response), timer: None }
    }
}

impl<F, R, E> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // The inner future first: a response that is ready at the deadline is a response.
        if let Poll::Ready(outcome) = this.inner.poll(cx) {
            return Poll::Ready(outcome);
        }
        let Some(timer) = this.timer.as_pin_mut() else {
            return Poll::Pending;
        };
        let timer = timer.project();
        timer.sleep.poll(cx).map(|()| {
            let exceeded = DeadlineExceeded::new(false);
            log(exceeded);
            Ok(timer.refusals.refuse(timer.facts, &exceeded))
        })
    }
}

impl<F, R> fmt::Debug for ResponseFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("inner", &self.inner)
            .field("timed", &self.timer.is_some())
            .finish()
    }
}
