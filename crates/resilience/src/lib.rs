//! Outgoing calls that cannot take the service down: deadlines, retry with a budget, hedges,
//! circuit breaker and bulkhead, as tower layers around any HTTP client.
//!
//! The crate does *not* include an HTTP client, does not balance load over several endpoints, and
//! does not limit the rate of calls.
//!
//! # Quick start
//!
//! [`ClientPolicy`] combines all policies in the right order:
//!
//! ```
//! use hardpoint_resilience::ClientPolicy;
//! use std::time::Duration;
//!
//! let policy = ClientPolicy::external_api("payments")
//!     .deadline(Duration::from_secs(10))
//!     .attempt_timeout(Duration::from_secs(3))
//!     .max_concurrent(50)
//!     .build()?;
//! let layer = policy.layer();
//! // layer.layer(client), for hyper-util's client or any other tower service of HTTP
//! # let _ = layer;
//! # Ok::<(), hardpoint_resilience::ConfigError>(())
//! ```
//!
//! # Concepts
//!
//! | concept | module | types |
//! |---|---|---|
//! | all policies together | [`client_policy`] | [`ClientPolicy`], [`ClientPolicyLayer`] |
//! | how a call ended | | [`Class`], [`Classifier`] |
//! | failed calls are retried | [`retry`] | [`RetryLayer`], [`RetryTable`], [`RetryBudget`], [`Backoff`], [`RetryHint`] |
//! | a second attempt beside a slow one | [`hedge`] | [`HedgeLayer`] |
//! | calls to a destination that fails are refused | [`circuit_breaker`] | [`CircuitBreakerLayer`], [`Circuit`] |
//! | calls in flight are bounded | [`bulkhead`] | [`BulkheadLayer`], [`ConcurrencyLimit`] |
//! | calls end in time | [`timeout`] | [`TimeoutLayer`], [`Deadline`] |
//! | the server's requests end in time | [`deadline`] | [`DeadlineLayer`], [`DeadlineHeader`] |
//! | a failed call gets a substitute response | [`fallback`] | [`FallbackLayer`] |
//! | a failed call gets its last good response | [`stale`] | [`StaleLayer`], [`StaleCopies`] |
//! | credentials are replaced when they expire | [`refresh`] | [`RefreshOn401Layer`] |
//!
//! The error of every client layer is a [`BoxError`]: the inner service's error, or one of
//! [`TimedOut`], [`CircuitOpen`], [`BulkheadFull`] and [`RefreshFailed`].
//!
//! # Features
//!
//! | name | adds | default |
//! |---|---|---|
//! | `chaos` | fault injection for an application's tests: module `chaos` | no |
//!
//! The minimum supported Rust version is 1.95.

mod backoff;
mod budget;
pub mod bulkhead;
#[cfg(feature = "chaos")]
pub mod chaos;
pub mod circuit_breaker;
mod classify;
pub mod client_policy;
pub mod deadline;
mod error;
pub mod fallback;
pub mod hedge;
mod jitter;
pub mod key;
mod keyed;
pub mod refresh;
pub mod retry;
mod retry_after;
mod sleep;
pub mod stale;
mod sync;
mod tally;
pub mod timeout;

#[cfg(feature = "chaos")]
pub use self::chaos::ChaosLayer;
pub use self::{
    backoff::{Backoff, Spread},
    budget::{RetryBudget, Withdrawal},
    bulkhead::{
        Bulkhead, BulkheadFull, BulkheadLayer, ConcurrencyLimit, ConcurrencyLimitBuilder,
        ConcurrencyLimits, ConcurrencyPermit, ConcurrencySnapshot,
    },
    circuit_breaker::{
        Circuit, CircuitBreaker, CircuitBreakerLayer, CircuitBuilder, CircuitOpen, CircuitPermit,
        CircuitSnapshot, Circuits,
    },
    classify::{Class, Classifier},
    client_policy::{ClientPolicy, ClientPolicyBuilder, ClientPolicyLayer},
    deadline::{Deadline, DeadlineExceeded, DeadlineHeader, DeadlineLayer},
    error::{BoxError, ConfigError, Mistake},
    fallback::FallbackLayer,
    hedge::{HedgeBuilder, HedgeLayer},
    jitter::Jitter,
    refresh::{RefreshFailed, RefreshOn401Layer},
    retry::{RetryBuilder, RetryLayer, RetryTable, RetryWhen},
    retry_after::RetryHint,
    stale::{StaleCopies, StaleCopiesBuilder, StaleLayer},
    timeout::{TimedOut, TimeoutLayer},
};
