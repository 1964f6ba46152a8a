//! Rate limiting: a token bucket for each key, in bounded memory, as a tower layer or called
//! directly.
//!
//! It does *not* limit how many requests run at the same time (a bulkhead does), nor decide who a
//! client is behind a proxy (a [`ClientResolver`](hardpoint_core::ClientResolver) does).
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
//! A handler that is behind axum needs the peer's address: turn on the feature `axum` and serve with
//! `into_make_service_with_connect_info::<SocketAddr>()`. A hyper service inserts
//! [`Peer`](hardpoint_core::Peer) into each request.
//!
//! # Concepts
//!
//! | concept | types |
//! |---|---|
//! | how much | [`Quota`] |
//! | what is counted, and under which name | [`Policy`], [`key`], [`filter`], [`OnMissingKey`] |
//! | the arithmetic, for whoever wants to check it | [`gcra`] |
//! | the middleware | [`RateLimitLayer`], [`Headers`]: [`limit`] |
//! | without a request: jobs, messages | [`RateLimiter::check`], [`RateLimiter::reserve`] |
//! | where the state lies | [`Store`], [`MemoryStore`], [`Either`] |
//!
//! # Features
//!
//! | name | adds | default |
//! |---|---|---|
//! | `axum` | the peer's address from axum's `ConnectInfo`, the route from its `MatchedPath` | no |
//! | `governor` | a store over governor's limiters: the module `governor` | no |
//!
//! The minimum supported Rust version is 1.95.

mod clock;
mod error;
pub mod filter;
pub mod gcra;
#[cfg(feature = "governor")]
pub mod governor;
mod headers;
pub mod key;
pub mod limit;
mod limiter;
mod policy;
mod quota;
mod rejection;
mod request;
mod store;

pub use self::{
    clock::CounterClock,
    error::ConfigError,
    headers::{Draft, Headers, LegacyReset},
    limit::{RateLimit, RateLimitLayer, ResponseFuture},
    limiter::{Builder, Check, CheckError, OnFailure, RateLimiter, Reservation, Reserved},
    policy::{OnMissingKey, Policy, ResponseHead},
    quota::{ParseQuotaError, Quota},
    rejection::{KeyAbsent, LimiterUnavailable, RateLimited},
    store::{
        Batch, BatchFull, Digest, Either, EitherPending, Entry, MemoryStore, Mode, NeverPending,
        SnapshotError, Store, StoreError, StoreErrorKind, Verdict, Verdicts,
    },
};
