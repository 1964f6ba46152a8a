//! How long to wait between attempts to connect.

use std::time::Duration;

/// The first wait, and the longest.
const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(400);

/// Waits that double from 10 to 400 ms, each shortened by up to a half at random, so that the
/// instances that a server lost together do not come back together.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next wait. `random` is uniformly distributed.
    pub(super) fn next(&mut self, random: u64) -> Duration {
        let full = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let half = u64::try_from(full.as_nanos() / 2).unwrap_or(u64::MAX).max(1);
        full - Duration::from_nanos(random % half)
    }

    /// The next wait is the first again.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_over() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..8).map(|_| backoff.next(0).as_millis()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 400, 400]);
        backoff.reset();
        assert_eq!(backoff.next(0), FIRST);
    }

    #[test]
    fn chance_takes_at_most_a_half() {
        for random in [0, 1, u64::MAX / 3, u64::MAX] {
            let mut backoff = Backoff { failures: 40 };
            let wait = backoff.next(random);
            assert!(wait > LONGEST / 2 && wait <= LONGEST, "{wait:?}");
        }
    }
}
