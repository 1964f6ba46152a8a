//! All policies for calls to a destination, in the right order.
//!
//! Each policy covers a failure of the others: a retry without a budget keeps a destination down, a
//! timeout outside of the circuit breaker is invisible to it, a bulkhead outside of the retry holds
//! its permit through every delay.
//!
//! ```
//! use bytes::Bytes;
//! use hardpoint_resilience::{CircuitOpen, ClientPolicy, retry::ReplayBody};
//! use http::{Request, Response, StatusCode};
//! use http_body_util::{Empty, Full};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let policy = ClientPolicy::internal("inventory").build()?;
//!
//! // Any tower service of HTTP: hyper-util's client, tonic's channel.
//! let client = service_fn(|request: Request<ReplayBody<Full<Bytes>>>| async move {
//!     let mut response = Response::new(Empty::<Bytes>::new());
//!     if request.uri().path() == "/down" {
//!         *response.status_mut() = StatusCode::BAD_GATEWAY;
//!     }
//!     Ok::<_, std::io::Error>(response)
//! });
//! let client = policy.layer().layer(client);
//! let get = |path: &str| Request::get(path).body(Full::<Bytes>::default());
//!
//! let response = client.clone().oneshot(get("/items")?).await?;
//! assert_eq!(response.status(), StatusCode::OK);
//!
//! // Five failures in a row open the circuit: from then on calls fail at once.
//! for _ in 0..5 {
//!     let _failed = client.clone().oneshot(get("/down")?).await;
//! }
//! let error = client.oneshot(get("/items")?).await.unwrap_err();
//! assert!(error.is::<CircuitOpen>());
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! A call passes these policies, outermost first. The page of each has its rules.
//!
//! 1. The [deadline](ClientPolicyBuilder::deadline) of the whole call, or that of the incoming
//!    request that it belongs to, if that is earlier: [`timeout`](crate::timeout).
//! 2. [`retry`](crate::retry), paid by a budget.
//! 3. A [`hedge`](crate::hedge) beside a slow first attempt, if it is
//!    [turned on](ClientPolicyBuilder::hedge).
//! 4. For each attempt the [circuit breaker](crate::circuit_breaker), which sees every attempt, and
//!    refuses the retry of a call whose destination has failed meanwhile.
//! 5. The [`bulkhead`](crate::bulkhead), which holds a permit during a retry's delay only while it
//!    reads the failed body.
//! 6. The [attempt's timeout](ClientPolicyBuilder::attempt_timeout), inside of the circuit breaker,
//!    which counts it as a failure, unless the deadline ended the attempt earlier.
//! 7. [Propagation](ClientPolicyBuilder::propagate) of the time that is left.
//!
//! The error is that of the policy which ended the call ([`TimedOut`](crate::TimedOut),
//! [`CircuitOpen`](crate::CircuitOpen), [`BulkheadFull`](crate::BulkheadFull)) or that of the inner
//! service, unchanged.
//!
//! # Sharing
//! A policy is one state: all its layers, their services and clones share the circuit, the permits
//! and the budget. One policy for several destinations needs [`by`](ClientPolicyBuilder::by), which
//! gives each its own.
//!
//! # Cancellation
//! Dropping the future ends the attempts, returns their permits, refunds a retry or hedge that was
//! not sent, and counts as a failure of the destination if an attempt took longer than
//! [`slow_after`](ClientPolicyBuilder::slow_after).
//!
//! # Deployment caveats
//! - Call it inside a tokio runtime: delays and timeouts use its timer.
//! - Each process decides by what it sees itself.
//! - The deadline covers the time until the head of the response. The permit is held to the end of
//!   the body.
//!
//! # Where to put this layer
//! Directly around the client. Layers that add credentials or trace headers belong outside, so that
//! each attempt carries them; [`RefreshOn401Layer`](crate::RefreshOn401Layer) belongs outside too.

mod attempt;
mod attempts;
mod builder;
mod future;
mod policy;
mod service;

pub use self::{
    builder::ClientPolicyBuilder,
    future::{ResponseBody, ResponseFuture},
    policy::{ClientPolicy, ClientPolicyLayer},
    service::GuardedClient,
};
