//! Passwords: chosen by NIST's rules, and hashed with Argon2id within a bound on memory, time and waiting.
//!
//! Protects accounts when their store leaks, and the service from a flood of log-ins: each hash takes
//! megabytes and milliseconds, so an unbounded number of them at once is the cheapest way to bring a
//! service down, and a queue in order of arrival lets a few clients keep everybody else out.
//!
//! # Example
//! ```
//! use hardpoint_auth::password::{PasswordClient, PasswordError, PasswordHasher, PasswordPolicy};
//! use hardpoint_core::{Key, Secret};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let policy = PasswordPolicy::default().add_word("hardpoint");
//! let passwords = PasswordHasher::new();
//! // In a handler: PasswordClient::from_parts(&parts)
//! let client = PasswordClient::new(&Key::address("203.0.113.9".parse()?));
//!
//! let chosen = Secret::from("correct horse battery staple");
//! policy.check(&chosen, &["alice@example.org"])?;
//! let stored = passwords.hash(client, chosen).await?;
//!
//! let typed = Secret::from("correct horse battery staple");
//! let verified = passwords.verify(client, Some(&stored), typed).await?;
//! assert!(verified.replacement().is_none(), "the parameters are still the same");
//! let wrong = passwords.verify(client, Some(&stored), Secret::from("wrong")).await;
//! assert_eq!(wrong.unwrap_err(), PasswordError::Mismatch);
//! // No such account: the answer takes as long and is the same.
//! let unknown = passwords.verify(client, None, Secret::from("wrong")).await;
//! assert_eq!(unknown.unwrap_err(), PasswordError::Mismatch);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Semantics
//! 1. The hasher runs at most one hash per arena, with one arena for each core by default. An arena
//!    is the memory of one hash. It grows to the largest stored hash, at most to the
//!    [`StoredCeiling`], and is wiped after each hash and reused. So the arenas take at most
//!    `arenas × ceiling`, and without larger stored hashes `arenas × profile`.
//! 2. Further callers wait. Clients take turns, so a caller waits for one hash of each other
//!    client, however many callers the others have. Known devices wait in a queue of their own,
//!    which gets every second turn.
//! 3. The queue is bounded in number, for each client, and in time. A full one refuses the client that
//!    fills it, with 503 and `Retry-After`: the password may be correct.
//! 4. Every verification does the same work, for an account with any stored hash and for none: one
//!    hash of each kind that is stored ([`PasswordHasherBuilder::add_stored`]). The replacement of an
//!    outdated hash takes longer, after the password was right.
//! 5. A stored hash is checked before any work is done for it: parameters above the ceiling are an error,
//!    and so is a pepper that is missing.
//!    The first one is a warning in the log, which names the pepper.
//! 6. The [observer](PasswordHasherBuilder::telemetry) gets each result: hashed, matched, mismatched, shed,
//!    or failed.
//!
//! # Sharing
//! Clones of a hasher share its memory and its queue. A second hasher doubles the bounds.
//!
//! # Cancellation
//! A caller that drops its future while it waits leaves the queue. A running hash cannot be stopped: its
//! turn and its memory stay in use until it is done.
//!
//! # Deployment caveats
//! Behind a proxy that is not trusted, all users are one client. Each instance has a queue of its
//! own. A lost pepper cannot be replaced: no password verifies without it.

mod arena;
mod builder;
mod ceiling;
mod client;
mod engine;
mod error;
mod hash;
mod hasher;
#[cfg(feature = "imported-hashes")]
mod imported;
#[cfg(not(feature = "imported-hashes"))]
#[path = "imported/off.rs"]
mod imported;
mod keycloak;
mod normal;
mod pepper;
mod policy;
mod profile;
mod queue;
mod turns;
mod work;

#[cfg(test)]
mod tests;

pub use self::{
    builder::PasswordHasherBuilder,
    ceiling::StoredCeiling,
    client::PasswordClient,
    error::PasswordError,
    hash::{ParseHashError, PasswordHash},
    hasher::{PasswordHasher, VerifiedPassword},
    normal::Normalization,
    pepper::{PepperError, PepperId, PepperRing},
    policy::{PasswordList, PasswordListError, PasswordPolicy, WeakPassword},
    profile::{Argon2Profile, ParseProfileError},
};
