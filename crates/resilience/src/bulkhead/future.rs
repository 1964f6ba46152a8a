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
    // Not an enum of its states: an inner future that is moved into one is copied twice more.
    pub struct ResponseFuture<S, Req>
    where
        S: Service<Req>,
    {
        // `None` until the inner service is called.
        #[pin]
        inner: Option<S::Future>,
        // After the inner future, so that a dropped call has ended when its permit is returned.
        permit: Option<ConcurrencyPermit>,
        held_up: Option<HeldUp<S, Req>>,
    }
}

/// Why the inner service is not called yet, or not at all.
enum HeldUp<S, Req> {
    Refused(BulkheadFull),
    /// Boxed: only calls that wait pay for the timer.
    Wait(Pin<Box<Waiting<S, Req>>>),
}

pin_project! {
    /// A call that waits for its permit.
    pub(crate) struct Waiting<S, Req> {
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
        Self { inner: Some(inner), permit, held_up: None }
    }

    pub(super) const fn refuse(full: BulkheadFull) -> Self {
        Self { inner: None, permit: None, held_up: Some(HeldUp::Refused(full)) }
    }

    #[cold]
    pub(super) fn wait(queued: Queued, ready: S, request: Req) -> Self {
        let waiting = Box::pin(Waiting::new(queued, ready, request));
        Self { inner: None, permit: None, held_up: Some(HeldUp::Wait(waiting)) }
    }

    /// Calls the inner service, unless the call still waits or is refused.
    #[cold]
    fn poll_held_up(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), BulkheadFull>> {
        let mut this = self.project();
        let ended = match this.held_up.take() {
            // Only if the caller polls again after `Ready`, which it must not do.
            None => return Poll::Pending,
            Some(HeldUp::Refused(full)) => Err(full),
            Some(HeldUp::Wait(mut waiting)) => match waiting.as_mut().poll_turn(cx) {
                Poll::Ready(ended) => ended,
                Poll::Pending => {
                    *this.held_up = Some(HeldUp::Wait(waiting));
                    return Poll::Pending;
                }
            },
        };
        Poll::Ready(ended.map(|(inner, permit)| {
            this.inner.set(Some(inner));
            *this.permit = Some(permit);
        }))
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
        if self.inner.is_none() {
            ready!(self.as_mut().poll_held_up(cx))?;
        }
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else { return Poll::Pending };
        Poll::Ready(match ready!(inner.poll(cx)) {
            Ok(response) => Ok(ResponseBody::holding(response, this.permit.take())),
            Err(error) => {
                drop(this.permit.take());
                Err(error.into())
            }
        })
    }
}

impl<S, Req> Waiting<S, Req>
where
    S: Service<Req>,
{
    /// Queues `ready` together with its request.
    pub(crate) fn new(queued: Queued, ready: S, request: Req) -> Self {
        let timer = tokio::time::sleep(queued.limit().max_wait());
        Self { timer, queued, call: Some((ready, request)) }
    }

    /// Calls the inner service once a permit has come.
    #[cold]
    pub(crate) fn poll_turn(
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
        let state = match self.held_up {
            None => "call",
            Some(HeldUp::Refused(_)) => "refused",
            Some(HeldUp::Wait(_)) => "wait",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
