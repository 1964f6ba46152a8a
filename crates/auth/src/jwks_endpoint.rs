//! Publishes the public keys of an issuer, so that other services can verify its tokens.
//!
//! Protects the rotation of keys: the response says how long it may be cached, so verifiers learn a
//! new key in time, and asking often costs little.
//!
//! # Example
//! ```
//! use hardpoint_auth::{JwksService, KeySet, SigningKey};
//! use http::{Method, Request, StatusCode, header::{ALLOW, ETAG, IF_NONE_MATCH}};
//! use tower::ServiceExt;
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let keys = KeySet::new([SigningKey::generate()?.verifying_key()])?;
//! // Router::new().route_service("/.well-known/jwks.json", jwks)
//! let jwks = JwksService::new(keys);
//!
//! let response = jwks.clone().oneshot(Request::new(())).await?;
//! assert_eq!(response.headers()["content-type"], "application/jwk-set+json");
//! let tag = response.headers()[ETAG].clone();
//!
//! let request = Request::builder().header(IF_NONE_MATCH, tag).body(())?;
//! assert_eq!(jwks.clone().oneshot(request).await?.status(), StatusCode::NOT_MODIFIED);
//!
//! let request = Request::builder().method(Method::POST).body(())?;
//! let response = jwks.oneshot(request).await?;
//! assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
//! assert_eq!(response.headers()[ALLOW], "GET, HEAD");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Semantics
//! 1. GET and HEAD on any path return the set as `application/jwk-set+json` (RFC 7517): the router
//!    decides the path. Other methods are 405 with `Allow`.
//! 2. `Cache-Control: public, max-age=300, stale-if-error=86400`: every verifier sees a new key
//!    within five minutes, so publish it at least that long before it signs. Verifiers keep their
//!    keys for a day while this service cannot be reached.
//! 3. The response has a strong `ETag`; a request with it in `If-None-Match`, or with `*`, is 304.
//! 4. The response contains only public members, and no secrets.
//!
//! # Sharing
//! Clones share the rendered body. It is rendered when the keys change, not for each request.
//!
//! # Cancellation
//! The future is ready at once and holds nothing.
//!
//! # Deployment caveats
//! All instances of an issuer should publish the same set, since a verifier asks any of them.
//!
//! # Where to put this service
//! Beside the routes that need a token, and outside of limits: its clients are services behind few
//! addresses, and refusing one of them makes it refuse all its users.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use arc_swap::{ArcSwap, Guard};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use hardpoint_core::{Head, Problem, Refusals, ResponseBody};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
};
use tower_service::Service;

use crate::{IssuerKeys, KeySet, key::Live};

const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300, stale-if-error=86400");
const JWKS: HeaderValue = HeaderValue::from_static("application/jwk-set+json");

/// Answers with a JSON Web Key Set. See the [module docs](self).
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
        Self { keys, rendered, refusals: Refusals::unset() }
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
        if Arc::ptr_eq(&known.keys, &keys) {
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
            let body = rendered.body.clone();
            response.headers_mut().insert(CONTENT_LENGTH, body.len().into());
            response.headers_mut().insert(CONTENT_TYPE, JWKS);
            if !is_head {
                *response.body_mut() = ResponseBody::full(body);
            }
        }
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, CACHE);
        headers.extend(rendered.tag.clone().map(|tag| (ETAG, tag)));
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

/// The response to a set, rendered once.
#[derive(Debug)]
struct Rendered {
    keys: Arc<KeySet>,
    body: Bytes,
    /// The strong entity tag. It is always present, since base64 is a valid header value.
    tag: Option<HeaderValue>,
}

impl Rendered {
    fn new(keys: Arc<KeySet>) -> Self {
        let body = Bytes::from(keys.to_jwks().to_string());
        // 128 bits of the digest distinguish two sets.
        let digest = digest(&SHA256, &body);
        let short = digest.as_ref().get(..16).unwrap_or_default();
        let tag = HeaderValue::try_from(format!("\"{}\"", URL_SAFE_NO_PAD.encode(short))).ok();
        Self { keys, body, tag }
    }

    /// Whether the client has these bytes (RFC 9110 §13.1.2, which compares weakly).
    fn is_known_to(&self, headers: &HeaderMap) -> bool {
        let lines = headers.get_all(IF_NONE_MATCH).into_iter();
        let mut known = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        known.any(|entry| {
            let entry = entry.trim_ascii();
            let own = self.tag.as_ref().map(HeaderValue::as_bytes);
            entry == b"*" || Some(entry.strip_prefix(b"W/").unwrap_or(entry)) == own
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;

    fn rendered() -> Rendered {
        let key = SigningKey::generate().unwrap().verifying_key();
        Rendered::new(Arc::new(KeySet::new([key]).unwrap()))
    }

    #[test]
    fn the_tag_is_strong_and_stands_for_the_bytes() {
        let (one, other) = (rendered(), rendered());
        let again = Rendered::new(Arc::clone(&one.keys));
        assert_eq!(one.tag, again.tag);
        assert_ne!(one.tag, other.tag);
        let tag = one.tag.as_ref().unwrap().to_str().unwrap();
        assert!(tag.len() == 24 && tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    }

    #[test]
    fn if_none_match_is_a_list_of_tags_that_are_compared_weakly() {
        let rendered = rendered();
        let tag = rendered.tag.as_ref().unwrap().to_str().unwrap();
        for (lines, known) in [
            (vec![tag.to_owned()], true),
            (vec![format!("W/{tag}")], true),
            (vec![format!("\"a\" , {tag}")], true),
            (vec!["\"a\"".to_owned(), tag.to_owned()], true),
            (vec!["*".to_owned()], true),
            (vec!["\"a\"".to_owned()], false),
            (vec![tag.trim_matches('"').to_owned()], false),
            (vec![String::new()], false),
            (vec![], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(IF_NONE_MATCH, HeaderValue::try_from(line).unwrap());
            }
            assert_eq!(rendered.is_known_to(&headers), known, "{lines:?}");
        }
    }
}
