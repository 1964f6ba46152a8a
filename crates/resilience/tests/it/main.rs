//! The policies as their users meet them.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod alloc;
mod bulkhead;
#[cfg(feature = "chaos")]
mod chaos;
mod circuit_breaker;
mod client_policy;
mod contract;
mod deadline;
mod faults;
mod hedge;
mod refresh;
mod retry;
mod stale;
mod support;
mod timeout;
