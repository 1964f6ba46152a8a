//! Lockout: limits on log-in attempts that an attacker can neither outrun nor use to lock out the
//! owner.
//!
//! A password that users choose falls to a few thousand guesses, so guesses must be few. A lockout
//! that counts failures *after* the check lets parallel guesses through, and one that locks the
//! account lets an attacker lock out its owner. [`LoginGuard`] counts an attempt before its
//! password is checked, and gives each device on which the owner has logged in its own count.
//!
//! ```
//! use hardpoint_auth::{
//!     lockout::{AttemptStore, LockoutError, LoginClient, LoginGuard},
//!     session::RootSecret,
//! };
//! use hardpoint_core::Secret;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let root = RootSecret::new(Secret::from(&[7; 32][..]))?; // HARDPOINT_ROOT_SECRET
//! let guard = LoginGuard::builder(AttemptStore::memory(), &root).build()?;
//!
//! // The owner logs in once: LoginClient::from_parts(&parts) in a handler.
//! let stranger = LoginClient::new().address("203.0.113.9".parse()?);
//! let attempt = guard.reserve("alice@example.org", &stranger).await?;
//! // .. the password is checked, and is right ..
//! let cookie = attempt.succeeded().ok_or("no random bytes")?;
//! let set_cookie = cookie.header(); // add it to the response
//!
//! // An attacker guesses: five failures cause a delay.
//! for _ in 0..5 {
//!     guard.reserve("alice@example.org", &stranger).await?.failed();
//! }
//! let refused = guard.reserve("alice@example.org", &stranger).await;
//! assert!(matches!(refused, Err(LockoutError::TooManyAttempts { .. })));
//!
//! // The owner's browser sends its cookie, and gets in.
//! let mut headers = http::HeaderMap::new();
//! let pair = set_cookie.to_str()?.split(';').next().unwrap_or_default();
//! headers.insert("cookie", pair.parse()?);
//! let owner = LoginClient::new().cookies(&headers);
//! let attempt = guard.reserve("alice@example.org", &owner).await?;
//! assert!(attempt.is_known_device());
//! # attempt.failed();
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. An attempt is *reserved* before the password is checked and *settled* afterwards. Until then it
//!    counts as a failure, so of any number of parallel guesses only those within the limit are
//!    checked. An attempt that is dropped counts as failed.
//! 2. An unknown device needs room in three lanes, or is counted in none: that of the account (5
//!    attempts, then a delay that doubles from 1 s to 15 minutes, and a hard stop after 100 failures
//!    in a row), that of the client's network, and that of all unknown devices.
//! 3. A log-in makes the device known, by a cookie that is bound to the account. A known device has a
//!    lane of its own, so neither a locked account nor a flood keeps it out. After 10 failures in a
//!    row it counts as unknown, and so do all known devices of an account after 100 failures in a row
//!    of all of them: a new password voids no cookie, and a thief of the old one may have many.
//! 4. A success forgets the failures of its own lane only: neither does an attacker who logs in to an
//!    own account get new guesses on the others, nor does the owner's log-in on a known device give
//!    strangers new guesses.
//! 5. Unknown accounts are counted as known ones, and all refusals have the same text.
//! 6. After the hard stop only a known device logs in, until [`LoginGuard::unlock`] is called: by an
//!    operator, or because the owner used a one-time token that was sent to it.
//!
//! # Sharing
//! All clones of a [`LoginGuard`] and of an [`AttemptStore`] share the counts. With
//! [`AttemptStore::memory`] they belong to this process and end with it. With the feature `redis`
//! instances share them on a server: `lockout::redis`.
//!
//! # Cancellation
//! A reserved attempt that is dropped is settled as failed. An instance that dies leaves its attempts
//! open, and after a minute they are failures.
//!
//! # Deployment caveats
//! - A client's network is derived from the address that a trusted proxy reports. With a wrong list
//!   of trusted proxies, all clients share one network.
//! - Behind carrier-grade NAT many users share a network. Its lane counts failures only.
//! - A device cookie is sent over https and to `localhost` only.
//! - While a remote store does not answer, [`OnFailure`] decides.

mod attempt;
mod builder;
mod client;
mod device;
mod error;
mod failure;
mod guard;
mod lane;
mod limits;
mod memory;
#[cfg(feature = "redis")]
pub mod redis;
mod store;

#[cfg(test)]
mod tests;

pub use self::{
    attempt::Attempt,
    builder::LoginGuardBuilder,
    client::LoginClient,
    device::DeviceCookie,
    error::LockoutError,
    guard::LoginGuard,
    lane::{Full, LaneLimits, LaneState, Settled},
    limits::{Denied, Lanes, Limits, Ticket},
    store::{AttemptStore, Attempter, RemoteAttempts},
};
pub use crate::rate::{Pace, Rate};
pub use hardpoint_core::OnFailure;
