//! Bounds the calls in flight to a destination.
//!
//! Protects the service from a destination that becomes slow: without a bound, the calls that wait
//! for it hold all connections, memory and tasks, and take the healthy parts of the service down with
//! them.
//!
//! # Example
//! ```
//! use hardpoint_resilience::{BulkheadFull, ConcurrencyLimit};
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use std::convert::Infallible;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let limit = ConcurrencyLimit::builder("search", 1).build()?;
//! let client = limit.layer().layer(service_fn(async |_request: Request<()>| {
//!     Ok::<_, Infallible>(Response::new(Full::new(bytes::Bytes::from_static(b"found"))))
//! }));
//!
//! let response = client.clone().oneshot(Request::new(())).await?;
//! // The first response's body was not read yet: its call is in flight.
//! let error = client.clone().oneshot(Request::new(())).await.unwrap_err();
//! assert!(error.is::<BulkheadFull>());
//!
//! drop(response);
//! assert!(client.oneshot(Request::new(())).await.is_ok());
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! # }).unwrap();
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Semantics
//! 1. A call takes a permit in `call` and holds it until its response body has ended, failed or was
//!    dropped, or its future failed or was dropped.
//! 2. A call that finds no permit is refused with [`BulkheadFull`], or waits if the limit has a
//!    [queue](ConcurrencyLimitBuilder::queue) with room.
//! 3. Waiting calls get permits in the order of their `call`s. A new call does not overtake them.
//! 4. A call that has waited for the longest wait is refused. A permit that comes at the same moment
//!    is used.
//!
//! # Sharing
//! The permits belong to the [`ConcurrencyLimit`]. Every layer made from it, every service made from a
//! layer, and every clone of these share them. [`ConcurrencyLimits`] have permits for each key.
//!
//! # Cancellation
//! A dropped future returns its permit, or leaves the queue. A permit that had just come to it goes
//! to the next waiting call.
//!
//! # Deployment caveats
//! - A caller that keeps response bodies without reading them keeps their permits. A stream that
//!   lasts for hours holds its permit for hours: give streams a limit of their own.
//! - The limit is local to its process: `n` instances call a destination up to `n` times as often at
//!   the same time.
//! - A waiting call needs a tokio runtime with timers. A limit without a queue needs none.
//!
//! # Where to put this layer
//! Around a client, inside the circuit breaker and outside the time-out of an attempt: a call that
//! waits for a permit does not use up the time of its attempt, and an open circuit takes no permit.

mod body;
mod builder;
mod error;
mod future;
mod layer;
mod limit;
mod limits;
mod semaphore;
mod service;
#[cfg(test)]
mod tests;

pub use self::{
    body::ResponseBody,
    builder::ConcurrencyLimitBuilder,
    error::BulkheadFull,
    future::ResponseFuture,
    layer::BulkheadLayer,
    limit::{ConcurrencyLimit, ConcurrencyPermit, ConcurrencySnapshot},
    limits::ConcurrencyLimits,
    service::Bulkhead,
};
pub(crate) use self::{
    future::Waiting,
    layer::Limits,
    limit::{Answer, Queued},
};
