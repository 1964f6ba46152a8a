//! Authenticates the caller of each request, and refuses credentials that are not valid.
//!
//! Protects handlers from callers that did not authenticate, and from tokens that are forged,
//! expired, or meant for another service.
//!
//! # Example
//! ```
//! use hardpoint_auth::{AuthLayer, KeySet, SigningKey, TokenCache, TokenIssuer, TokenVerifier};
//! use hardpoint_core::RequestContext;
//! use http::{Request, Response, StatusCode, header::{AUTHORIZATION, WWW_AUTHENTICATE}};
//! use http_body_util::Full;
//! use std::convert::Infallible;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let key = SigningKey::generate()?;
//! let verifier = TokenVerifier::builder()
//!     .issuer("https://id.example", KeySet::new([key.verifying_key()])?)
//!     .audience("api")
//!     .cache(TokenCache::new())
//!     .build()?;
//! let issuer = TokenIssuer::builder(key).issuer("https://id.example").audience("api").build()?;
//!
//! let service = AuthLayer::new(verifier).layer(service_fn(async |request: Request<()>| {
//!     let context = RequestContext::find(request.extensions()).expect("the layer is outside");
//!     let body = context.subject().unwrap_or("nobody").to_owned();
//!     Ok::<_, Infallible>(Response::new(Full::new(bytes::Bytes::from(body))))
//! }));
//!
//! let token = issuer.token("alice").scopes(["notes:read"]).sign()?;
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
//! 1. The credential is in one `Authorization` field with the scheme of an authenticator, in the
//!    [`cookie`](AuthLayer::cookie), if one is set, or in a field of an authenticator
//!    ([`Authenticator::header`]). Two credentials, in any of these places, are 400; so are two lines
//!    that a proxy joined with a comma.
//! 2. The caller becomes the [`Identity`](hardpoint_core::Identity) of the request's context, which
//!    handlers, limits and the access line read. [`VerifiedToken::from_identity`] returns the token.
//! 3. A credential that is not valid is 401 `invalid_token`, and the client does not learn why.
//! 4. A request without a credential is 401, unless the layer is [`optional`](AuthLayer::optional).
//!    An optional layer still refuses a credential that is not valid, and a `Bearer` without a token.
//! 5. A caller other than the one that an outer layer authenticated is 400.
//! 6. If it is not known whether a credential is valid, because the issuer's keys or a token's
//!    revocation are not known, the answer is 503 with `Retry-After`. A network of clients that names
//!    many unknown keys gets 429 with `Retry-After` instead.
//! 7. Refusals from inside, of a [`RequireLayer`] or an extractor, get their `WWW-Authenticate` here,
//!    with the realm and each authenticator's scheme; so does a 401 without one.
//! 8. Header fields with credentials are marked as sensitive, so that `Debug` hides them.
//! 9. A cookie counts only if a page of the service's own origin or of a
//!    [trusted one](AuthLayer::add_trusted_origin) caused the request. Otherwise the answer is 403
//!    `untrusted_origin`, since browsers send cookies with requests that any site causes. `GET`,
//!    `HEAD` and `OPTIONS` are exempt, because their handlers must not change state; opening a
//!    WebSocket is not. Browsers describe the page in `Sec-Fetch-Site` and `Origin`. A request with
//!    neither field is refused. The schemes that browsers remember (`Basic`, `Digest`, `Negotiate`,
//!    `NTLM`) are checked in the same way, but pass without the two fields.
//! 10. The layer does not look at the route.
//!
//! [`VerifiedToken::from_identity`]: crate::VerifiedToken::from_identity
//!
//! # Sharing
//! All services of a layer share its authenticators, and with them keys, cache and revocation.
//!
//! # Cancellation
//! An answer without a round trip is made within `call`. While an authenticator waits, the future
//! holds the request and the ready inner service, with every permit that its `poll_ready` acquired:
//! place a concurrency limit outside this layer. Dropping the future drops all of them; a fetch of
//! keys goes on for other requests.
//!
//! # Deployment caveats
//! - The host's clock decides about expiry: keep it synchronized to within the leeway.
//! - The check of cookies compares `Origin` with the host and the scheme that the browser used. Behind
//!   a proxy, put a layer that finds the client outside of this one, such as `ClientLayer` of
//!   `hardpoint-edge`, and let the proxy pass on the host with its port. If it cannot, add the
//!   service's own origin as a trusted one. If no proxy sends the scheme, and clients
//!   use https, set [`direct_scheme`](hardpoint_core::ClientResolver::direct_scheme).
//! - A proxy that turns its own session cookie into a header field must check `Origin` itself.
//! - An inner layer that turns a `GET` into another method, by a parameter for example, evades it.
//!
//! # Where to put this layer
//! Inside a limit by address, so that a flood does not cause cryptography; outside a limit by
//! subject.

mod authenticator;
mod challenge;
mod credentials;
mod csrf;
mod layer;
pub mod require;
mod service;

pub use self::{
    authenticator::{Attempt, Authenticating, Authenticator, Credential},
    layer::AuthLayer,
    require::{Require, RequireLayer},
    service::{Auth, ResponseFuture},
};
