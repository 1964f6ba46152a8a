//! One attempt: the circuit breaker, the bulkhead and the attempt's timeout as one service.
//!
//! Each of them is also a layer of its own. Nested, the three copy the request and the future three
//! times, which costs more than their decisions.

use std::{
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hardpoint_core::{Head, Mono, Time};
use http::{Request, Response, request::Parts as RequestHead};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    BoxError, bulkhead,
    bulkhead::{Answer, ConcurrencyPermit, Limits, Queued, Waiting},
    circuit_breaker,
    circuit_breaker::{CircuitPermit, Guard, failed, judge_head},
    retry,
    sleep::LazySleep,
    timeout,
    timeout::{Limit, Timeout},
};

/// The body of an attempt's response. A retry can put the frame that it has read back into it.
pub(super) type AttemptBody<R> =
    retry::ResponseBody<circuit_breaker::ResponseBody<bulkhead::ResponseBody<R>>>;

/// Makes attempts.
// A clone asks its own inner service for readiness: this service holds none.
#[derive(Clone, Debug)]
pub(super) struct Attempt<S> {
    inner: S,
    guards: Option<Arc<Guards>>,
}

/// What guards each attempt.
#[derive(Debug)]
pub(super) struct Guards {
    pub(super) circuits: Guard,
    pub(super) limits: Limits,
    pub(super) timeout: Option<Arc<timeout::Settings>>,
    pub(super) time: Time,
}

impl<S> Attempt<S> {
    pub(super) const fn new(inner: S, guards: Option<Arc<Guards>>) -> Self {
        Self { inner, guards }
    }

    hardpoint_core::inner_accessors!();

    /// The current time. A call reads the clock once and passes the value to every policy.
    #[inline]
    pub(super) fn now(&self) -> Mono {
        self.guards.as_ref().map_or(Mono::ZERO, |guards| guards.time.now())
    }

    /// Asks the circuit breaker and the bulkhead, and limits the attempt's time.
    ///
    /// Stores the permits in `future` and edits `head` in place: returning them would copy them.
    #[inline]
    pub(super) fn admit<B>(
        &self,
        future: &mut AttemptFuture<S, B>,
        head: &mut RequestHead,
        now: Mono,
    ) -> Result<(), Obstacle>
    where
        S: Service<Request<B>>,
    {
        let Some(Guards { circuits, limits, timeout, .. }) = self.guards.as_deref() else {
            return Ok(());
        };
        let circuit = match circuits {
            Guard::Off => None,
            Guard::One(circuit) => Some(circuit.acquire_at(now)),
            Guard::Keyed(circuits) => Some(circuits.acquire_at(Head::from_parts(head), now)),
        };
        match circuit {
            None => {}
            Some(Ok(permit)) => future.circuit = Some(permit),
            Some(Err(open)) => return Err(Obstacle::refused(open)),
        }
        match limits.enter(Head::from_parts(head)) {
            None => {}
            Some(Answer::Permit(permit)) => future.permit = Some(permit),
            Some(Answer::Full(full)) => return Err(Obstacle::refused(full)),
            Some(Answer::Wait(queued)) => return Err(Obstacle::Queued(queued)),
        }
        if let Some(timeout) = timeout {
            let Some(limit) = timeout.limit(&mut head.extensions) else {
                future.permit = None;
                return Err(Obstacle::refused(Limit::EXPIRED.error()));
            };
            timeout.propagate(&mut head.headers, limit);
            future.limit(limit);
        }
        Ok(())
    }

    /// Stores an attempt that was refused, or must queue for a permit.
    #[cold]
    pub(super) fn hold<B>(
        &mut self,
        future: &mut AttemptFuture<S, B>,
        obstacle: Obstacle,
        head: RequestHead,
        body: B,
    ) where
        S: Service<Request<B>> + Clone,
        S::Error: Into<BoxError>,
    {
        future.held_up = Some(match obstacle {
            Obstacle::Refused(error) => HeldUp::Refused(error),
            Obstacle::Queued(queued) => {
                // The ready instance queues with its request.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                let timeout = self.guards.as_ref().and_then(|guards| guards.timeout.clone());
                let request = Request::from_parts(head, body);
                let waiting = Waiting::new(queued, Timeout::new(ready, timeout), request);
                HeldUp::Wait(Box::pin(waiting))
            }
        });
    }
}

/// Why an attempt is not sent at once.
pub(super) enum Obstacle {
    Queued(Queued),
    Refused(BoxError),
}

impl Obstacle {
    #[cold]
    fn refused(error: impl Into<BoxError>) -> Self {
        Self::Refused(error.into())
    }
}

