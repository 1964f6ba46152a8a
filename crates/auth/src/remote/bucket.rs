//! How often an unknown key id may cause a fetch. Pure.

use std::time::Duration;

use hardpoint_core::Mono;

/// The time in which one cell is replenished.
pub(super) const INTERVAL: Duration = Duration::from_secs(30);
/// Cells of a full bucket.
const BURST: u32 = 2;

/// A bucket of [`BURST`] cells that starts full.
///
/// A fetch for an unknown key id takes one; a fetch that brought nothing new takes the rest, too. So two
/// rotations in a row are both seen at once, and a flood of made-up ids causes at most one fetch in
/// [`INTERVAL`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    /// When the bucket will be full.
    full_at: Mono,
}

impl Bucket {
    /// Takes a cell, if there is one.
    pub(super) fn take(&mut self, now: Mono) -> bool {
        let missing = self.full_at.saturating_since(now);
        if missing > INTERVAL * (BURST - 1) {
            return false;
        }
        self.full_at = self.full_at.max(now).saturating_add(INTERVAL);
        true
    }

    /// Takes all cells.
    pub(super) fn drain(&mut self, now: Mono) {
        self.full_at = self.full_at.max(now.saturating_add(INTERVAL * BURST));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_cells_at_once_and_then_one_each_interval() {
        let (mut bucket, start) = (Bucket::default(), Mono::from_nanos(1));
        assert!(bucket.take(start) && bucket.take(start));
        assert!(!bucket.take(start));
        let almost = start.saturating_add(INTERVAL - Duration::from_nanos(1));
        assert!(!bucket.take(almost));
        assert!(bucket.take(start.saturating_add(INTERVAL)));
        assert!(!bucket.take(start.saturating_add(INTERVAL)));
    }

    #[test]
    fn a_drained_bucket_gives_the_next_cell_after_one_interval() {
        let (mut bucket, start) = (Bucket::default(), Mono::from_nanos(1));
        assert!(bucket.take(start));
        bucket.drain(start);
        assert!(!bucket.take(start.saturating_add(INTERVAL - Duration::from_nanos(1))));
        assert!(bucket.take(start.saturating_add(INTERVAL)));
    }

    proptest! {
        #[test]
        fn in_any_time_no_more_than_the_burst_and_one_an_interval_are_taken(
            pauses in prop::collection::vec(0_u64..40_000, 1..200),
        ) {
            let (mut bucket, start) = (Bucket::default(), Mono::from_nanos(1));
            let (mut now, mut taken) = (start, 0_u128);
            for pause in pauses {
                now = now.saturating_add(Duration::from_millis(pause));
                taken += u128::from(bucket.take(now));
                let passed = now.saturating_since(start).as_nanos() / INTERVAL.as_nanos();
                prop_assert!(taken <= passed + u128::from(BURST));
            }
        }

        #[test]
        fn if_nothing_new_comes_each_two_takes_are_an_interval_apart(
            pauses in prop::collection::vec(0_u64..40_000, 1..200),
        ) {
            let (mut bucket, mut now) = (Bucket::default(), Mono::from_nanos(1));
            let mut last: Option<Mono> = None;
            for pause in pauses {
                now = now.saturating_add(Duration::from_millis(pause));
                if bucket.take(now) {
                    prop_assert!(last.is_none_or(|last| now.saturating_since(last) >= INTERVAL));
                    bucket.drain(now);
                    last = Some(now);
                }
            }
        }
    }
}
