//! Since when a remote store has not decided.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use hardpoint_core::Mono;

/// Since when a store has not decided, and when that was logged.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    /// Nanoseconds of the first failure since the last decision; 0 if there is none.
    since: AtomicU64,
    /// One more than the second of the last log line, and the failures that were not logged since.
    logged: AtomicU64,
    unlogged: AtomicU64,
}

impl Outage {
    /// How long the store has not decided.
    pub(crate) fn failed(&self, now: Mono) -> Duration {
        let nanos = now.as_nanos().max(1);
        let first = self.since.compare_exchange(0, nanos, Ordering::Relaxed, Ordering::Relaxed);
        now.saturating_since(Mono::from_nanos(first.err().unwrap_or(nanos)))
    }

    #[inline]
    pub(crate) fn decided(&self) {
        // A load first: threads share the line while the store works.
        if self.since.load(Ordering::Relaxed) != 0 {
            self.since.store(0, Ordering::Relaxed);
        }
    }

    /// How many failures were not logged since the last line, if this one should be: one line a
    /// second suffices, and more would be the next failure.
    pub(crate) fn log_now(&self, now: Mono) -> Option<u64> {
        let second = now.as_nanos() / 1_000_000_000 + 1;
        let last = self.logged.load(Ordering::Relaxed);
        let swap =
            || self.logged.compare_exchange(last, second, Ordering::Relaxed, Ordering::Relaxed);
        if last == second || swap().is_err() {
            self.unlogged.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.unlogged.swap(0, Ordering::Relaxed))
    }
}
