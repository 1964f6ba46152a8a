//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::Head;
use http::{Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ResponseFuture, builder::Settings, second::Course, watch::Watch};
use crate::{
    BoxError, Deadline, RetryBudget,
    retry::{IsRepeatable, ReplayBody, caller_retries, is_repetition, mark_inner_hop},
};

/// Sends a second attempt when the first is slow. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct Hedge<S> {
    inner: Hedging<S>,
}

/// A [`Hedge`] for requests whose bodies a retry further out may record already: it does not record
/// them twice.
#[derive(Clone, Debug)]
pub(crate) struct Hedging<S> {
    inner: S,
    settings: Option<Arc<Settings>>,
}

impl<S> Hedge<S> {
    pub(super) const fn new(inner: Hedging<S>) -> Self {
        Self { inner }
    }

    /// A reference to the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner.inner
    }

    /// A mutable reference to the inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner.inner
    }

    /// Unwraps the inner service.
    pub fn into_inner(self) -> S {
        self.inner.inner
    }
}

impl<S, B, R> Service<Request<B>> for Hedge<S>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes>,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.inner.call(request.map(ReplayBody::once))
    }
}

impl<S> Hedging<S> {
    pub(super) const fn new(inner: S, settings: Option<Arc<Settings>>) -> Self {
        Self { inner, settings }
    }

    hardpoint_core::inner_accessors!();
}

impl<S, B, R> Service<Request<ReplayBody<B>>> for Hedging<S>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes>,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<ReplayBody<B>>) -> Self::Future {
        match &self.settings {
            None => ResponseFuture::once(self.inner.call(request)),
            Some(settings) => {
                let settings = Arc::clone(settings);
                self.watch(&settings, request)
            }
        }
    }
}

impl<S> Hedging<S> {
    /// Whether it only forwards calls.
    pub(crate) const fn is_off(&self) -> bool {
        self.settings.is_none()
    }

    #[inline(never)]
    fn watch<B, R>(
        &mut self,
        settings: &Arc<Settings>,
        request: Request<ReplayBody<B>>,
    ) -> ResponseFuture<S, B>
    where
        S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
        B: Body<Data = Bytes>,
    {
        let (mut head, body) = request.into_parts();
        let facts = Head::from_parts(&head);
        let budget = settings.pay(facts);
        if !may_overlap(facts, settings.repeatable.as_ref()) {
            mark_inner_hop(&mut head, settings.attempt_header.as_ref());
            return ResponseFuture::once(self.inner.call(Request::from_parts(head, body)));
        }
        let watch = Watch::new(Arc::clone(settings), settings.paces.find(facts, &settings.time));
        let Some((delay, budget)) = watch.delay().zip(budget) else {
            mark_inner_hop(&mut head, settings.attempt_header.as_ref());
            let first = self.inner.call(Request::from_parts(head, body));
            return ResponseFuture::watched(first, watch);
        };
        let started = watch.started();
        let found = Deadline::find(&head.extensions).map(Deadline::instant);
        let limit = settings.call_limit.map(|limit| started.saturating_add(limit));
        let deadline = found.into_iter().chain(limit).min();
        let in_time = deadline.is_none_or(|deadline| started.saturating_add(delay) < deadline);
        let (body, replay) = body.recording(settings.replay_limit);
        let Some(replay) = replay.filter(|_| in_time) else {
            let request = Request::from_parts(head, body);
            return ResponseFuture::watched(self.inner.call(request), watch);
        };
        let first = Request::from_parts(head.clone(), body);
        // The ready instance makes the first attempt. Its clone, which is not ready, makes the other
        // one after its own `poll_ready`.
        let future = self.inner.call(first);
        let course = Course { service: self.inner.clone(), head, replay, budget, deadline };
        ResponseFuture::hedged(future, watch, delay, course)
    }
}

/// Whether two attempts of the request may be in flight at once: it is safe (RFC 9110 §9.2.1), or
/// declared to be.
fn may_overlap(head: Head<'_>, declared: Option<&IsRepeatable>) -> bool {
    let is_safe =
        matches!(*head.method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
    is_safe || declared.is_some_and(|repeatable| repeatable(head))
}

impl Settings {
    /// Records the call in its budget. Returns the budget if it could pay for a hedge of this
    /// request at present.
    fn pay(&self, head: Head<'_>) -> Option<RetryBudget> {
        // Of a retried call, only the first attempt is hedged. A caller that retries adds attempts
        // itself.
        let possible = !is_repetition(head) && !caller_retries(head);
        self.budgets.with(head, &self.time, |budget| {
            if self.deposits && !is_repetition(head) {
                budget.deposit();
            }
            (possible && budget.has_earned()).then(|| budget.clone())
        })
    }
}
