//! Converts panics in handlers into responses.
//!
//! Without it, a panic closes the connection with no response, cancels all other requests on that
//! connection, and leaves no record of the request.
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
//! 1. If the inner service panics in `call` or its future panics, the response is 500 with the
//!    problem `internal_error`; for services whose [`Refusals`](hardpoint_core::Refusals) render for
//!    gRPC, `INTERNAL`.
//! 2. The response's [`Refused`](hardpoint_core::Refused) has the outcome
//!    [`Panicked`](hardpoint_core::Outcome::Panicked), which outer layers record.
//! 3. One event of level `error` is logged with the request's id. The panic message appears in
//!    neither the response nor the event, because it may contain secret or personal data. The panic
//!    hook receives it: the standard hook prints it with its location to standard error, and a
//!    service that wants to log it replaces the hook.
//! 4. An error of the inner service passes unchanged.
//!
//! # Sharing
//! This layer has no state. The inner service may have some, and the next request sees what a panic
//! left behind in it, such as a poisoned lock or a broken invariant. Handlers that are cloned for
//! each request, as in axum, share only the state behind pointers.
//!
//! # Cancellation
//! Dropping the future drops the inner future.
//!
//! # Deployment caveats
//! - With `panic = "abort"` a panic ends the process and cannot be caught.
//! - This layer does not catch a panic in `poll_ready`, in the destructor of the inner future, in a
//!   task spawned by the handler, or while the response body is being sent. In the last case the
//!   response has begun and can only break off.
//!
//! # Where to put this layer
//! Inside [`ProblemLayer`](crate::ProblemLayer) and the layers that add headers and record
//! requests, outside everything else.

mod future;
mod layer;
mod service;

pub use self::{future::ResponseFuture, layer::CatchPanicLayer, service::CatchPanic};
