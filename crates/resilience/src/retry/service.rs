//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{Head, Mono};
use http::{Extensions, Request, Response, request::Parts as RequestHead};
use http_body::Body;
use tower_service::Service;

use super::{
    ReplayBody, ResponseBody, ResponseFuture,
    builder::Settings,
    course::Course,
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
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let mut course = None;
        let body = match &self.settings {
            None => ReplayBody::once(body),
            Some(settings) => {
                let now = || settings.time.now();
                keep(&mut course, settings, now, &mut head, body)
            }
        };
        let attempt = self.inner.call(Request::from_parts(head, body));
        match course {
            None => ResponseFuture::once(attempt),
            // The ready instance has made the first attempt. Its clone, which is not ready, makes the
            // others after its own `poll_ready`.
            Some(course) => ResponseFuture::retrying(attempt, course, self.inner.clone()),
        }
    }
}

/// Returns the body of the first attempt. If a retry can follow, sets `course` to the state that it
/// needs.
#[inline]
pub(crate) fn keep<B>(
    course: &mut Option<Course<B>>,
    settings: &Arc<Settings>,
    now: impl Fn() -> Mono,
    head: &mut RequestHead,
    body: B,
) -> ReplayBody<B>
where
    B: Body<Data = Bytes>,
{
    let Some((repeatable, budget)) = settings.prepare(Head::from_parts(head), &now) else {
        mark_inner_hop(head, settings.attempt_header.as_ref());
        return ReplayBody::once(body);
    };
    let (body, replay) = match ReplayBody::recorded(body, settings.replay_limit) {
        Ok(recorded) => recorded,
        Err(long) => return ReplayBody::once(long),
    };
    let deadline = settings.deadline(&head.extensions, &now);
    let (settings, kept) = (Arc::clone(settings), (head.clone(), replay));
    *course = Some(Course::new(settings, budget, kept, repeatable, deadline));
    body
}

impl Settings {
    /// When the call ends, if that is known.
    fn deadline(&self, extensions: &Extensions, now: impl Fn() -> Mono) -> Option<Mono> {
        let found = Deadline::find(extensions).map(Deadline::instant);
        let limit = self.call_limit.map(|limit| now().saturating_add(limit));
        found.into_iter().chain(limit).min()
    }

    /// Records the call in its budget. If a retry could follow the first attempt, returns whether
    /// the request may be sent twice, and the budget. If not, nothing needs to be kept for it.
    fn prepare(&self, head: Head<'_>, now: impl Fn() -> Mono) -> Option<(bool, RetryBudget)> {
        let possible = self.rules.attempts > 1 && !caller_retries(head);
        let repeatable = is_repeatable(head, self.repeatable.as_ref());
        let possible = possible && self.rules.table.allows_any(repeatable);
        self.budgets.with(head, &self.time, |budget| {
            budget.deposit();
            let possible = possible && budget.may_allow(now);
            possible.then(|| (repeatable, budget.clone()))
        })
    }
}
