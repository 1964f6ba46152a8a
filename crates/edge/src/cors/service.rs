//! The service.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use http::{
    Method, Request, Response,
    header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN},
};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    ResponseFuture,
    future::{Actual, Answer},
    layer::Rules,
};

/// Adds the headers of CORS and answers preflights. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct Cors<S> {
    inner: S,
    rules: Option<Arc<Rules>>,
}

impl<S> Cors<S> {
    pub(super) fn new(inner: S, rules: Option<Arc<Rules>>) -> Self {
        Self { inner, rules }
    }

    hardpoint_core::inner_accessors!();
}

impl<S, B, R> Service<Request<B>> for Cors<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(rules) = &self.rules else {
            return ResponseFuture::new(Answer::plain(self.inner.call(request)));
        };
        // tower-http takes every OPTIONS for a preflight, so it gets only preflights.
        if is_preflight(&request) {
            let future = rules.preflights.layer(NoService).call(request.map(drop));
            return ResponseFuture::new(Answer::preflight(future));
        }
        let origin = request.headers().get(ORIGIN).cloned();
        let actual = Actual { origin, rules: Arc::clone(rules) };
        ResponseFuture::new(Answer::actual(self.inner.call(request), actual))
    }
}

/// Whether a browser asks what it may send (<https://fetch.spec.whatwg.org/#cors-preflight-request>).
fn is_preflight<B>(request: &Request<B>) -> bool {
    let has = |name| request.headers().get::<http::HeaderName>(name).is_some();
    *request.method() == Method::OPTIONS && has(ORIGIN) && has(ACCESS_CONTROL_REQUEST_METHOD)
}

/// What tower-http's service wraps. It answers preflights itself and does not call this one.
pub(super) struct NoService;

impl Service<Request<()>> for NoService {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _preflight: Request<()>) -> Self::Future {
        ready(Ok(Response::default()))
    }
}
