//! Limits how long an outgoing call may take.
//!
//! A call without a limit waits for as long as the destination keeps the connection open. Outside of
//! a [`RetryLayer`](crate::RetryLayer) this layer limits the whole call, inside of it one attempt.
//!
//! ```
//! use hardpoint_resilience::{TimedOut, TimeoutLayer};
//! use http::{Request, Response};
//! use std::time::Duration;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let client = service_fn(|request: Request<()>| async move {
//!     let slow = request.uri().path() == "/slow";
//!     tokio::time::sleep(Duration::from_millis(if slow { 2_000 } else { 2 })).await;
//!     Ok::<_, std::io::Error>(Response::new(()))
//! });
//! let client = TimeoutLayer::new(Duration::from_secs(1))?.layer(client);
//!
//! assert!(client.clone().oneshot(Request::get("/").body(())?).await.is_ok());
//!
//! let error = client.oneshot(Request::get("/slow").body(())?).await.unwrap_err();
//! assert_eq!(error.downcast_ref::<TimedOut>().unwrap().after(), Duration::from_secs(1));
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. A call may take the layer's limit, or the time to the request's
//!    [`Deadline`](crate::Deadline), if that is less. Then the layer drops the inner future and
//!    returns [`TimedOut`].
//! 2. A call whose deadline has passed fails at once. The inner service is not called.
//! 3. The request carries the resulting deadline inwards: a retry does not start if it would come
//!    after it.
//! 4. With [`propagate`](TimeoutLayer::propagate), the request also carries it to the destination,
//!    less a margin for the way back, and at least one unit of the header.
//! 5. The limit covers the time until the head of the response, not its body.
//!
//! # Sharing
//! Nothing is shared: each call has its own limit.
//!
//! # Cancellation
//! Dropping the future drops the inner future and its timer.
//!
//! # Deployment caveats
//! - Over HTTP/1 a call that is dropped closes its connection. A limit that is often reached costs
//!   connections.
//! - The destination works on after a time-out unless it knows the deadline: see 4.
//!
//! # Where to put this layer
//! For the whole call outside of everything else; for one attempt inside of retry, circuit breaker
//! and bulkhead, so that the breaker sees the time-out.

mod error;
mod future;
mod layer;
mod service;

pub use self::{error::TimedOut, future::ResponseFuture, layer::TimeoutLayer, service::Timeout};
pub(crate) use self::{
    future::Limit,
    layer::{Settings, check_limit},
};
