//! What the stores of sessions, API keys, attempts and one-time tokens have in common.

#[cfg(feature = "redis")]
pub(crate) mod redis;

use std::{pin::Pin, time::Duration};

use hardpoint_core::{Mono, Time};

pub use hardpoint_core::StoreError;

/// A future that a store answers with.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// The size and the clock of a store in memory, which [`SessionStore`](crate::SessionStore),
/// [`ApiKeyStore`](crate::ApiKeyStore), [`AttemptStore`](crate::AttemptStore) and [`TokenStore`](crate::one_time::TokenStore) are made from.
///
/// ```
/// use hardpoint_auth::{InMemory, SessionStore};
///
/// let store: SessionStore = InMemory::new().capacity(1_000_000).into();
/// # let _ = store;
/// ```
///
/// | store | default capacity | beyond it |
/// |---|---|---|
/// | sessions | 100 000 sessions, which take up to 50 MB with long user agents | log-ins are refused with 503: ending other users' sessions instead would let an attacker with many accounts log them out |
/// | API keys | 100 000 keys, which take about 50 MB | no key is issued: revoking others instead would lock their owners out |
/// | attempts | 65,536 accounts and devices, and as many networks, which take 11 MB | the fewest failures are forgotten first |
/// | one-time tokens | 100 000 tokens, which take about 40 MB with 200 bytes of data each | no token is made: replacing others instead would let an attacker void them |
///
/// One purpose takes at most half of the one-time tokens, so that strangers who sign up with many
/// addresses do not keep others from a reset.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct InMemory {
    pub(crate) capacity: Option<usize>,
    pub(crate) time: Time,
}

impl InMemory {
    /// The default capacity, and the system's clocks.
    pub const fn new() -> Self {
        Self { capacity: None, time: Time::system() }
    }

    /// How much the store keeps. Default: see the table. A capacity of 0 refuses every session or token;
    /// the number of lanes of attempts is rounded up to a multiple of eight.
    pub const fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = Some(capacity);
        self
    }

    /// Reads the time from this handle. Default: the system's clocks.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.time = time.into();
        self
    }
}

/// Milliseconds since 1970 that never go back, so that a calendar that is set back extends neither a
/// session nor a wait.
pub(crate) struct StoreClock {
    time: Time,
    unix: u64,
    mono: Mono,
}

impl StoreClock {
    pub(crate) fn new(time: Time) -> Self {
        Self { unix: millis(time.unix()), mono: time.now(), time }
    }

    pub(crate) fn now(&self) -> u64 {
        self.unix.saturating_add(millis(self.time.now().saturating_since(self.mono)))
    }
}

/// Whole milliseconds, saturating.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
