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

mod rendered;
mod service;

pub use self::service::JwksService;
