//! Refuses calls to a destination that fails.
//!
//! Protects the callers of a destination that is down or hangs: they fail at once and keep their
//! threads, connections and time. Protects the destination: it gets a few trial calls while it
//! recovers, and then a growing share of the traffic.
//!
//! # Example
//! ```
//! use hardpoint_core::{ManualClock, event::CircuitState};
//! use hardpoint_resilience::{Circuit, CircuitOpen};
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Empty;
//! use std::{convert::Infallible, time::Duration};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let clock = ManualClock::default();
//! let circuit = Circuit::builder("inventory", Duration::from_secs(1)).time(&clock).build()?;
//! // A client of a destination that answers 502.
//! let client = circuit.layer().layer(service_fn(async |_request: Request<()>| {
//!     let mut response = Response::new(Empty::<bytes::Bytes>::new());
//!     *response.status_mut() = StatusCode::BAD_GATEWAY;
//!     Ok::<_, Infallible>(response)
//! }));
//!
//! for _ in 0..5 {
//!     let response = client.clone().oneshot(Request::new(())).await?;
//!     assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
//! }
//! // Five failures in a row: the next call is refused, and does not reach the destination.
//! let error = client.clone().oneshot(Request::new(())).await.unwrap_err();
//! let refused = error.downcast_ref::<CircuitOpen>().expect("the circuit refused");
//! assert!(refused.retry_after() <= Some(Duration::from_secs(1)));
//! assert_eq!(circuit.state(), CircuitState::Open);
//!
//! // After that time a trial call passes. It fails, so the circuit opens for twice the time.
//! clock.advance(Duration::from_secs(1));
//! assert!(client.oneshot(Request::new(())).await.is_ok());
//! assert_eq!(circuit.state(), CircuitState::Open);
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! # }).unwrap();
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Semantics
//! 1. *Failed* is every [`Class`](crate::Class) that is a failure: 500, 502, 503, 504, 408, 429,
//!    connections that are refused or break, time-outs, and the gRPC status codes that mean the same.
//!    A rejected call (400, 404, 501) is a success: the destination answered. A call that another
//!    policy of this process shed shows nothing and is ignored.
//! 2. A call is *slow* if its response took `slow_after` or longer, whether or not it failed.
//! 3. A failed or slow call opens a closed circuit if the last outcomes were
//!    [`consecutive_failures`](CircuitBuilder::consecutive_failures), or if the window holds at least
//!    [`min_calls`](CircuitBuilder::min_calls) and the share of failed or slow calls reaches its
//!    rate. The three triggers work together. A successful call never opens a circuit.
//! 4. A throttled call (429, RESOURCE_EXHAUSTED) counts in the failure rate. It neither adds to the
//!    failures in a row nor ends them.
//! 5. The window is the last [`window`](CircuitBuilder::window) of time, in sixteenths: it ends up to
//!    a sixteenth early. A million successes before it do not delay the trip.
//! 6. An open circuit refuses calls with [`CircuitOpen`] until its wait is over. The wait doubles each
//!    time that the circuit opens again before it stayed closed for a whole ramp, and is at least the
//!    `Retry-After` (or `grpc-retry-pushback-ms`) of the failed calls, up to
//!    [`retry_after_at_most`](CircuitBuilder::retry_after_at_most). Up to a fifth of a hint is added
//!    to it, so that instances do not return together. A date in the past asks for no wait, and a
//!    value that is neither a number nor a date is ignored.
//! 7. The first call after the wait makes the circuit half-open. It passes at most
//!    [`trial_calls`](CircuitBuilder::trial_calls), including those in flight. It closes when
//!    [`trial_successes`](CircuitBuilder::trial_successes) of them have succeeded, and opens again as
//!    soon as they no longer can. A slow trial call has failed, unless the rate of slow calls is off.
//!    If all trial calls are in flight for `slow_after` and up to two seconds more, the next call
//!    opens the circuit.
//! 8. A circuit that has closed passes a growing share of the calls during its
//!    [`ramp`](CircuitBuilder::ramp).
//! 9. An outcome counts only if the circuit has not changed since the call started. The late result
//!    of a call from before the circuit opened does not decide about its trial.
//! 10. The head of a response decides, except in gRPC: a response with the media type
//!     `application/grpc` and no status in its head is decided by its trailers, and fails if it ends
//!     without them. A trial call also succeeds with its first message.
//!
//! # Sharing
//! The state belongs to the [`Circuit`]. Every layer made from it, every service made from a layer,
//! and every clone of these share it. [`Circuits`] have one for each key. A circuit is local to its
//! process: each instance finds out for itself.
//!
//! # Cancellation
//! A dropped call is an outcome. If it was pending for `slow_after`, it counts as failed and slow:
//! this is how a circuit opens when a destination hangs and an outer time-out drops the calls. A call
//! that was dropped earlier shows nothing about the destination. A dropped trial call returns its
//! permit. A caller that drops a gRPC response before its trailers has read enough: a success. If it
//! was still waiting for the first message, the response counts as a dropped call. So does a call
//! that an inner [`TimeoutLayer`](crate::TimeoutLayer) ended before its limit, because the request's
//! [`Deadline`](crate::Deadline) came first: callers in a hurry open no circuit.
//!
//! # Deployment caveats
//! - An outer time-out shorter than `slow_after` hides hung calls. Put the time-out of an attempt
//!   inside the breaker, as [the order of outgoing calls](crate) does, or set `slow_after` to at most
//!   that time-out.
//! - One circuit for several destinations opens for all of them. Use
//!   [`build_keyed`](CircuitBuilder::build_keyed).
//! - An open circuit is ready and refuses in `call`, so that a buffer or a balancer around it keeps
//!   working. Its error is [`CircuitOpen`] inside a [`BoxError`](crate::BoxError).
//! - The failure of a response body after its head is not counted, except in gRPC.
//!
//! # Where to put this layer
//! Around a client, inside retries and outside the bulkhead and the time-out of an attempt: every
//! attempt asks the circuit, and the circuit sees time-outs.

mod body;
mod builder;
mod circuit;
mod circuits;
mod error;
mod future;
mod layer;
mod machine;
mod permit;
mod rules;
mod service;
mod state;
#[cfg(test)]
mod tests;
mod window;

pub use self::{
    body::ResponseBody,
    builder::CircuitBuilder,
    circuit::{Circuit, CircuitSnapshot},
    circuits::Circuits,
    error::CircuitOpen,
    future::ResponseFuture,
    layer::CircuitBreakerLayer,
    permit::CircuitPermit,
    service::CircuitBreaker,
};
pub(crate) use self::{body::judge_head, future::failed, layer::Guard};
