//! The service: a thin shell around the rendered set.

use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use hardpoint_core::{Head, HeadFacts, ResponseBody, refuse};
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG},
};
use http_body::{Body, Frame};
use tokio::sync::watch;
use tower_service::Service;

use super::{rejection::MethodNotAllowed, rendered::Rendered};
use crate::{KeySet, key::Live};

const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300, stale-if-error=86400");
const JWKS: HeaderValue = HeaderValue::from_static("application/jwk-set+json");

/// Answers with a JSON Web Key Set. See the [module docs](super).
#[derive(Clone)]
pub struct JwksService {
    keys: Live<KeySet>,
    shared: Arc<Shared>,
}

struct Shared {
    rendered: ArcSwap<Rendered>,
    /// Held while a set that has changed is rendered, so that it is rendered once.
    rendering: Mutex<()>,
}

impl JwksService {
    /// Publishes `keys`, always the same.
    #[must_use]
    pub fn new(keys: KeySet) -> Self {
        Self::of(Live::Fixed(Arc::new(keys)))
    }

    /// Publishes keys that change: whatever the channel holds when the set is asked for.
    #[must_use]
    pub fn watching(keys: watch::Receiver<Arc<KeySet>>) -> Self {
        Self::of(Live::watching(keys))
    }

    fn of(keys: Live<KeySet>) -> Self {
        let rendered = ArcSwap::from_pointee(Rendered::new(Arc::clone(&keys.load())));
        Self { keys, shared: Arc::new(Shared { rendered, rendering: Mutex::new(()) }) }
    }

    /// What is sent for the keys of now. It takes a lock when they have changed.
    fn rendered(&self) -> Guard<Arc<Rendered>> {
        let known = self.shared.rendered.load();
        if known.is_of(&self.keys.load()) {
            return known;
        }
        let _alone = self.shared.rendering.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever came first has rendered for all who waited.
        let keys = self.keys.load();
        if !self.shared.rendered.load().is_of(&keys) {
            self.shared.rendered.store(Arc::new(Rendered::new(Arc::clone(&keys))));
        }
        self.shared.rendered.load()
    }

    fn answer<B>(&self, request: &Request<B>) -> Response<ResponseBody<NoBody>> {
        let head = *request.method() == Method::HEAD;
        if !head && *request.method() != Method::GET {
            return refuse(&HeadFacts::of(Head::of(request)), &MethodNotAllowed);
        }
        let rendered = self.rendered();
        let mut response = Response::new(ResponseBody::empty());
        if rendered.is_known_to(request.headers()) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            let body = rendered.body();
            response.headers_mut().insert(CONTENT_LENGTH, body.len().into());
            response.headers_mut().insert(CONTENT_TYPE, JWKS);
            if !head {
                *response.body_mut() = ResponseBody::full(body);
            }
        }
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, CACHE);
        if let Some(tag) = rendered.tag() {
            headers.insert(ETAG, tag.clone());
        }
        response
    }
}

impl<B> Service<Request<B>> for JwksService {
    type Response = Response<ResponseBody<NoBody>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(&request)))
    }
}

impl fmt::Debug for JwksService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksService").finish_non_exhaustive()
    }
}

/// The body of an inner service where there is none.
#[derive(Clone, Copy, Debug)]
pub enum NoBody {}

impl Body for NoBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match *self {}
    }
}
