//! The HTTP edge of a service: who is calling, how much they may send, what every answer carries,
//! and one shape for every error.
//!
//! It is five independent tower layers for any service of `http` requests and responses. What it
//! does not do: it is no router and no server, it sets no timeouts, it does not redirect to https,
//! and it neither counts nor authenticates anybody.
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
//!     // The last one added stands outermost.
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
//! | headers that browsers protect users by | [`security_headers`] | [`SecurityHeadersLayer`] |
//! | one shape for every error | [`problem`] | [`ProblemLayer`] |
//! | a panic becomes an answer | [`catch_panic`] | [`CatchPanicLayer`] |
//! | bodies are cut before they are buffered | [`body_limit`] | [`BodyLimitLayer`] |
//!
//! That is also the order to stack them in, the first one outermost.
//!
//! # Features
//!
//! | name | adds | default |
//! |---|---|---|
//! | `axum` | the peer's address from `ConnectInfo`, a limited body that stays axum's own, handlers that return problems: the module `axum` | no |
//!
//! The minimum supported Rust version is 1.95.

#[cfg(feature = "axum")]
pub mod axum;
pub mod body_limit;
pub mod catch_panic;
pub mod client_address;
pub mod problem;
pub mod security_headers;

pub use self::{
    body_limit::BodyLimitLayer,
    catch_panic::CatchPanicLayer,
    client_address::ClientLayer,
    problem::ProblemLayer,
    security_headers::{ConfigError, SecurityHeaders, SecurityHeadersLayer},
};
