//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{Head, Mono};
use http::{Extensions, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    ReplayBody, ResponseBody, ResponseFuture,
    builder::Settings,
    future::Course,
    repeat::{caller_retries, is_repeatable, mark_inner_hop},
};
use crate::{BoxError, Deadline, RetryBudget};

/// Retries failed calls within a budget. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct Retry<S> {
    inner: S,
    settings: Option<Arc<Settings>>,
}

impl<S> Retry<S> {
    pub(crate) fn new(inner: S, settings: Option<Arc<Settings>>) -> Self {
        Self { inner, settings }
    }

    hardpoint_core::inner_accessors!();
}

impl<S, B, R> Service<Request<B>> for Retry<S>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin,
{
    type Response = Response<ResponseBody<R>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    #[inline]
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Some(settings) = &self.settings else {
            return ResponseFuture::once(self.inner.call(request.map(ReplayBody::once)));
        };
        let Some((repeatable, budget)) = settings.prepare(&request) else {
            mark_inner_hop(&mut request, settings.attempt_header.as_ref());
            return ResponseFuture::once(self.inner.call(request.map(ReplayBody::once)));
        };
        let (head, body) = request.into_parts();
        let (body, replay) = match ReplayBody::recorded(body, settings.replay_limit) {
            Ok(recorded) => recorded,
            Err(long) => {
                let request = Request::from_parts(head, ReplayBody::once(long));
                return ResponseFuture::once(self.inner.call(request));
            }
        };
        let deadline = settings.deadline(&head.extensions);
        let first = Request::from_parts(head.clone(), body);
        // The ready instance makes the first attempt. Its clone, which is not ready, makes the
        // others after its own `poll_ready`.
        let future = self.inner.call(first);
        let service = self.inner.clone();
        let settings = Arc::clone(settings);
        let course = Course::new(settings, budget, service, (head, replay), repeatable, deadline);
        ResponseFuture::retrying(future, course)
    }
}

impl Settings {
    /// When the call ends, if that is known.
    fn deadline(&self, extensions: &Extensions) -> Option<Mono> {
        let found = Deadline::find(extensions).map(Deadline::instant);
        let limit = self.call_limit.map(|limit| self.time.now().saturating_add(limit));
        found.into_iter().chain(limit).min()
    }

    /// Records the call in its budget. If a retry could follow the first attempt, returns whether
    /// the request may be sent twice, and the budget. If not, nothing needs to be kept for it.
    fn prepare<B>(&self, request: &Request<B>) -> Option<(bool, RetryBudget)> {
        let head = Head::new(request);
        let possible = self.rules.attempts > 1 && !caller_retries(head);
        let repeatable = is_repeatable(head, self.repeatable.as_ref());
        let possible = possible && self.rules.table.allows_any(repeatable);
        self.budgets.with(head, &self.time, |budget| {
            budget.deposit();
            let possible = possible && budget.may_allow(|| self.time.now());
            possible.then(|| (repeatable, budget.clone()))
        })
    }
}
