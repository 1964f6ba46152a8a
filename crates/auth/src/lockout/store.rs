//! Where attempts are counted.

use std::{net::IpAddr, sync::Arc};

use super::{Denied, Limits, Settled, Ticket, memory::MemoryAttempts};
use crate::{
    InMemory,
    store::{BoxFuture, StoreError},
};

/// Where attempts are counted: in the memory of this process, or in a store that several instances
/// share. Clones share the counts.
#[derive(Clone, Debug)]
pub struct AttemptStore {
    pub(super) kept: Kept,
}

#[derive(Clone)]
pub(super) enum Kept {
    Memory(Arc<MemoryAttempts>),
    Remote(Arc<dyn RemoteAttempts>),
}

debug_only!(Kept {});

impl AttemptStore {
    /// Counts in the memory of this process, with the default bounds and the system's clocks
    /// ([`InMemory`]). A restart forgets all counts.
    ///
    /// The tables have a fixed size. A full bucket forgets a lane whose failures are forgotten anyway, or
    /// else the lane with the fewest failures. To make the store forget an account, an attacker has to
    /// fail more often than that account did, on about as many accounts as the table has room for.
    #[must_use]
    pub fn memory() -> Self {
        InMemory::new().into()
    }

    /// Counts in a remote store.
    #[must_use]
    pub fn remote(store: Arc<dyn RemoteAttempts>) -> Self {
        Self { kept: Kept::Remote(store) }
    }

    /// Counts an attempt: see [`RemoteAttempts::reserve`]. A service calls
    /// [`LoginGuard::reserve`](super::LoginGuard::reserve) instead, which settles it too.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    pub async fn reserve(
        &self,
        by: Attempter<'_>,
        limits: &Limits,
        jitter: u16,
    ) -> Result<Result<Ticket, Denied>, StoreError> {
        match &self.kept {
            Kept::Memory(attempts) => Ok(attempts.reserve(by, limits, jitter)),
            Kept::Remote(store) => store.reserve(by, limits, jitter).await,
        }
    }

    /// Settles an attempt: see [`RemoteAttempts::settle`].
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    pub async fn settle(
        &self,
        by: Attempter<'_>,
        limits: &Limits,
        ticket: Ticket,
        settled: Settled,
    ) -> Result<(), StoreError> {
        match &self.kept {
            Kept::Memory(attempts) => {
                attempts.settle(by, limits, ticket, settled);
                Ok(())
            }
            Kept::Remote(store) => store.settle(by, limits, ticket, settled).await,
        }
    }

    /// Forgets the attempts of an account: see [`RemoteAttempts::unlock`].
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    pub async fn unlock(&self, account: &str) -> Result<bool, StoreError> {
        match &self.kept {
            Kept::Memory(attempts) => Ok(attempts.unlock(account)),
            Kept::Remote(store) => store.unlock(account).await,
        }
    }
}

/// The account, the device and the network of an attempt.
#[derive(Clone, Copy)]
pub struct Attempter<'a> {
    /// The account, in one spelling. It need not exist.
    pub account: &'a str,
    /// The id of a known device of this account.
    pub device: Option<&'a [u8; 16]>,
    /// The client's network.
    pub network: Option<IpAddr>,
}

debug_only!(Attempter<'_> {});

/// Counts attempts outside of this process, so that several instances share the counts.
///
/// # Semantics
/// 1. Each method is one atomic step of the store, which decides as [`Lanes`](super::Lanes) does,
///    by its own clock.
/// 2. A method submits its command before it returns. The future only carries the answer, so
///    dropping it never loses a command.
/// 3. Account, device and network are digested before they become parts of keys.
/// 4. A lane that reached its hard stop is kept for at least 90 days after its last attempt. All other
///    state may be dropped once the passing of time makes it equal to that of a new key.
/// 5. The suite in `tests/it/lockout` of this crate checks a store against the pure model.
pub trait RemoteAttempts: Send + Sync + 'static {
    /// Counts an attempt in all its lanes or in none. `jitter` is a random number below 1,024, which
    /// [`LaneState::reserve`](super::LaneState::reserve) takes.
    fn reserve(
        &self,
        by: Attempter<'_>,
        limits: &Limits,
        jitter: u16,
    ) -> BoxFuture<Result<Ticket, Denied>>;

    /// Settles an attempt.
    fn settle(
        &self,
        by: Attempter<'_>,
        limits: &Limits,
        ticket: Ticket,
        settled: Settled,
    ) -> BoxFuture<()>;

    /// Forgets the attempts of an account, from unknown devices and from all known ones together. Returns whether there were any.
    fn unlock(&self, account: &str) -> BoxFuture<bool>;
}
