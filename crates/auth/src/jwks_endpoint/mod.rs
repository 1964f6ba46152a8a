//! Publishes the public keys of an issuer, so that others can verify its tokens.
//!
//! Protects the rotation of keys: whoever verifies tokens learns a new key in time, because the
//! answer says how long it may be kept, and asking often costs next to nothing.
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
//! 1. GET and HEAD on any path are answered with the set as `application/jwk-set+json` (RFC 7517):
//!    where it is mounted decides the path. Other methods are 405 with `Allow`.
//! 2. `Cache-Control: public, max-age=300, stale-if-error=86400`: a new key is seen everywhere within
//!    five minutes, so publish it that much before it signs; and verifiers keep their keys for a day
//!    while this service is away.
//! 3. A strong `ETag` stands for the bytes; `If-None-Match` with it, or with `*`, is 304.
//! 4. Only public members leave: a [`KeySet`](crate::KeySet) holds nothing else.
//!
//! # Sharing
//! Clones share the rendered body. It is rendered when the keys change, not when they are asked for.
//!
//! # Cancellation
//! The future is ready at once and holds nothing.
//!
//! # Deployment caveats
//! All instances of an issuer should publish the same set: a verifier asks any one of them.
//!
//! # Where to put this service
//! Beside the routes that need a token, and outside of limits: its callers are machines behind few
//! addresses, and what they are refused is every user's 401.

mod rejection;
mod rendered;
mod service;

pub use self::service::{JwksService, NoBody};
