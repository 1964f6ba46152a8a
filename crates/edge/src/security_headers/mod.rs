//! Adds headers that protect browser users to every response.
//!
//! Keeps browsers from guessing and executing a content type, showing the service in another site's
//! frame, loading its responses into another site's page, caching them, revealing to other sites
//! where a user came from, and returning without TLS.
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
//! // Browsers ignore a misspelt policy, so it is rejected here.
//! let refused = SecurityHeaders::api().header(REFERRER_POLICY, "no-referer").unwrap_err();
//! assert!(refused.to_string().contains("`no-referer`"));
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. Each header of the set is added to responses that do not have it. A header set by the handler
//!    is kept.
//! 2. An [enforced](SecurityHeaders::enforce) header replaces the handler's value.
//! 3. `Strict-Transport-Security` is sent only if the client is known to use https, as RFC 6797
//!    §7.2 requires. [`ClientLayer`](crate::ClientLayer) determines the scheme and puts it into the
//!    request's context; without that layer the header is never sent.
//! 4. Headers that reveal the service's software are removed: `Server`, `X-Powered-By`, and those
//!    named with [`add_removed`](SecurityHeaders::add_removed).
//! 5. Status and body are unchanged. Errors of the inner service are returned unchanged.
//!
//! Values are rendered once. A response costs at most one allocation, if its header map has to
//! grow.
//!
//! # Sharing
//! All services made from one layer value share the set, which never changes. The layer has no
//! other state.
//!
//! # Cancellation
//! Dropping the future drops the inner future.
//!
//! # Deployment caveats
//! - Once a browser has seen `Strict-Transport-Security`, it refuses plain HTTP on that host until
//!   `max-age` has passed.
//! - This layer does not see headers that a proxy adds to responses. Set each header in one place.
//! - Responses that the server sends before any layer runs, as for a malformed request, do not have
//!   the headers.
//!
//! # Where to put this layer
//! Outside everything that may reject a request, inside [`ClientLayer`](crate::ClientLayer).

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
