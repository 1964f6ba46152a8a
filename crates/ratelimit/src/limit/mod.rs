//! Refuses requests over a quota.
//!
//! Protects a service from callers that ask for more than their share, by mistake, out of
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
//! let limiter = RateLimiter::builder().policy(policy).time(ManualClock::default()).build()?;
//! let service = limiter.layer()?.layer(service_fn(async |_request: Request<()>| {
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
//! 1. A request consumes one cell, or [`Policy::cost`](crate::Policy::cost), of its key's bucket,
//!    under every policy that applies to it.
//! 2. It consumes from all of them or from none: if one policy refuses, it costs nothing under the
//!    others.
//! 3. A refused request consumes nothing. A client that waits for `Retry-After` is admitted, if
//!    nothing else uses the same key meanwhile.
//! 4. Only admitted requests reach the inner service.
//! 5. A policy that [charges by the response](crate::Policy::charge_on) holds the cells while the
//!    request runs, then charges or releases them. Held cells do not replenish, so keeping a request
//!    open gains nothing. A dropped request, a failed service and a panic are charged.
//! 6. A [shadow](crate::Policy::shadow) counts, reports to the observer, and refuses nothing.
//! 7. A refusal is 429 with a problem of IANA's type `quota-exceeded` and the names of the violated
//!    policies. Where the service renders refusals for gRPC, the caller gets `RESOURCE_EXHAUSTED`
//!    with a `RetryInfo`.
//! 8. While a remote store does not decide, each policy's [`OnFailure`](crate::OnFailure) does.
//! 9. A decision keeps the policies it started with until it is settled, even if they are replaced
//!    meanwhile.
//! 10. Several limiters around one service add to each other: lists of header fields grow, and the
//!     old header fields describe the policy nearest to its bound. If an inner limiter refused, the
//!     fields of the outer ones describe that bound first, and agree with `Retry-After`.
//! 11. A limiter whose layers are around a request twice, for example around a router and around a
//!     part that is nested in it, charges the request once: each policy counts it where it first
//!     applies. The request's [`RequestContext`](hardpoint_core::RequestContext) remembers up to four
//!     such limiters, and requests that share a context are one request.
//!
//! # Sharing
//! Buckets belong to the limiter. Every layer made from it, every service made from a layer, and
//! every clone of these share them. A second [`RateLimiter`](crate::RateLimiter) has a state of its
//! own.
//!
//! # Cancellation
//! In this process the decision is made inside `call`: a future that is dropped has consumed. With a
//! remote store, a future that is dropped before the answer may have consumed. A request that is
//! dropped before its response was judged is charged.
//!
//! # Deployment caveats
//! - Behind a proxy the peer's address is the proxy's. Give
//!   [`key::client_network`](crate::key::client_network) a resolver that trusts the proxy, or all
//!   clients share one bucket.
//! - State in this process starts full when the process does, and counts only for this process:
//!   behind a balancer over `n` processes, a client gets up to `n` times the quota. State that must
//!   survive a restart belongs in a [`RemoteStore`](crate::RemoteStore), which needs a deadline:
//!   requests wait for its decision.
//! - axum's `Router::layer` covers the routes and the fallback that were added before it. Routes
//!   that are added, merged or nested afterwards are not limited.
//!
//! # Where to put this layer
//! [`RateLimitLayer`] goes outside authentication, so that a flood costs no cryptography.
//! [`SubjectRateLimitLayer`] goes inside it, where the caller is known.

mod body;
mod future;
mod layer;
mod service;

pub use self::{
    body::ResponseBody,
    future::ResponseFuture,
    layer::{RateLimitLayer, SubjectRateLimitLayer},
    service::RateLimit,
};
