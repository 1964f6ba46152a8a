//! Tells who is calling from a bearer token, and refuses whoever cannot show a valid one.
//!
//! Protects handlers from callers that did not authenticate, and from tokens that are forged,
//! expired, or meant for somebody else.
//!
//! # Example
//! ```
//! use hardpoint_auth::{AuthLayer, KeySet, SigningKey, TokenIssuer, TokenVerifier, Verified};
//! use http::{Request, Response, StatusCode, header::{AUTHORIZATION, WWW_AUTHENTICATE}};
//! use http_body_util::Full;
//! use std::convert::Infallible;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let key = SigningKey::generate()?;
//! let keys = KeySet::new([key.verifying_key()])?;
//! let issuer = TokenIssuer::new(key, "https://id.example", "api");
//! let layer = AuthLayer::new(TokenVerifier::new(keys, "https://id.example", "api"));
//!
//! let service = layer.layer(service_fn(async |request: Request<()>| {
//!     let verified = request.extensions().get::<Verified>().expect("the layer is outside");
//!     let body = verified.subject().to_owned();
//!     Ok::<_, Infallible>(Response::new(Full::new(bytes::Bytes::from(body))))
//! }));
//!
//! let token = issuer.issue("alice", &"notes:read".parse()?)?;
//! let header = format!("Bearer {}", token.expose());
//! let request = Request::builder().header(AUTHORIZATION, header).body(())?;
//! assert_eq!(service.clone().oneshot(request).await?.status(), StatusCode::OK);
//!
//! let request = Request::builder().header(AUTHORIZATION, "Bearer forged").body(())?;
//! let response = service.oneshot(request).await?;
//! assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
//! assert_eq!(response.headers()[WWW_AUTHENTICATE], r#"Bearer realm="api", error="invalid_token""#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Semantics
//! 1. The token is taken from one `Authorization: Bearer` header, or from a
//!    [`cookie`](AuthLayer::cookie) if that was asked for. Two of them are 400.
//! 2. A valid token's [`Verified`](crate::Verified) is put into the request's extensions, and its
//!    subject into the request's context, together with its issuer if the layer is told so
//!    ([`subject_with_issuer`](AuthLayer::subject_with_issuer)).
//! 3. A token that is not valid is 401 `invalid_token`, whatever was wrong with it.
//! 4. A request without a token is 401, unless the layer is [`optional`](AuthLayer::optional). A
//!    token that is not valid is refused even then, and so is a bearer header without one.
//! 5. The headers are marked as sensitive before they are looked at, so that `Debug` hides them.
//! 6. If it is not known whether the token was revoked, the answer is 503 with `Retry-After`.
//!
//! # Sharing
//! The layer shares the verifier's keys, cache and revocation. It has no state of its own.
//!
//! # Cancellation
//! Verification is done within `call`; the future is the inner service's.
//!
//! # Deployment caveats
//! The host's clock decides about expiry: keep it synchronised to within the leeway.
//!
//! # Where to put this layer
//! Inside a limit by address, so that no cryptography runs for a flood; outside a limit by subject.

pub(crate) mod credentials;
mod layer;
pub mod require;
mod service;

pub use self::{
    layer::AuthLayer,
    require::{Require, RequireLayer},
    service::Auth,
};
