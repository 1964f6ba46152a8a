//! Lets browsers of other origins read responses, and refuses configurations that allow every
//! origin.
//!
//! Without CORS, scripts of other sites cannot use the API at all. With rules that are too broad,
//! any site can act for a user who is logged in. tower-http's layer answers preflights; this one
//! adds the checks that it lacks: mistakes are errors when the layer is built, not panics when it
//! is applied, and origins that protect nothing are mistakes.
//!
//! ```
//! use hardpoint_edge::CorsLayer;
//! use http::{Request, Response, StatusCode};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cors = CorsLayer::builder(["https://app.example"]).build()?;
//! let service = cors.layer(service_fn(async |_request: Request<()>| {
//!     Ok::<_, std::convert::Infallible>(Response::new(()))
//! }));
//! let from = |origin| Request::get("/").header("origin", origin).body(());
//!
//! let allowed = service.clone().oneshot(from("https://app.example")?).await?;
//! assert_eq!(allowed.headers()["access-control-allow-origin"], "https://app.example");
//!
//! // The request is answered, and the browser keeps the answer from the script.
//! let other = service.oneshot(from("https://evil.example")?).await?;
//! assert_eq!(other.status(), StatusCode::OK);
//! assert!(!other.headers().contains_key("access-control-allow-origin"));
//!
//! let mistakes = CorsLayer::builder(["http://app.example", "https://b.example/"]).build();
//! assert_eq!(mistakes.unwrap_err().mistakes().len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. A response to an allowed origin names that origin in `Access-Control-Allow-Origin`. A
//!    response to any other origin does not have the header, and browsers do not let scripts read
//!    it. The request is served in any case: the layer does not protect against forged requests.
//! 2. The layer answers a preflight (`OPTIONS` with `Origin` and `Access-Control-Request-Method`).
//!    A preflight reaches no inner layer: it is neither authenticated nor counted by a limit. Any
//!    other `OPTIONS` request reaches the inner service.
//! 3. Every response varies by `Origin`, also one without the other headers, so that a cache never
//!    serves the response to one origin to another.
//! 4. `Access-Control-Expose-Headers` lists the names of the builder and those that inner layers
//!    and handlers have listed, so scripts can read the limits' header fields and `Retry-After`.
//! 5. These are mistakes: no origin; an origin that browsers never send, such as one with a slash at
//!    the end, a default port or capital letters; `*` together with credentials; and, unless
//!    [`insecure_origins`](CorsLayerBuilder::insecure_origins) is set, plain http, `null` and `*`.
//!    No setting reflects any origin.
//!
//! # Sharing
//! No state.
//!
//! # Cancellation
//! Dropping the future drops the inner future.
//!
//! # Deployment caveats
//! - If a proxy or a gateway adds CORS headers as well, browsers refuse the response, because it
//!   has two values of `Access-Control-Allow-Origin`.
//! - A preflight costs no work, but no limit counts it either.
//!
//! # Where to put this layer
//! Inside the record and the security headers, outside every layer that refuses requests: a
//! refusal, a 429 and a 500 after a panic then have the headers, and scripts can read them.

mod error;
mod future;
mod layer;
mod service;

pub use self::{
    error::{ConfigError, Mistake},
    future::ResponseFuture,
    layer::{CorsLayer, CorsLayerBuilder},
    service::Cors,
};
