//! Retries failed calls, within a budget.
//!
//! A retry hides a failure that passes by itself: a lost connection, a restart, a burst. Retries
//! without a budget multiply the load on a destination that fails for longer, and can keep it down.
//!
//! ```
//! use hardpoint_resilience::{Jitter, RetryLayer};
//! use http::{Request, Response, StatusCode};
//! use http_body_util::{Empty, Full};
//! use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
//! use tower::{Layer, ServiceExt, service_fn};
//! # use bytes::Bytes;
//! # use hardpoint_resilience::retry::ReplayBody;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let calls = Arc::new(AtomicU32::new(0));
//! let counter = Arc::clone(&calls);
//! let client = service_fn(move |_request: Request<ReplayBody<Full<Bytes>>>| {
//!     let failing = counter.fetch_add(1, Ordering::Relaxed) % 2 == 0;
//!     let mut response = Response::new(Empty::<Bytes>::new());
//!     if failing {
//!         *response.status_mut() = StatusCode::BAD_GATEWAY;
//!     }
//!     async { Ok::<_, std::io::Error>(response) }
//! });
//! let client = RetryLayer::builder().build()?.layer(client);
//!
//! // A GET may be sent twice.
//! let response = client.clone().oneshot(Request::get("/").body(Full::default())?).await?;
//! assert_eq!((response.status(), calls.load(Ordering::Relaxed)), (StatusCode::OK, 2));
//!
//! // A POST without an Idempotency-Key may not: the destination may have acted on it.
//! let response = client.oneshot(Request::post("/").body(Full::default())?).await?;
//! assert_eq!((response.status(), calls.load(Ordering::Relaxed)), (StatusCode::BAD_GATEWAY, 3));
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. A failed attempt is retried if the [`RetryTable`] allows it for its [`Class`](crate::Class) and
//!    the request. A request may be sent twice if its method is idempotent, if it has an
//!    `Idempotency-Key`, or if [`repeatable`](RetryBuilder::repeatable) declares it.
//! 2. The delay is drawn at random below a bound that grows with each attempt. If the response asks
//!    for a delay ([`RetryHint`](crate::RetryHint)), it comes first, and the random part on top of
//!    it. A response that asks for more than
//!    [`max_retry_after`](RetryBuilder::max_retry_after), or not to retry, is returned.
//! 3. Each retry is paid for by the [`RetryBudget`](crate::RetryBudget), before the delay. It
//!    returns to the budget if it is not sent, or if a policy of this process refused it
//!    ([`Class::Shed`](crate::Class::Shed)).
//! 4. A retry that would begin at or after the request's [`Deadline`](crate::Deadline) is not made.
//! 5. When no retry follows, the last attempt's response or error is returned, unchanged.
//! 6. A gRPC response (`application/grpc`) whose first frame is its trailers is judged by them. The
//!    retry holds the head for them, for at most [`grpc_wait`](RetryBuilder::grpc_wait), and
//!    returns it after a message or that time.
//! 7. The request body is recorded while the first attempt sends it, without a copy. A body that is
//!    longer than [`replay_limit`](RetryBuilder::replay_limit), or that failed, is not sent again.
//!    When a retry begins, the body of the attempt before it fails, if the client still sends it.
//! 8. The body of a failed response is read during the delay, up to
//!    [`drain_limit`](RetryBuilder::drain_limit), so that its connection can be used again. It never
//!    prolongs the delay.
//! 9. A retry carries the number of its attempt in `x-retry-attempt`, starting with 2. A call on
//!    behalf of a request whose [`RequestContext`](hardpoint_core::RequestContext) has an attempt
//!    above 1 is not retried, because its caller retries, and carries that number on.
//! 10. If no retry can follow (one attempt, an empty budget, a body that is too long, an inner hop),
//!     nothing is cloned and nothing recorded.
//!
//! # Sharing
//! All services made from one layer, and their clones, share its budget. A budget belongs to one
//! destination: a layer for several destinations lets one that fails use up the retries of the
//! others. Several layers for the same destination share a budget through
//! [`budget`](RetryBuilder::budget).
//!
//! # Cancellation
//! Dropping the future drops the attempt in flight and ends a delay. A retry that was not sent
//! returns to the budget.
//!
//! # Deployment caveats
//! - Delays use tokio's timer: call it inside a tokio runtime.
//! - The service is cloned for each call that may be retried. Clients such as hyper-util's share
//!   their connections among clones.
//! - Retry in one place. A service mesh or a client that retries by itself multiplies with this
//!   layer.
//! - An attempt that hangs is never retried: put a [`TimeoutLayer`](crate::TimeoutLayer) inside.
//!
//! # Where to put this layer
//! Inside the timeout of the whole call, outside of circuit breaker, bulkhead and the attempt's
//! timeout. [`ClientPolicy`](crate::ClientPolicy) has all of them in this order.

mod body;
mod builder;
mod course;
mod future;
mod layer;
mod plan;
mod repeat;
mod replay;
mod service;
mod table;

pub use self::{
    body::ResponseBody,
    builder::RetryBuilder,
    future::ResponseFuture,
    layer::RetryLayer,
    replay::ReplayBody,
    service::Retry,
    table::{RetryTable, RetryWhen},
};
pub(crate) use self::{
    builder::{Budget, Budgets, Settings},
    repeat::{ATTEMPT_HEADER, IsRepeatable, caller_retries, is_repetition, mark, mark_inner_hop},
    replay::Replay,
    service::keep,
};
