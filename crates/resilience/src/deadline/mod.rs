//! Ends requests at the caller's deadline, and passes the deadline on.
//!
//! A service that works on after its caller gave up wastes the time that other callers wait for.
//! [`DeadlineLayer`] reads how long the caller waits, refuses a request whose caller has already
//! given up, and ends the handler when the deadline passes. The calls that the handler makes through
//! a [`ClientPolicy`](crate::ClientPolicy) or a [`TimeoutLayer`](crate::TimeoutLayer) end before it.
//!
//! ```
//! use hardpoint_core::{Peer, TrustedProxies};
//! use hardpoint_resilience::DeadlineLayer;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Empty;
//! use std::{net::SocketAddr, time::Duration};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let slow = service_fn(|_request: Request<()>| async {
//!     tokio::time::sleep(Duration::from_secs(2)).await;
//!     Ok::<_, std::convert::Infallible>(Response::new(Empty::<bytes::Bytes>::new()))
//! });
//! let layer = DeadlineLayer::new(Duration::from_secs(10))?
//!     .trusted_callers(TrustedProxies::new(["10.0.0.0/8"])?);
//! let request = |timeout| {
//!     let caller: SocketAddr = ([10, 0, 0, 1], 443).into();
//!     Request::get("/").header("grpc-timeout", timeout).extension(Peer::new(caller)).body(())
//! };
//!
//! let in_time = layer.layer(slow).oneshot(request("3S")?).await?;
//! assert_eq!(in_time.status(), StatusCode::OK);
//!
//! let too_late = layer.layer(slow).oneshot(request("500m")?).await?;
//! assert_eq!(too_late.status(), StatusCode::GATEWAY_TIMEOUT);
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. The deadline is the time at which the first hardpoint layer saw the request, plus the layer's
//!    limit, or plus what the first readable deadline header of a trusted caller allows, if that is
//!    less. A header can only shorten the time.
//! 2. A header that cannot be read is ignored. `grpc-timeout` is one to eight digits and a unit.
//! 3. A request whose deadline has passed is refused with 504 `deadline_exceeded`, without a call of
//!    the inner service; for gRPC with `DEADLINE_EXCEEDED`.
//! 4. The layer stores the deadline in the request's [`RequestContext`](hardpoint_core::RequestContext),
//!    unless an outer layer stored one: then the earlier of the two ends the request.
//! 5. When the deadline passes, the layer drops the handler's future and refuses the request like in
//!    3. The outcome is [`TimedOut`](hardpoint_core::Outcome::TimedOut).
//! 6. The deadline covers the time until the head of the response. A body is not cut off; use
//!    `ResponseBodyDeadlineLayer` of tower-http for that.
//! 7. The attempt number of a trusted caller (`x-retry-attempt`) is stored as well. Above 1, a
//!    [`RetryLayer`](crate::RetryLayer) does not retry the calls that the handler makes for it.
//!
//! # Passing the deadline on
//! An outgoing request belongs to an incoming one if it carries its context, which the handler
//! inserts:
//!
//! ```
//! use hardpoint_core::RequestContext;
//! use std::sync::Arc;
//!
//! fn upstream<B>(incoming: &http::Request<B>) -> http::Request<()> {
//!     let mut request = http::Request::new(());
//!     if let Some(context) = RequestContext::find(incoming.extensions()) {
//!         request.extensions_mut().insert(Arc::clone(context));
//!     }
//!     request
//! }
//! # let _ = upstream(&http::Request::new(()));
//! ```
//!
//! # Sharing
//! Nothing is shared: each request has its own deadline.
//!
//! # Cancellation
//! Dropping the future drops the inner future and its timer.
//!
//! # Deployment caveats
//! - The time that a request spent on the network and in the server's accept queue is not known. A
//!   caller should send less time than it waits; [`TimeoutLayer`](crate::TimeoutLayer) subtracts a
//!   margin.
//! - A handler that blocks its thread is not interrupted.
//! - Work that the handler spawned goes on.
//!
//! # Where to put this layer
//! Inside the layers that record requests and shape errors, outside load shedding and limits.

mod future;
mod header;
mod layer;
mod rejection;
mod service;
mod value;

pub(crate) use self::header::attempt_of;
pub use self::{
    future::ResponseFuture, header::DeadlineHeader, layer::DeadlineLayer,
    rejection::DeadlineExceeded, service::EnforceDeadline, value::Deadline,
};
