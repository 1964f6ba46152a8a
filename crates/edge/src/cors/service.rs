//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{
    HeaderValue, Method, Request, Response,
    header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN},
};
use tower_http::cors;
use tower_service::Service;

use super::{
    ResponseFuture,
    future::{Actual, Answer},
    layer::Rules,
};

/// Adds the headers of CORS and answers preflights. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct Cors<S> {
    inner: cors::Cors<S>,
    rules: Option<Arc<Rules>>,
}

impl<S> Cors<S> {
    pub(super) fn new(inner: cors::Cors<S>, rules: Option<Arc<Rules>>) -> Self {
        Self { inner, rules }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        self.inner.get_ref()
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        self.inner.get_mut()
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner.into_inner()
    }
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
            return ResponseFuture::new(Answer::plain(self.inner.get_mut().call(request)));
        };
        if *request.method() != Method::OPTIONS || is_preflight(&request) {
            let preflight = *request.method() == Method::OPTIONS;
            let rules = (!preflight).then(|| Arc::clone(rules));
            return ResponseFuture::new(Answer::cors(self.inner.call(request), rules));
        }
        // tower-http takes every OPTIONS for a preflight.
        let origin = request.headers().get(ORIGIN).cloned();
        let actual = Actual { origin, rules: Arc::clone(rules) };
        ResponseFuture::new(Answer::options(self.inner.get_mut().call(request), actual))
    }
}

/// Whether a browser asks what it may send (<https://fetch.spec.whatwg.org/#cors-preflight-request>).
fn is_preflight<B>(request: &Request<B>) -> bool {
    let has = |name| request.headers().get::<http::HeaderName>(name).is_some();
    has(ORIGIN) && has(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The value that names the only origin that may read a response, or all.
pub(super) fn allowed(rules: &Rules, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
    if rules.allow_everyone() {
        return Some(HeaderValue::from_static("*"));
    }
    origin.filter(|origin| rules.allow(origin)).cloned()
}
