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
//! 1. A [`Problem`], or an `Arc<dyn Rejection>`, in the extensions of a response is what is answered,
//!    with the status that it has. That is how a handler returns one; with the feature `axum`,
//!    `ProblemResponse` and `RejectionResponse` of the module `axum` do it.
//! 2. Otherwise an answer of 400 to 599 becomes the problem that its status stands for
//!    ([`of_status`]) if its body is empty, `text/plain`, or of no type. The text is dropped,
//!    whatever it says: it may name what is inside.
//! 3. Left as they are: an error body of any other type, which is the handler's own; what another
//!    hardpoint layer has refused; an answer that is `application/grpc`; anything below 400.
//! 4. Headers stay (`Allow`, `WWW-Authenticate`, `Retry-After`, cookies), but for those that
//!    describe the body that is gone. `Cache-Control` becomes `no-store`, since the body names this
//!    one request.
//! 5. The body has the request's id if a layer further out has put one into the context. A gRPC
//!    caller gets trailers instead of a body.
//! 6. An answer to HEAD has no body, so its type alone decides. It has the headers that the answer
//!    to GET would have.
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

use hardpoint_core::Problem;
use http::StatusCode;

pub use self::{future::ResponseFuture, layer::ProblemLayer, service::MapProblems};

/// The problem that a status stands for when nothing more is known: what a bare answer with this
/// status becomes.
///
/// ```
/// use hardpoint_edge::problem::of_status;
/// use http::StatusCode;
///
/// let problem = of_status(StatusCode::NOT_FOUND).detail("there is no note with this id");
/// assert_eq!(problem.code(), "not_found");
/// ```
#[must_use]
pub fn of_status(status: StatusCode) -> Problem {
    crate::status::problem_of(status)
}
