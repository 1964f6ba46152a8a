//! Passwords: hashed with Argon2id within a bound on memory, time and waiting.
//!
//! Protects accounts when their store leaks, and the service from a flood of log-ins: each hash takes
//! megabytes and milliseconds, so an unbounded number of them at once is the cheapest way to bring a
//! service down.
//!
//! # Example
//! ```
//! use hardpoint_auth::{PasswordHasher, PasswordPolicy};
//! use hardpoint_core::Secret;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let passwords = PasswordHasher::new();
//! let chosen = Secret::from("correct horse battery staple");
//! PasswordPolicy::default().check(&chosen)?;
//! let stored = passwords.hash(chosen).await?;
//!
//! assert!(passwords.verify(Some(&stored), Secret::from("correct horse battery staple")).await?);
//! assert!(!passwords.verify(Some(&stored), Secret::from("wrong")).await?);
//! // No such account: the answer takes as long and is the same.
//! assert!(!passwords.verify(None, Secret::from("wrong")).await?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Semantics
//! 1. As many hashes run at once as there are cores, each in 19 MiB that are kept for the next one. A
//!    stored hash with larger parameters gets the memory that it demands, up to the ceiling of 64 MiB,
//!    and returns it: the most is `64 MiB × hashes at once`.
//! 2. Further callers queue in order of arrival, within a bound in number and in time. Beyond it they
//!    are refused with 503, and the password may be correct.
//! 3. A stored hash is checked before any work is done for it: parameters above the ceiling are an
//!    error, so an attacker who can write to the store cannot exhaust the service.
//! 4. The [observer](PasswordHasher::telemetry) gets each result: hashed, matched, mismatched, or shed.
//!
//! # Sharing
//! Clones of a hasher share its memory and its queue. A second hasher doubles the bound.
//!
//! # Cancellation
//! A caller that drops its future while it waits leaves the queue. A running hash cannot be stopped: its
//! memory stays in use until it is done.

mod error;
mod hash;
mod hasher;
mod policy;

#[cfg(test)]
mod tests;

pub use self::{
    error::PasswordError,
    hash::{ParseHashError, PasswordHash},
    hasher::PasswordHasher,
    policy::{PasswordPolicy, WeakPassword},
};
