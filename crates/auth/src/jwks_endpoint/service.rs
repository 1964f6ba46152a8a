//! The service: a thin shell around the rendered set.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use arc_swap::{ArcSwap, Guard};
use hardpoint_core::{Head, Problem, Refusals, ResponseBody};
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG},
};
use tower_service::Service;

use super::rendered::Rendered;
use crate::{IssuerKeys, KeySet, key::Live};

const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300, stale-if-error=86400");
const JWKS: HeaderValue = HeaderValue::from_static("application/jwk-set+json");

/// Answers with a JSON Web Key Set. See the [module docs](super).
#[derive(Clone)]
pub struct JwksService {
    keys: Live<KeySet>,
    rendered: Arc<ArcSwap<Rendered>>,
    refusals: Refusals,
}

debug_only!(JwksService { refusals });

impl JwksService {
    /// Publishes a [`KeySet`], or the newest set of a `watch::Receiver<Arc<KeySet>>`.
    #[must_use]
    pub fn new(keys: impl Into<IssuerKeys>) -> Self {
        let keys = keys.into().live;
        let rendered = Arc::new(ArcSwap::from_pointee(Rendered::new(Arc::clone(&keys.load()))));
        Self { keys, rendered, refusals: Refusals::new() }
    }

    /// Renders refusals with these settings. Default: problems as JSON.
    #[must_use]
    pub fn refusals(mut self, refusals: &Refusals) -> Self {
        self.refusals = refusals.clone();
        self
    }

    /// The response to the current keys, rendered when they change.
    fn rendered(&self) -> Guard<Arc<Rendered>> {
        let (known, keys) = (self.rendered.load(), self.keys.load());
        if known.is_of(&keys) {
            return known;
        }
        // Requests at the same time may render the same set twice, which is harmless.
        let rendered = Arc::new(Rendered::new(Arc::clone(&keys)));
        self.rendered.store(Arc::clone(&rendered));
        Guard::from_inner(rendered)
    }

    fn respond<B>(&self, request: &Request<B>) -> Response<ResponseBody<String>> {
        let is_head = *request.method() == Method::HEAD;
        if !is_head && *request.method() != Method::GET {
            let facts = self.refusals.facts(Head::new(request));
            let problem = Problem::from_status(StatusCode::METHOD_NOT_ALLOWED);
            let mut response = self.refusals.refuse(&facts, &problem);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let rendered = self.rendered();
        let mut response = Response::new(ResponseBody::empty());
        if rendered.is_known_to(request.headers()) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            let body = rendered.body();
            response.headers_mut().insert(CONTENT_LENGTH, body.len().into());
            response.headers_mut().insert(CONTENT_TYPE, JWKS);
            if !is_head {
                *response.body_mut() = ResponseBody::full(body);
            }
        }
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, CACHE);
        headers.extend(rendered.tag().map(|tag| (ETAG, tag.clone())));
        response
    }
}

impl<B> Service<Request<B>> for JwksService {
    type Response = Response<ResponseBody<String>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.respond(&request)))
    }
}
