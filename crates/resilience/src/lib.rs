//! Outgoing calls that cannot take the service down: deadlines, retry with a budget, circuit
//! breaker and bulkhead, as tower layers around any HTTP client.
//!
//! The crate does *not* include an HTTP client, does not balance load over several endpoints, and
//! does not limit the rate of calls.
//!
//! The minimum supported Rust version is 1.95.

mod backoff;
mod budget;
mod classify;
mod error;
mod jitter;
mod retry_after;

pub use self::{
    backoff::{Backoff, Spread},
    budget::{RetryBudget, Withdrawal},
    classify::{Class, Classifier},
    error::{BoxError, ConfigError, Mistake},
    jitter::Jitter,
    retry_after::RetryHint,
};
