//! What the stores of sessions, attempts and one-time tokens have in common.

#[cfg(feature = "redis")]
pub(crate) mod redis;

use std::{pin::Pin, time::Duration};

use hardpoint_core::{Mono, Time};

pub use hardpoint_core::StoreError;

/// A future that a store answers with.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

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
