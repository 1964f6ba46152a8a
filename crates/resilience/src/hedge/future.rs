//! The future: two attempts, of which one is returned.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hardpoint_core::event::HedgeResult;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    race::{self, Other, Verdict},
    second::{Course, Second},
    watch::Watch,
};
use crate::{BoxError, Class, retry::ReplayBody};

pin_project! {
    /// The response of the attempt that answers first.
    ///
    /// Dropping it drops both attempts. A hedge that was not yet sent is refunded to the budget.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        // None once it has ended or was dropped.
        #[pin]
        first: Option<S::Future>,
        // After the attempt, so that a dropped one has ended when its duration is recorded. None if
        // the request may not be hedged.
        watch: Option<Watch>,
        // Boxed: other calls pay for neither the timer nor a second future. None if no hedge can
        // follow.
        second: Option<Pin<Box<Second<S, B>>>>,
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<ReplayBody<B>>>,
{
    #[inline]
    pub(super) const fn once(first: S::Future) -> Self {
        Self { first: Some(first), watch: None, second: None }
    }

    pub(super) const fn watched(first: S::Future, watch: Watch) -> Self {
        Self { first: Some(first), watch: Some(watch), second: None }
    }

    pub(super) fn hedged(
        first: S::Future,
        watch: Watch,
        delay: Duration,
        course: Course<S, B>,
    ) -> Self {
        let second = Some(Box::pin(Second::new(delay, course)));
        Self { first: Some(first), watch: Some(watch), second }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<R>, BoxError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        if this.watch.is_none() {
            // The error is absent only if the caller polls again after `Ready`, which it must not
            // do.
            let Some(first) = this.first.as_pin_mut() else { return Poll::Pending };
            return first.poll(cx).map_err(Into::into);
        }
        self.poll_watched(cx)
    }
}

impl<S, B, R> ResponseFuture<S, B>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes>,
{
    fn poll_watched(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<R>, BoxError>> {
        let mut this = self.as_mut().project();
        if let (Some(first), Some(watch)) = (this.first.as_mut().as_pin_mut(), this.watch.as_mut())
            && let Poll::Ready(result) = first.poll(cx)
        {
            this.first.set(None);
            let result = result.map_err(Into::into);
            let class = watch.ended(&result);
            let other = this.second.as_ref().map_or(Other::Absent, |second| second.state());
            match race::decide(class, other) {
                Verdict::Wait => {
                    // `Wait` implies a second attempt.
                    if let Some(second) = this.second.as_mut() {
                        second.as_mut().keep(result);
                    }
                }
                verdict => return Poll::Ready(self.settle(verdict, result, HedgeResult::First)),
            }
        }
        self.poll_second(cx)
    }

    /// Sends the second attempt when it is due, and waits for it.
    fn poll_second(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<R>, BoxError>> {
        let this = self.as_mut().project();
        let (Some(second), Some(watch)) = (this.second.as_mut(), this.watch.as_ref()) else {
            return Poll::Pending;
        };
        let result = ready!(second.as_mut().poll(watch.settings(), cx));
        let class = watch.classify(&result);
        if class == Class::Shed {
            // If the first attempt has failed meanwhile, nothing else will come.
            return second.as_mut().refuse().map_or(Poll::Pending, Poll::Ready);
        }
        let other = if this.first.is_some() { Other::InFlight } else { Other::Failed };
        match race::decide(class, other) {
            Verdict::Wait => {
                second.as_mut().fail(result);
                Poll::Pending
            }
            verdict => Poll::Ready(self.settle(verdict, result, HedgeResult::Hedge)),
        }
    }

    /// Ends the call with the result of an attempt, or with the one that failed before. Reports the
    /// hedge, and drops the loser.
    fn settle(
        self: Pin<&mut Self>,
        verdict: Verdict,
        result: Result<Response<R>, BoxError>,
        winner: HedgeResult,
    ) -> Result<Response<R>, BoxError> {
        let mut this = self.project();
        let earlier = this.second.as_mut().and_then(|second| second.as_mut().take_failed());
        let (report, result) = match (verdict, earlier, this.watch.as_ref()) {
            (Verdict::Choose, Some(earlier), Some(watch)) => {
                let later = race::prefers_later(watch.hint(&earlier), watch.hint(&result));
                (HedgeResult::Failed, if later { result } else { earlier })
            }
            _ => (winner, result),
        };
        if let Some(second) = this.second.as_mut() {
            second.as_mut().report(report);
        }
        // Dropped now, because the caller may keep this future after it is ready.
        this.first.set(None);
        *this.second = None;
        *this.watch = None;
        result
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<ReplayBody<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("first_in_flight", &self.first.is_some())
            .field("hedge", &self.second.as_ref().map(|second| second.state()))
            .finish_non_exhaustive()
    }
}
