//! Rate limiting: a token bucket for each key, in bounded memory or in a remote store, as a tower
//! layer or called directly.
//!
//! It does *not* limit how many requests run at the same time (a bulkhead does), and does not find
//! the client behind a proxy (a [`ClientResolver`](hardpoint_core::ClientResolver) does).
//!
//! # Quick start
//!
//! ```
//! use hardpoint_core::ClientResolver;
//! use hardpoint_ratelimit::{Policy, Quota, RateLimitLayer, key};
//!
//! // 20 requests a second for each client address, up to 40 at once.
//! let policy = Policy::new(
//!     "client",
//!     Quota::per_second(20).burst(40),
//!     key::client_network(ClientResolver::direct()),
//! );
//! let layer = RateLimitLayer::new(policy)?;
//! // Router::new().route(..).layer(layer), or ServiceBuilder::new().layer(layer).service(..)
//! # let _ = layer;
//! # Ok::<(), hardpoint_ratelimit::ConfigError>(())
//! ```
//!
//! A service behind axum turns on the feature `axum` and serves with
//! `into_make_service_with_connect_info::<SocketAddr>()`, which supplies the peer's address. A hyper
//! service inserts [`Peer`](hardpoint_core::Peer) into each request.
//!
//! # Concepts
//!
//! | concept | types |
//! |---|---|
//! | how much | [`Quota`] |
//! | what is counted, and by what | [`Policy`], [`key`], [`filter`], [`OnMissingKey`], [`ResponseHead`] |
//! | the arithmetic | [`gcra`] |
//! | the middleware | [`RateLimitLayer`], [`SubjectRateLimitLayer`], [`Headers`]: [`limit`] |
//! | without a request: jobs, messages | [`PolicyHandle`], [`Reservation`], [`Denied`] |
//! | where the state is kept | this process, `redis::RedisStore`, or another [`RemoteStore`]; [`OnFailure`] |
//!
//! # Features
//!
//! | name | adds | default |
//! |---|---|---|
//! | `axum` | the peer and the route that axum stores in requests | no |
//! | `redis` | the module `redis`: limits that instances share through Redis or Valkey | no |
//! | `serde` | deserialization of [`Quota`], for limits in a configuration file | no |
//!
//! The minimum supported Rust version is 1.95.

mod clock;
mod error;
mod failure;
pub mod filter;
pub mod gcra;
mod headers;
pub mod key;
pub mod limit;
mod limiter;
mod policy;
mod quota;
#[cfg(feature = "redis")]
pub mod redis;
mod rejection;
mod response;
mod store;

pub use self::{
    error::ConfigError,
    headers::{Draft, Headers, LegacyReset},
    limit::{RateLimit, RateLimitLayer, ResponseBody, ResponseFuture, SubjectRateLimitLayer},
    limiter::{Admitted, Denied, PolicyHandle, RateLimiter, RateLimiterBuilder, Reservation},
    policy::{OnMissingKey, Policy},
    quota::{ParseQuotaError, Quota},
    rejection::RateLimited,
    response::ResponseHead,
    store::{
        Batch, BoxFuture, Decided, Digest, Entry, EntryMode, Receipt, RemoteStore, Settled,
        Settlement, Verdicts,
    },
};
#[doc(no_inline)]
pub use hardpoint_core::event::{Decider, StoreErrorKind};
pub use hardpoint_core::{OnFailure, StoreError};
