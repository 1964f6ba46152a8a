//! Outgoing calls that cannot take the service down: deadlines, retry with a budget, circuit
//! breaker and bulkhead, as tower layers around any HTTP client.
//!
//! The crate does *not* include an HTTP client, does not balance load over several endpoints, and
//! does not limit the rate of calls.
//!
//! The minimum supported Rust version is 1.95.

mod backoff;
mod budget;
pub mod bulkhead;
pub mod circuit_breaker;
mod classify;
pub mod client_policy;
pub mod deadline;
mod error;
mod jitter;
pub mod key;
mod keyed;
pub mod refresh;
pub mod retry;
mod retry_after;
mod sleep;
mod sync;
pub mod timeout;

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
    jitter::Jitter,
    refresh::{RefreshFailed, RefreshOn401Layer},
    retry::{RetryBuilder, RetryLayer, RetryTable, RetryWhen},
    retry_after::RetryHint,
    timeout::{TimedOut, TimeoutLayer},
};