impl<S, B, R> Service<Request<B>> for Attempt<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body<Data = Bytes>,
{
    type Response = Response<AttemptBody<R>>;
    type Error = BoxError;
    type Future = AttemptFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let mut future = AttemptFuture::new();
        match self.admit(&mut future, &mut head, self.now()) {
            Ok(()) => future.inner = Some(self.inner.call(Request::from_parts(head, body))),
            Err(obstacle) => self.hold(&mut future, obstacle, head, body),
        }
        future
    }
}

pin_project! {
    /// One attempt.
    ///
    /// Dropping it returns the permit. If the attempt was in flight for `slow_after`, the circuit
    /// records a hung call.
    pub(super) struct AttemptFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        // None until the attempt is sent.
        #[pin]
        pub(super) inner: Option<S::Future>,
        // Declared after `inner`: the attempt ends before its permit is returned and its outcome
        // recorded.
        permit: Option<ConcurrencyPermit>,
        held_up: Option<HeldUp<S, B>>,
        circuit: Option<CircuitPermit>,
        limit: Option<Limit>,
        #[pin]
        sleep: LazySleep,
    }
}

/// Why the attempt is not sent yet, or not at all.
enum HeldUp<S, B> {
    Refused(BoxError),
    Wait(Pin<Box<Waiting<Timeout<S>, Request<B>>>>),
}

impl<S, B> AttemptFuture<S, B>
where
    S: Service<Request<B>>,
{
    /// An attempt that has not been sent.
    #[inline]
    pub(super) const fn new() -> Self {
        Self {
            inner: None,
            permit: None,
            held_up: None,
            circuit: None,
            limit: None,
            sleep: LazySleep::new(Duration::MAX),
        }
    }

    /// An attempt that fails with `error`.
    #[cold]
    pub(super) fn refused(error: BoxError) -> Self {
        Self { held_up: Some(HeldUp::Refused(error)), ..Self::new() }
    }

    /// Whether it was sent. From then on its own limit ends it.
    pub(super) const fn is_sent(&self) -> bool {
        self.inner.is_some()
    }

    /// Ends the attempt after this time.
    #[inline]
    fn limit(&mut self, limit: Limit) {
        self.limit = Some(limit);
        self.sleep = LazySleep::new(limit.time);
    }
}

impl<S, B> AttemptFuture<S, B>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    /// Sends a queued attempt when its permit arrives, or fails with the refusal.
    #[cold]
    fn poll_held_up(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let mut this = self.project();
        let error = match this.held_up.take() {
            // Only if the caller polls again after `Ready`, which it must not do.
            None => return Poll::Pending,
            Some(HeldUp::Refused(error)) => error,
            Some(HeldUp::Wait(mut waiting)) => match waiting.as_mut().poll_turn(cx) {
                Poll::Ready(Ok((sent, permit))) => {
                    let (inner, limit) = sent.into_parts();
                    if inner.is_some() {
                        this.inner.set(inner);
                        *this.permit = Some(permit);
                        *this.limit = limit;
                        let time = limit.map_or(Duration::MAX, |limit| limit.time);
                        this.sleep.set(LazySleep::new(time));
                        return Poll::Ready(Ok(()));
                    }
                    drop(permit);
                    Limit::EXPIRED.error().into()
                }
                Poll::Ready(Err(full)) => full.into(),
                Poll::Pending => {
                    *this.held_up = Some(HeldUp::Wait(waiting));
                    return Poll::Pending;
                }
            },
        };
        Poll::Ready(Err(failed(error, this.circuit.take())))
    }
}

impl<S, B, R> Future for AttemptFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<AttemptBody<R>>, BoxError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.inner.is_none() {
            ready!(self.as_mut().poll_held_up(cx))?;
        }
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Pending };
        let error = match inner.poll(cx) {
            Poll::Ready(Ok(response)) => {
                let circuit = this.circuit.take();
                let pending = circuit.and_then(|permit| judge_head(permit, &response));
                let permit = this.permit.take();
                // Wrapped once: each change of the body's type copies the response.
                return Poll::Ready(Ok(response.map(|body| {
                    let body = bulkhead::ResponseBody::new(body, permit);
                    AttemptBody::new(circuit_breaker::ResponseBody::new(body, pending), None)
                })));
            }
            Poll::Ready(Err(error)) => error.into(),
            Poll::Pending => {
                let Some(limit) = *this.limit else { return Poll::Pending };
                ready!(this.sleep.poll(cx));
                limit.error().into()
            }
        };
        // Ended before its permit is returned.
        this.inner.set(None);
        drop(this.permit.take());
        Poll::Ready(Err(failed(error, this.circuit.take())))
    }
}

impl<S, B> fmt::Debug for AttemptFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptFuture")
            .field("sent", &self.inner.is_some())
            .field("held_up", &self.held_up.is_some())
            .finish()
    }
}
