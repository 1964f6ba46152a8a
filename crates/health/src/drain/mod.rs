//! Counts the requests in flight and closes client connections while the service drains.
//!
//! The count keeps requests from being cut when the service stops: the drain waits for them.
//! Clients that keep connections open receive `Connection: close` and leave before the server
//! closes the connections.
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
//! // Ready: the response is unchanged, and the request counts until the response body is dropped.
//! let response = service.clone().oneshot(Request::new(())).await?;
//! assert!(response.headers().is_empty());
//! assert_eq!(lifecycle.in_flight(), 1);
//! drop(response);
//! assert_eq!(lifecycle.in_flight(), 0);
//!
//! // Draining: the service still answers, and asks the client to close the connection.
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
//! 1. A request counts from the call until the response body ends, fails or is dropped, until the
//!    inner service fails, or until the response future is dropped.
//! 2. While the service drains, a response to an HTTP/1 request gets `Connection: close`, which
//!    replaces any `Connection` header of the inner service. A 101 response keeps its own.
//! 3. HTTP/2 has no such header: the server sends GOAWAY when it stops accepting.
//! 4. The layer rejects no request: one that arrives during the drain is served like any other.
//!
//! # Sharing
//!
//! All layers made from one [`Lifecycle`](crate::Lifecycle) share its count.
//!
//! # Cancellation
//!
//! Dropping the response future or body removes the request from the count at once.
//!
//! # Deployment caveats
//!
//! An upgraded connection leaves the count with its 101 response. Its task should await
//! [`Lifecycle::draining`](crate::Lifecycle::draining).
//!
//! # Where to put this layer
//!
//! Directly inside the [`ProbeLayer`](crate::ProbeLayer), whose responses do not count as in
//! flight, and outside every other layer, so that refused requests count too and their responses
//! also get `Connection: close`.

pub(crate) use self::tally::Tally;
pub use self::{
    body::ResponseBody,
    future::ResponseFuture,
    in_flight::InFlight,
    service::{Drain, DrainLayer},
};

mod body;
mod future;
mod in_flight;
mod service;
mod tally;
