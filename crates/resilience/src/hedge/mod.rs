//! Sends a second attempt when the first is slow, within a budget.
//!
//! A destination with many instances nearly always has a slow one: it collects garbage, starts, or
//! has a noisy neighbour. The slowest calls of a service are those that meet it. A second attempt,
//! sent when the first has taken longer than nearly all others do, most likely meets another
//! instance. It removes most of the tail for a few percent of load (Dean and Barroso, *The Tail at
//! Scale*, CACM 56(2), 2013).
//!
//! ```
//! use hardpoint_resilience::HedgeLayer;
//! use http::{Request, Response};
//! use http_body_util::Empty;
//! use std::{sync::{Arc, atomic::{AtomicU32, Ordering}}, time::Duration};
//! use tower::{Layer, ServiceExt, service_fn};
//! # use bytes::Bytes;
//! # use hardpoint_resilience::retry::ReplayBody;
//! # use tokio::time::Instant;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let calls = Arc::new(AtomicU32::new(0));
//! let counter = Arc::clone(&calls);
//! // Every hundredth call takes a second, all others 10 ms.
//! let client = service_fn(move |_request: Request<ReplayBody<Empty<Bytes>>>| {
//!     let slow = counter.fetch_add(1, Ordering::Relaxed) % 100 == 0;
//!     async move {
//!         tokio::time::sleep(Duration::from_millis(if slow { 1_000 } else { 10 })).await;
//!         Ok::<_, std::io::Error>(Response::new(Empty::<Bytes>::new()))
//!     }
//! });
//! let client = HedgeLayer::builder().build()?.layer(client);
//!
//! // The layer learns how long calls take.
//! for _ in 0..100 {
//!     client.clone().oneshot(Request::get("/").body(Empty::new())?).await?;
//! }
//! // The next one is slow. Its hedge is sent after some 10 ms, and answers.
//! let started = Instant::now();
//! client.clone().oneshot(Request::get("/").body(Empty::new())?).await?;
//! # let took = started.elapsed();
//! assert!(took < Duration::from_millis(50), "{took:?}");
//! assert_eq!(calls.load(Ordering::Relaxed), 102);
//!
//! // A POST is sent once, however slow it is.
//! calls.store(0, Ordering::Relaxed);
//! let started = Instant::now();
//! client.oneshot(Request::post("/").body(Empty::new())?).await?;
//! assert!(started.elapsed() >= Duration::from_secs(1));
//! assert_eq!(calls.load(Ordering::Relaxed), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. A hedge is due when the first attempt has not answered after the live
//!    [`percentile`](HedgeBuilder::percentile) of recent durations, at least
//!    [`floor`](HedgeBuilder::floor) and at most [`ceiling`](HedgeBuilder::ceiling). Before
//!    [`min_calls`](HedgeBuilder::min_calls) durations are known, none is due.
//! 2. Only a request that may be in flight twice is hedged: GET, HEAD, OPTIONS and TRACE, and what
//!    [`repeatable`](HedgeBuilder::repeatable) declares. An idempotent PUT is retried, but not hedged:
//!    an instance that stalls could store it after a later one.
//! 3. Only a request whose body the first attempt has read to its end, and that is not longer than
//!    [`replay_limit`](HedgeBuilder::replay_limit), is hedged.
//! 4. The [budget](HedgeBuilder::budget) pays for a hedge before it is sent, from the deposits of
//!    calls and never from its reserve. The hedge is refunded if it is not sent, or if a policy of
//!    this process refuses it ([`Class::Shed`](crate::Class::Shed)).
//! 5. A call has at most one hedge. A retry is not hedged, and neither is a call on behalf of a
//!    request whose caller retries. A hedge carries the number of its attempt, 2, in
//!    `x-retry-attempt`.
//! 6. A hedge that would be due at or after the request's [`Deadline`](crate::Deadline) is not
//!    prepared.
//! 7. The attempt that answers first is returned, and the other one is dropped. An *answer* is a
//!    success or a rejection (404), which a second attempt would get too. The head of the response
//!    decides, in gRPC as well.
//!
//! | first attempt | hedge | the call returns |
//! |---|---|---|
//! | answers or fails | not yet sent | the first attempt's result, at once: a retry decides about a failure |
//! | answers | in flight or failed | the first attempt's response |
//! | in flight or failed | answers | the hedge's response |
//! | fails | in flight | waits for the hedge |
//! | in flight | fails | waits for the first attempt |
//! | fails | fails | the failure that came first, or the other one if that asks for a longer delay |
//! | in flight | refused by a policy of this process | waits for the first attempt |
//!
//! 8. The percentile counts first attempts that answered, and those that timed out, lost to their
//!    hedge or were dropped, if they had taken at least the current delay. Other failures do not
//!    count. The percentile covers the last 1,024 to 2,048 durations, is recomputed with every
//!    32nd, and is at most a sixteenth above the exact value.
//!
//! # Sharing
//! All services made from one layer, and their clones, share the durations and the budget. They
//! belong to one destination: a layer for several destinations needs [`by`](HedgeBuilder::by).
//!
//! # Cancellation
//! Dropping the future drops both attempts. A hedge that was not sent is refunded to the budget.
//!
//! # Deployment caveats
//! - Over HTTP/1, dropping an attempt closes its connection. Over HTTP/2 it only resets a stream.
//! - A hedge over the connection of the first attempt meets the same instance. It helps only if the
//!   client or a balancer spreads the requests of one process over instances.
//! - A call that can be hedged clones the head of its request and the service, and allocates the
//!   state of the second attempt. Other calls allocate nothing for it. In a
//!   [`ClientPolicy`](crate::ClientPolicy) that hedges, each attempt allocates one box.
//! - A first attempt that is dropped after the circuit breaker's `slow_after` counts as hung.
//! - A destination that is slow as a whole gets more load just when it is slow, up to the budget's
//!   ratio.
//! - Delays use tokio's timer: call the service inside a tokio runtime.
//!
//! # Where to put this layer
//! Inside of retry, outside of circuit breaker, bulkhead and the attempt's timeout, so that both
//! attempts pass through each of them. [`ClientPolicy`](crate::ClientPolicy) has all of them in
//! this order.

mod builder;
mod future;
mod layer;
mod pace;
mod percentile;
mod race;
mod second;
mod service;
mod watch;

pub(crate) use self::service::Hedging;
pub use self::{builder::HedgeBuilder, future::ResponseFuture, layer::HedgeLayer, service::Hedge};
