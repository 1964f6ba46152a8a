//! Gives every error the same format: `application/problem+json`, RFC 9457.
//!
//! Clients do not have to guess what an error looks like, and the service does not leak its
//! internals in the plain text that frameworks, extractors and handlers return.
//!
//! ```
//! use hardpoint_core::Problem;
//! use hardpoint_edge::ProblemLayer;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::{BodyExt, Full};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let inner = service_fn(|request: Request<()>| async move {
//!     let response = Response::builder();
//!     match request.uri().path() {
//!         "/fine" => response.body(Full::from("fine")),
//!         "/taken" => {
//!             let taken = Problem::new(StatusCode::CONFLICT, "name_taken", "The name is taken");
//!             response.extension(taken).body(Full::default())
//!         }
//!         _ => response.status(500).body(Full::from("no table `users` in db-3.internal")),
//!     }
//! });
//! let get = |path: &'static str| ProblemLayer::new().layer(inner).oneshot(
//!     Request::get(path).body(()).expect("a valid path"),
//! );
//!
//! let fine = get("/fine").await?;
//! assert_eq!(fine.into_body().collect().await?.to_bytes(), "fine");
//!
//! let taken = get("/taken").await?;
//! assert_eq!(taken.status(), StatusCode::CONFLICT);
//! assert_eq!(taken.headers()["content-type"], "application/problem+json");
//!
//! let failed = get("/").await?.into_body().collect().await?.to_bytes();
//! let failed: serde_json::Value = serde_json::from_slice(&failed)?;
//! assert_eq!(failed["code"], "internal_error");
//! assert_eq!(failed["title"], "Something went wrong on our side", "and nothing of the text");
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. A response with an `Arc<dyn Rejection>` or a [`Problem`](hardpoint_core::Problem) in its
//!    extensions becomes that problem, with its status. Handlers can return one this way; with
//!    core's feature `axum`, `Problem` and `RejectionResponse` implement `IntoResponse`.
//! 2. Any other response with a status of 400 to 599 becomes
//!    [`Problem::from_status`](hardpoint_core::Problem::from_status) if its body is empty, has no
//!    content type, or is `text/plain`. The text is dropped because it may describe internals. If the
//!    status is 400 to 499, it is logged at level `debug`, without quoted values, and with
//!    [`ProblemLayer::explain`] it is the `detail`.
//! 3. These responses are unchanged: an error body of any other content type, which the handler
//!    chose; a rejection from another hardpoint layer; `application/grpc`; a status below 400.
//! 4. Header fields are kept (`Allow`, `WWW-Authenticate`, `Retry-After`, cookies), except those
//!    that describe the dropped body. `Cache-Control` becomes `no-store`, because the body names
//!    this request.
//! 5. The body contains the request's id if an outer layer stored one in the context. A service
//!    that renders for gRPC ([`Refusals`](hardpoint_core::Refusals)) responds with trailers
//!    instead.
//! 6. A response to HEAD has no body, so only its content type decides. It has the header fields
//!    that the response to GET would have.
//!
//! A success costs no allocation.
//!
//! # Sharing
//! This layer has no state.
//!
//! # Cancellation
//! Dropping the future drops the inner future.
//!
//! # Deployment caveats
//! - Responses that the server sends before any layer runs have no body: 400 for malformed HTTP,
//!   414, 431.
//! - An error while the response body is being sent cannot become a problem: the body breaks off.
//!
//! # Where to put this layer
//! Outside the router's fallbacks and everything that may panic or reject; inside the layers that
//! set the request's id or add headers, such as
//! [`SecurityHeadersLayer`](crate::SecurityHeadersLayer) and CORS.

mod future;
mod layer;
mod reason;
mod replace;
mod service;

pub use self::{future::ResponseFuture, layer::ProblemLayer, service::MapProblems};
