//! A panic in a handler becomes an answer.
//!
//! Protects a client from a connection that breaks without an answer, together with all other
//! requests on it, and the records of a service from requests that end without a trace.
//!
//! ```
//! use hardpoint_edge::CatchPanicLayer;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Full;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let inner = service_fn(|request: Request<()>| async move {
//!     assert_ne!(request.uri(), "/broken", "the invariant of alice@example.com does not hold");
//!     Ok::<_, std::convert::Infallible>(Response::new(Full::from("fine")))
//! });
//! let service = CatchPanicLayer::new().layer(inner);
//!
//! let fine = service.clone().oneshot(Request::get("/fine").body(())?).await?;
//! assert_eq!(fine.status(), StatusCode::OK);
//!
//! let broken = service.oneshot(Request::get("/broken").body(())?).await?;
//! assert_eq!(broken.status(), StatusCode::INTERNAL_SERVER_ERROR);
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. A panic while the inner service is called, or while its future runs, is answered with 500 and
//!    the problem `internal_error`; for a gRPC caller `INTERNAL`.
//! 2. The outcome in the request's context becomes
//!    [`Panicked`](hardpoint_core::Outcome::Panicked), for whoever records requests further out.
//! 3. One log event of level `error` has the request's id. What the panic said is in neither the
//!    answer nor the event, since it may be secret or personal: the panic hook has it. The standard
//!    one prints it with its place to standard error; a service that logs it replaces the hook.
//! 4. An error of the inner service passes unchanged.
//!
//! # Sharing
//! There is no state here. The inner service may have some: what a panic leaves half done in it
//! (a poisoned lock, a broken invariant) the next request meets. Handlers that are cloned for each
//! request, as in axum, share only what they share through a pointer.
//!
//! # Cancellation
//! Nothing is held: dropping the future drops the inner one.
//!
//! # Deployment caveats
//! - Built with `panic = "abort"` a panic ends the process, and nothing can be caught.
//! - Not caught: a panic while a response's body is being sent, when the answer has begun and can
//!   only break off; in a task that the handler has spawned; in `poll_ready`; and in the destructor
//!   of the inner future.
//!
//! # Where to put this layer
//! Inside of [`ProblemLayer`](crate::ProblemLayer) and of what adds headers and records requests,
//! outside of everything else.

mod future;
mod layer;
mod service;

pub use self::{future::ResponseFuture, layer::CatchPanicLayer, service::CatchPanic};
