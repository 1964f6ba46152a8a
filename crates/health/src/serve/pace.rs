//! How slowly a client may send a request body. Pure: takes instants as time since the first one.

use std::time::Duration;

/// The limits of a body's pace.
#[derive(Clone, Copy, Debug)]
pub(super) struct PaceLimits {
    /// The longest pause between two pieces of the body.
    pub(super) stall: Duration,
    /// The time the server waits before it asks for the rate.
    pub(super) grace: Duration,
    /// Bytes a second. 0 asks for no rate.
    pub(super) rate: u64,
}

/// Measures how long the server has waited for the body of one request.
///
/// Only the time in which the server wants to read and the client has not sent counts. A handler
/// that does something else between two reads costs its client nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    bytes: u64,
    /// The sum of all waits that ended.
    waited: Duration,
    /// When the current wait began.
    waiting_since: Option<Duration>,
}

impl Pace {
    /// The server waits for the client. Returns when its patience ends.
    pub(super) fn wait(&mut self, now: Duration, limits: PaceLimits) -> Duration {
        let since = *self.waiting_since.get_or_insert(now);
        let left = self.allowance(limits).saturating_sub(self.waited);
        since.saturating_add(left.min(limits.stall))
    }

    /// The client sent `bytes` bytes. `now` is read only if the server waited for them.
    pub(super) fn progress(&mut self, bytes: u64, now: impl FnOnce() -> Duration) {
        self.bytes = self.bytes.saturating_add(bytes);
        if let Some(since) = self.waiting_since.take() {
            self.waited = self.waited.saturating_add(now().saturating_sub(since));
        }
    }

    /// How long the server may have waited in all for the bytes received so far.
    fn allowance(&self, limits: PaceLimits) -> Duration {
        if limits.rate == 0 {
            return Duration::MAX;
        }
        let seconds = self.bytes / limits.rate;
        // The remainder is smaller than the rate, so this is less than a second.
        let part = u128::from(self.bytes % limits.rate) * 1_000_000_000 / u128::from(limits.rate);
        let nanos = u64::try_from(part).unwrap_or(0);
        limits.grace.saturating_add(Duration::from_secs(seconds) + Duration::from_nanos(nanos))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: PaceLimits = PaceLimits { stall: secs(30), grace: secs(5), rate: 1_024 };

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_client_that_sends_one_byte_has_the_grace() {
        let mut pace = Pace::default();
        pace.progress(1, || secs(0));
        let until = pace.wait(secs(1), LIMITS);
        assert!(until >= secs(6) && until < secs(7), "{until:?}");
        // Another byte earns about a millisecond, and the wait so far counts.
        pace.progress(1, || secs(5));
        let until = pace.wait(secs(5), LIMITS);
        assert!(until >= secs(6) && until < secs(7), "{until:?}");
    }

    #[test]
    fn a_client_with_credit_still_has_to_go_on() {
        let mut pace = Pace::default();
        pace.progress(1 << 30, || secs(0));
        assert_eq!(pace.wait(secs(100), LIMITS), secs(130));
    }

    #[test]
    fn a_handler_that_reads_late_costs_its_client_nothing() {
        let mut pace = Pace::default();
        for minute in 0..60 {
            // The bytes were there when the handler asked.
            pace.progress(10, || unreachable!());
            assert!(pace.wait(secs(60 * minute), LIMITS) >= secs(60 * minute + 5));
            pace.progress(0, || secs(60 * minute));
        }
    }

    #[test]
    fn without_a_rate_only_a_pause_counts() {
        let limits = PaceLimits { rate: 0, ..LIMITS };
        let mut pace = Pace::default();
        for pause in 0..100 {
            assert_eq!(pace.wait(secs(29 * pause), limits), secs(29 * pause + 30));
            pace.progress(1, || secs(29 * pause + 29));
        }
    }

    proptest! {
        /// The pace never cuts a client that keeps the rate with pieces of any size, as long as
        /// no pause reaches the longest one. It always cuts one that stays below the rate.
        #[test]
        fn the_rate_separates_the_slow_from_the_steady(
            pieces in prop::collection::vec(1_u64..20_000, 1..200),
            slow in any::<bool>(),
        ) {
            let rate = if slow { LIMITS.rate / 4 } else { LIMITS.rate };
            let mut pace = Pace::default();
            let (mut now, mut sent, mut cut) = (Duration::ZERO, 0, false);
            for piece in &pieces {
                let until = pace.wait(now, LIMITS);
                // The piece arrives when the sender's rate has paid for it.
                sent += piece;
                let arrives = Duration::from_secs_f64(sent as f64 / rate as f64);
                cut |= arrives > until;
                now = arrives.max(now);
                pace.progress(*piece, || now);
            }
            let total = Duration::from_secs_f64(sent as f64 / rate as f64);
            let pause = pieces.iter().any(|piece| *piece / rate >= 5);
            if slow && total > secs(10) {
                prop_assert!(cut);
            }
            if !slow && !pause {
                prop_assert!(!cut);
            }
        }
    }
}
