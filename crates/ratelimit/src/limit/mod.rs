//! Refuses requests over a quota.
//!
//! Protects a service from callers that ask for more than their share, whether by mistake, in
//! impatience, or to guess passwords.
//!
//! # Example
//! ```
//! use hardpoint_core::ManualClock;
//! use hardpoint_ratelimit::{Policy, Quota, RateLimiter, key};
//! use http::{Request, Response, StatusCode, header::RETRY_AFTER};
//! use http_body_util::Empty;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let quota = Quota::per_minute(2);
//! let policy = Policy::new("tenant", quota, key::header("x-tenant".parse()?));
//! let limiter = RateLimiter::builder().policy(policy).build_with_clock(ManualClock::default())?;
//! let service = limiter.layer().layer(service_fn(async |_request: Request<()>| {
//!     Ok::<_, std::convert::Infallible>(Response::new(Empty::<bytes::Bytes>::new()))
//! }));
//!
//! for expected in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
//!     let request = Request::builder().header("x-tenant", "acme").body(())?;
//!     let response = service.clone().oneshot(request).await?;
//!     assert_eq!(response.status(), expected);
//!     if expected == StatusCode::TOO_MANY_REQUESTS {
//!         assert_eq!(response.headers()[RETRY_AFTER], "30");
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Semantics
//! 1. A request consumes a cell, or as many as [`Policy::cost`](crate::Policy::cost) says, of the
//!    bucket of its key, under every policy that applies to it.
//! 2. It consumes from all of them or from none: what one refuses costs nothing under the others.
//! 3. A refused request consumes nothing. Whoever waits as long as `Retry-After` says is let in, if
//!    nobody else uses the same key meanwhile.
//! 4. The inner service is called only for requests that were let in.
//! 5. What a policy [charges by the response](crate::Policy::charge_on) is taken before and given
//!    back after, but for what time has replenished in between: holding cells gains nothing.
//! 6. A [shadow](crate::Policy::shadow) counts, tells the observer, and refuses nothing.
//! 7. A refusal is 429 with a problem of IANA's type `quota-exceeded` and the names of the violated
//!    policies; a gRPC caller gets `RESOURCE_EXHAUSTED` with a `RetryInfo`.
//! 8. What happens while the store cannot decide is the limiter's [`OnFailure`](crate::OnFailure).
//! 9. Several limiters around one service add to each other: lists of headers grow, the old headers
//!    and the decision in the request's context tell what is nearest to its bound.
//!
//! # Sharing
//! Buckets belong to the limiter. Every layer made from it, every service made from a layer, and
//! every clone of these share them. A second [`RateLimiter`](crate::RateLimiter) counts for itself.
//!
//! # Cancellation
//! With a store in memory the decision is made inside `call`: a future that is dropped has consumed.
//! With a remote store, dropping the future before the answer leaves open whether it has. A request
//! that is dropped before its response was judged has been charged.
//!
//! # Deployment caveats
//! Behind a proxy the peer's address is the proxy's: give
//! [`key::client_network`](crate::key::client_network) a resolver that trusts it, or all clients
//! share one bucket. A store in memory counts for its own process, and starts full when the process
//! does, unless it is [restored](crate::MemoryStore::restore). A remote store needs a deadline of its
//! own: requests wait for its decision, and responses for cells to be given back.
//!
//! # Where to put this layer
//! By address: outside authentication, so that no cryptography runs for a flood. By subject: inside
//! it.

mod future;
mod layer;
mod service;

pub use self::{future::ResponseFuture, layer::RateLimitLayer, service::RateLimit};
