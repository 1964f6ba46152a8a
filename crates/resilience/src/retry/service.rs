//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{Head, RequestContext};
use http::{Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ReplayBody, ResponseBody, ResponseFuture, builder::Settings, future::Course};
use crate::{BoxError, Deadline};

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

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(settings) = &self.settings else {
            return ResponseFuture::once(self.inner.call(request.map(ReplayBody::once)));
        };
        settings.rules.budget.deposit();
        let Some(repeatable) = settings.may_retry(&request) else {
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
        let deadline = Deadline::find(&head.extensions).map(Deadline::instant);
        let first = Request::from_parts(head.clone(), body);
        // The ready instance makes the first attempt. Its clone, which is not ready, makes the
        // others after its own `poll_ready`.
        let future = self.inner.call(first);
        let service = self.inner.clone();
        let course = Course::new(Arc::clone(settings), service, head, replay, repeatable, deadline);
        ResponseFuture::retrying(future, course)
    }
}

impl Settings {
    /// Whether a retry could follow the first attempt. If so, returns whether the request may be
    /// sent twice. If not, nothing needs to be kept for it.
    fn may_retry<B>(&self, request: &Request<B>) -> Option<bool> {
        if self.rules.attempts < 2 {
            return None;
        }
        let head = Head::new(request);
        let repeatable = is_repeatable(head)
            || self.repeatable.as_ref().is_some_and(|repeatable| repeatable(head));
        let inner_hop = || {
            let context = RequestContext::find(request.extensions());
            context.and_then(|context| context.attempt()).is_some_and(|attempt| attempt > 1)
        };
        let possible = self.rules.table.allows_any(repeatable)
            && !inner_hop()
            && self.rules.budget.may_allow(self.time.now());
        possible.then_some(repeatable)
    }
}

/// Whether the request may be sent twice: RFC 9110 §9.2.2, or the key that the destination uses to
/// recognise the repetition.
fn is_repeatable(head: Head<'_>) -> bool {
    let idempotent = matches!(
        *head.method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    );
    idempotent || head.headers.get("idempotency-key").is_some_and(|key| !key.is_empty())
}
