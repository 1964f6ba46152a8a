//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{Head, Peer, Refusals, RequestContext, ResponseBody};
use http::{Extensions, HeaderMap, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{DeadlineExceeded, ResponseFuture, attempt_of, future::Timer, layer::Settings};

/// Ends requests at their deadline. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct EnforceDeadline<S> {
    inner: S,
    settings: Option<Arc<Settings>>,
    refusals: Refusals,
}

impl<S> EnforceDeadline<S> {
    pub(super) fn new(inner: S, settings: Option<Arc<Settings>>, refusals: Refusals) -> Self {
        Self { inner, settings, refusals }
    }

    hardpoint_core::inner_accessors!();
}

impl<S, B, R> Service<Request<B>> for EnforceDeadline<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Some(settings) = &self.settings else {
            return ResponseFuture::forward(self.inner.call(request), None);
        };
        let context = RequestContext::ensure(request.extensions_mut(), &settings.time);
        let caller = settings.caller(request.headers(), request.extensions());
        if let Some(attempt) = caller.attempt {
            context.set_attempt(attempt);
        }
        let own = context.received().saturating_add(caller.waits);
        // An outer layer's deadline stays in the context, as the first writer's. The earlier one of
        // both ends this request, and inner calls see the outer one at least.
        context.set_deadline(own);
        let deadline = context.deadline().map_or(own, |outer| outer.min(own));
        let now = settings.time.now();
        let facts = self.refusals.facts(Head::new(&request));
        if deadline <= now {
            log(DeadlineExceeded::new(true));
            let response = self.refusals.refuse(&facts, &DeadlineExceeded::new(true));
            return ResponseFuture::refuse(response);
        }
        let timer = Timer::new(deadline.saturating_since(now), facts, self.refusals.clone());
        ResponseFuture::forward(self.inner.call(request), Some(timer))
    }
}

/// What the caller reports.
struct Caller {
    waits: std::time::Duration,
    attempt: Option<u32>,
}

impl Settings {
    fn caller(&self, headers: &HeaderMap, extensions: &Extensions) -> Caller {
        let peer = || Peer::find(extensions).map(Peer::ip);
        let trusted = peer().is_some_and(|address| self.trusted.contains(address));
        if !trusted {
            return Caller { waits: self.limit, attempt: None };
        }
        let waits = self.headers.iter().find_map(|header| header.read(headers));
        Caller {
            waits: waits.map_or(self.limit, |waits| waits.min(self.limit)),
            attempt: attempt_of(headers, &self.attempt_header),
        }
    }
}

pub(super) fn log(exceeded: DeadlineExceeded) {
    tracing::debug!(
        target: "hardpoint::resilience::deadline",
        on_arrival = exceeded.on_arrival(),
        "deadline exceeded"
    );
}
