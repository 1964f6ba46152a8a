//! Counts requests in flight, and sends clients elsewhere while the service drains.
//!
//! It protects requests from being cut when the service ends: the drain waits for those it counts,
//! and clients that keep their connections open are told to leave before the connections close.
//!
//! ```
//! use hardpoint_health::{DrainLayer, Lifecycle};
//! use http::{Request, Response, header::CONNECTION};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let lifecycle = Lifecycle::builder().build()?;
//! let service = DrainLayer::new(&lifecycle).layer(service_fn(async |_: Request<()>| {
//!     Ok::<_, std::convert::Infallible>(Response::new(()))
//! }));
//!
//! // Ready: the response passes unchanged, and is counted until its body is done.
//! let response = service.clone().oneshot(Request::new(())).await?;
//! assert!(response.headers().is_empty());
//! assert_eq!(lifecycle.in_flight(), 1);
//! drop(response);
//! assert_eq!(lifecycle.in_flight(), 0);
//!
//! // Draining: requests are still answered, and the client is told to leave.
//! lifecycle.begin_drain();
//! let response = service.oneshot(Request::new(())).await?;
//! assert_eq!(response.headers()[CONNECTION], "close");
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(example())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Semantics
//!
//! 1. A request counts from the call until its response's body has ended or failed or is dropped,
//!    until the service fails, or until the response's future is dropped.
//! 2. While the service drains, a response to an HTTP/1 request gets `Connection: close`, in place
//!    of whatever the service said about its connection. A 101 keeps its own.
//! 3. HTTP/2 has no such header; the server says goodbye with GOAWAY when it stops accepting.
//! 4. Nothing is refused: a request that comes during the drain is served like any other.
//!
//! # Sharing
//!
//! All layers made from one [`Lifecycle`](crate::Lifecycle) share its count.
//!
//! # Cancellation
//!
//! A dropped future or body leaves the count at once.
//!
//! # Deployment caveats
//!
//! An upgraded connection leaves the count with its 101 response: what goes on after that should
//! watch [`Lifecycle::draining`](crate::Lifecycle::draining).
//!
//! # Where to put this layer
//!
//! Directly inside the [`ProbeLayer`](crate::ProbeLayer), whose answers are not in flight, and outside
//! everything else, so that refusals too count and tell clients to leave.

pub use self::{
    body::ResponseBody,
    future::ResponseFuture,
    service::{Drain, DrainLayer},
};

mod body;
mod future;
mod in_flight;
mod service;
