//! Passwords: hashed with Argon2id within a bound on memory, time and waiting.
//!
//! Protects accounts when their store leaks, and the service from being drowned in log-ins: each
//! hash takes many megabytes and milliseconds, so an unbounded number of them at once is the
//! cheapest way to bring a service down.
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
//! // Nobody has this account: the answer takes as long and is the same.
//! assert!(!passwords.verify(None, Secret::from("wrong")).await?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Semantics
//! 1. As many hashes run at once as there are cores, each in 19 MiB that are kept from one to the
//!    next. A stored hash with larger parameters than ours gets the memory that it asks for, up to
//!    the ceiling of 64 MiB, and gives it back: the most is `64 MiB × hashes at once`.
//! 2. Beyond that, callers queue, first come first served, up to a bound in number and in time. Who
//!    does not fit is turned away with 503: that is no statement about the password.
//! 3. A stored hash is checked before any work is done for it: one whose parameters are above the
//!    ceiling is an error, so that whoever can write to the store cannot exhaust the service.
//! 4. An observer is told of each answer: `hashed`, `matched`, `mismatched`, or `shed`.
//!
//! # Sharing
//! Clones of a hasher share its memory and its queue. A second hasher doubles the bound.
//!
//! # Cancellation
//! A caller that goes away while it waits leaves the queue. A hash that has begun cannot be stopped:
//! its memory stays taken until it is done, whether or not anybody waits.

mod error;
mod hash;
mod hasher;
mod policy;

#[cfg(test)]
mod tests;

pub use self::{
    error::{PasswordError, PasswordErrorKind},
    hash::{ParseHashError, PasswordHash},
    hasher::PasswordHasher,
    policy::{PasswordPolicy, WeakPassword},
};
