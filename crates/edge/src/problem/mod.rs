//! One shape for every error: `application/problem+json`, RFC 9457.
//!
//! Protects clients against guessing what an error looks like, and the service against telling its
//! insides in the plain text that frameworks, extractors and handlers answer with.
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
//!    extensions becomes that problem, with its status. Handlers return one so; with core's feature
//!    `axum`, a `Problem` and a `RejectionResponse` are responses.
//! 2. Any other response with a status of 400 to 599 becomes
//!    [`Problem::from_status`](hardpoint_core::Problem::from_status) if its body is empty, has no
//!    type, or is `text/plain`. The text is dropped, because it may describe the service's insides.
//! 3. These responses stay as they are: an error body of any other type, which the handler chose; a
//!    refusal of another hardpoint layer; `application/grpc`; a status below 400.
//! 4. Header fields stay (`Allow`, `WWW-Authenticate`, `Retry-After`, cookies), except those that
//!    describe the dropped body. `Cache-Control` becomes `no-store`, because the body names this
//!    request.
//! 5. The body has the request's id if an outer layer stored one in the context. A service that
//!    renders for gRPC ([`Refusals`](hardpoint_core::Refusals)) answers with trailers instead.
//! 6. A response to HEAD has no body, so only its type decides. It has the header fields that the
//!    response to GET would have.
//!
//! A success costs no allocation.
//!
//! # Sharing
//! There is no state.
//!
//! # Cancellation
//! Nothing is held: dropping the future drops the inner one.
//!
//! # Deployment caveats
//! - Answers that the server makes before any layer runs have no body: 400 for what is no HTTP,
//!   414, 431.
//! - A failure while a response's body is being sent cannot be answered: the client sees the body
//!   break off.
//!
//! # Where to put this layer
//! Outside of the router's fallbacks and of everything that may panic or refuse, inside of what
//! sets the request's id and of what adds headers, such as
//! [`SecurityHeadersLayer`](crate::SecurityHeadersLayer) and CORS.

mod future;
mod layer;
mod replace;
mod service;

pub use self::{future::ResponseFuture, layer::ProblemLayer, service::MapProblems};
