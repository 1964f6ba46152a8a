//! Outgoing calls that cannot take the service down: deadlines, retry with a budget, circuit
//! breaker and bulkhead, as tower layers around any HTTP client.
//!
//! The crate does *not* include an HTTP client, does not balance load over several endpoints, and
//! does not limit the rate of calls.
//!
//! The minimum supported Rust version is 1.95.

mod classify;
mod error;
mod jitter;

pub use self::{
    classify::{Class, Classifier},
    error::{BoxError, ConfigError, Mistake},
    jitter::Jitter,
};
