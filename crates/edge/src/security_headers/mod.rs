//! Headers that browsers protect users by, on every answer.
//!
//! Protects against browsers that guess a type and run it, that show the service in somebody else's
//! frame, that load its answers into somebody else's page, that keep them in a cache, that tell
//! other sites where a user came from, and that come back without TLS.
//!
//! ```
//! use hardpoint_edge::{SecurityHeaders, SecurityHeadersLayer};
//! use http::{Request, Response, header::REFERRER_POLICY};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let inner = service_fn(|_: Request<()>| async {
//!     let response = Response::builder().header("x-frame-options", "SAMEORIGIN");
//!     response.header("server", "acme/1.2.3").body(())
//! });
//! let headers = SecurityHeaders::api().header(REFERRER_POLICY, "same-origin")?;
//! let service = SecurityHeadersLayer::new(headers).layer(inner);
//!
//! let response = service.oneshot(Request::new(())).await?;
//! assert_eq!(response.headers()["x-content-type-options"], "nosniff");
//! assert_eq!(response.headers()["referrer-policy"], "same-origin");
//! assert_eq!(response.headers()["x-frame-options"], "SAMEORIGIN", "the handler knows better");
//! assert!(!response.headers().contains_key("server"));
//!
//! // A browser ignores a policy that is misspelt: here it is refused.
//! let refused = SecurityHeaders::api().header(REFERRER_POLICY, "no-referer").unwrap_err();
//! assert!(refused.to_string().contains("`no-referer`"));
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. A header of the set is added to every response that does not have it; one that the handler
//!    set stays as it is.
//! 2. A header that is [enforced](SecurityHeaders::enforce) replaces whatever the handler set.
//! 3. `Strict-Transport-Security` is sent only if the client is known to have come over https, as
//!    RFC 6797 §7.2 asks for: by the scheme in the request's context, which
//!    [`ClientLayer`](crate::ClientLayer) finds out. Without that layer it is never sent.
//! 4. Headers that tell what the service is made of are removed: `Server` and `X-Powered-By`, and
//!    what [`add_removed`](SecurityHeaders::add_removed) names.
//! 5. Status and body are left alone. An error of the inner service passes unchanged.
//!
//! The values are rendered once: a response costs no allocation but what the header map needs to
//! grow, once.
//!
//! # Sharing
//! The set is shared by all services made from one layer value, and never changes. There is no
//! other state.
//!
//! # Cancellation
//! Nothing is held: dropping the future drops the inner one.
//!
//! # Deployment caveats
//! - Once a browser has seen `Strict-Transport-Security`, nothing but its `max-age` brings plain
//!   HTTP back on that host.
//! - Headers that a proxy adds on the way out are not seen here: let one of the two do it.
//! - Answers that the server makes before any layer runs, as for a malformed request, carry none.
//!
//! # Where to put this layer
//! Outside of everything that may refuse a request, inside of [`ClientLayer`](crate::ClientLayer).

mod check;
mod error;
mod future;
mod layer;
mod service;
mod set;

#[cfg(test)]
mod tests;

pub use self::{
    error::ConfigError, future::ResponseFuture, layer::SecurityHeadersLayer,
    service::SetSecurityHeaders, set::SecurityHeaders,
};
