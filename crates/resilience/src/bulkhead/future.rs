//! The response future.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_service::Service;

use super::{
    BulkheadFull, ResponseBody,
    limit::{ConcurrencyPermit, Queued},
};
use crate::BoxError;

pin_project! {
    /// Waits for a permit if the limit has a queue, then resolves to the inner service's response;
    /// or to [`BulkheadFull`].
    ///
    /// Dropping it leaves the queue, or returns the permit.
    pub struct ResponseFuture<S, Req>
    where
        S: Service<Req>,
    {
        #[pin]
        state: State<S, Req>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<S, Req>
    where
        S: Service<Req>,
    {
        // The permit comes after the inner future, so that a dropped call has ended when its permit
        // is returned.
        Call { #[pin] inner: S::Future, permit: Option<ConcurrencyPermit> },
        Refused { full: Option<BulkheadFull> },
        // Boxed: only calls that wait pay for the timer.
        Wait { waiting: Pin<Box<Waiting<S, Req>>> },
    }
}

pin_project! {
    struct Waiting<S, Req> {
        #[pin]
        timer: Sleep,
        queued: Queued,
        // The instance that is ready, and the request. `None` once it was called.
        call: Option<(S, Req)>,
    }
}

impl<S, Req> ResponseFuture<S, Req>
where
    S: Service<Req>,
{
    #[inline]
    pub(super) const fn call(inner: S::Future, permit: Option<ConcurrencyPermit>) -> Self {
        Self { state: State::Call { inner, permit } }
    }

    pub(super) const fn refuse(full: BulkheadFull) -> Self {
        Self { state: State::Refused { full: Some(full) } }
    }

    #[cold]
    pub(super) fn wait(queued: Queued, ready: S, request: Req) -> Self {
        let timer = tokio::time::sleep(queued.limit().max_wait());
        let waiting = Box::pin(Waiting { timer, queued, call: Some((ready, request)) });
        Self { state: State::Wait { waiting } }
    }
}

impl<S, ReqB, ResB> Future for ResponseFuture<S, Request<ReqB>>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: Into<BoxError>,
    ResB: Body,
{
    type Output = Result<Response<ResponseBody<ResB>>, BoxError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Nearly all calls take this branch, which is short enough to be inlined.
        if let StateProject::Call { inner, permit } = self.as_mut().project().state.project() {
            return Poll::Ready(match ready!(inner.poll(cx)) {
                Ok(response) => Ok(ResponseBody::holding(response, permit.take())),
                Err(error) => Err(ended(error.into(), permit)),
            });
        }
        self.poll_rest(cx)
    }
}

/// Returns the permit of a call that failed.
#[cold]
fn ended(error: BoxError, permit: &mut Option<ConcurrencyPermit>) -> BoxError {
    drop(permit.take());
    error
}

impl<S, ReqB, ResB> ResponseFuture<S, Request<ReqB>>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: Into<BoxError>,
    ResB: Body,
{
    #[cold]
    fn poll_rest(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<ResponseBody<ResB>>, BoxError>> {
        let mut state = self.as_mut().project().state;
        match state.as_mut().project() {
            StateProject::Wait { waiting } => {
                // Either way the place in the queue is given up now, and not with the future.
                match ready!(waiting.as_mut().poll_turn(cx)) {
                    Ok((inner, permit)) => {
                        state.set(State::Call { inner, permit: Some(permit) });
                        self.poll(cx)
                    }
                    Err(full) => {
                        state.set(State::Refused { full: None });
                        Poll::Ready(Err(full.into()))
                    }
                }
            }
            // The error is absent only if the caller polls again after `Ready`, which it must not
            // do.
            StateProject::Refused { full } => {
                full.take().map_or(Poll::Pending, |full| Poll::Ready(Err(full.into())))
            }
            StateProject::Call { .. } => self.poll(cx),
        }
    }
}

impl<S, Req> Waiting<S, Req>
where
    S: Service<Req>,
{
    /// Calls the inner service once a permit has come.
    #[cold]
    fn poll_turn(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(S::Future, ConcurrencyPermit), BulkheadFull>> {
        let this = self.project();
        // Before the timer: a permit that came in time is used, however late this task runs.
        if let Poll::Ready(permit) = Pin::new(&mut *this.queued).poll(cx) {
            // Absent only if the caller polls again after `Ready`.
            let Some((mut ready, request)) = this.call.take() else { return Poll::Pending };
            return Poll::Ready(Ok((ready.call(request), permit)));
        }
        ready!(this.timer.poll(cx));
        Poll::Ready(Err(this.queued.limit().refuse(true)))
    }
}

impl<S, Req> fmt::Debug for ResponseFuture<S, Req>
where
    S: Service<Req>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Call { .. } => "call",
            State::Refused { .. } => "refused",
            State::Wait { .. } => "wait",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
