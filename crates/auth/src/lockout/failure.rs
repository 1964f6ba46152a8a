//! Since when a remote store has not decided.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use hardpoint_core::Mono;

use crate::store::millis;

/// The time since which a store has not decided.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// Milliseconds of the first failure since the last decision, plus 1; 0 without one.
    since: AtomicU64,
    /// Milliseconds of the last failure, plus 1; 0 if there was none.
    last: AtomicU64,
}

/// How long a store has not decided.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failing {
    pub(super) lasted: Duration,
    /// Whether an earlier outage is over: what was counted in it is outdated.
    pub(super) is_new: bool,
}

impl Outage {
    pub(super) fn ended(&self) {
        if self.since.load(Ordering::Relaxed) != 0 {
            self.since.store(0, Ordering::Relaxed);
        }
    }

    /// Notes a failure. A failure later than `pause` after the one before begins an outage, even if no
    /// attempt came between them. An earlier one does not, even if the store decided an attempt between
    /// them: a store that decides only every second attempt must not start the counts anew.
    pub(super) fn failed(&self, now: Mono, pause: Duration) -> Failing {
        let now = millis(Duration::from_nanos(now.as_nanos())).saturating_add(1);
        let last = self.last.swap(now, Ordering::Relaxed);
        let is_new = last != 0 && now.saturating_sub(last) > millis(pause);
        if is_new {
            self.since.store(now, Ordering::Relaxed);
        }
        let first = self.since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        let lasted = Duration::from_millis(now.saturating_sub(first.err().unwrap_or(now)));
        Failing { lasted, is_new }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_far_apart_are_not_one_outage() {
        let outage = Outage::default();
        let pause = Duration::from_secs(60);
        let fail = |secs: u64| {
            let failing = outage.failed(Mono::from_nanos(secs * 1_000_000_000), pause);
            (failing.lasted.as_secs(), failing.is_new)
        };
        assert_eq!(fail(10), (0, false));
        assert_eq!(fail(70), (60, false), "nothing was decided for a minute");
        assert_eq!(fail(7_200), (0, true));
        assert_eq!(fail(7_230), (30, false));
        outage.ended();
        assert_eq!(
            outage.failed(Mono::from_nanos(7_231_000_000_000), pause).lasted,
            Duration::ZERO
        );
    }
}
