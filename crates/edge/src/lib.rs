//! Middleware for the HTTP edge of a service: the client's address, body limits, security headers,
//! and one format for every error.
//!
//! The crate contains seven independent tower layers for services of `http` requests and responses.
//! It does not include a router or a server, does not set timeouts, and
//! does not rate limit or authenticate clients.
//!
//! # Quick start
//!
//! ```
//! use axum::{Router, body::{Body, Bytes}, routing::post};
//! use hardpoint_core::{ClientResolver, Family, TrustedProxies};
//! use hardpoint_edge::{BodyLimitLayer, ClientLayer, CatchPanicLayer, ProblemLayer, SecurityHeadersLayer};
//! use http::{Request, StatusCode};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let proxies = TrustedProxies::new(["10.0.0.0/8"])?;
//! let app: Router = Router::new()
//!     .route("/notes", post(|body: Bytes| async move { body.len().to_string() }))
//!     // The layer added last is the outermost.
//!     .layer(BodyLimitLayer::new(16))
//!     .layer(CatchPanicLayer::new())
//!     .layer(ProblemLayer::new())
//!     .layer(SecurityHeadersLayer::default())
//!     .layer(ClientLayer::new(ClientResolver::new(proxies, Family::XForwarded)));
//!
//! let accepted = app.clone().oneshot(Request::post("/notes").body(Body::from("hello"))?).await?;
//! assert_eq!(accepted.status(), StatusCode::OK);
//! assert_eq!(accepted.headers()["x-content-type-options"], "nosniff");
//!
//! let refused = app.oneshot(Request::post("/notes").body(Body::from("x".repeat(17)))?).await?;
//! assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
//! assert_eq!(refused.headers()["content-type"], "application/problem+json");
//! # Ok(())
//! # }
//! ```
//!
//! # Concepts
//!
//! | concept | module | layer |
//! |---|---|---|
//! | the client's address behind proxies | [`client_address`] | [`ClientLayer`] |
//! | response headers that protect browser users | [`security_headers`] | [`SecurityHeadersLayer`] |
//! | clients that use plain HTTP are sent to https | [`https`] | [`HttpsLayer`] |
//! | which sites' scripts may read responses | `cors` (feature `cors`) | `CorsLayer` |
//! | one format for every error | [`problem`] | [`ProblemLayer`] |
//! | a panic becomes a response | [`catch_panic`] | [`CatchPanicLayer`] |
//! | request bodies are limited before they are buffered | [`body_limit`] | [`BodyLimitLayer`] |
//!
//! Stack them in this order, the first one outermost.
//!
//! # Features
//!
//! | name | adds | default |
//! |---|---|---|
//! | `axum` | the peer address from `ConnectInfo`, a body limit that passes on axum's own body: the module `axum` | no |
//! | `cors` | the module `cors` | no |
//!
//! The minimum supported Rust version is 1.95.

#[cfg(feature = "axum")]
pub mod axum;
pub mod body_limit;
pub mod catch_panic;
pub mod client_address;
#[cfg(feature = "cors")]
pub mod cors;
pub mod https;
pub mod problem;
pub mod security_headers;

#[cfg(feature = "cors")]
pub use self::cors::CorsLayer;
pub use self::{
    body_limit::BodyLimitLayer,
    catch_panic::CatchPanicLayer,
    client_address::ClientLayer,
    https::HttpsLayer,
    problem::ProblemLayer,
    security_headers::{ConfigError, SecurityHeaders, SecurityHeadersLayer},
};
