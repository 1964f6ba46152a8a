//! How often an unknown key id may cause a fetch. Pure.

use std::{collections::HashMap, time::Duration};

use hardpoint_core::Mono;

/// The time in which one cell is replenished.
pub(super) const INTERVAL: Duration = Duration::from_secs(30);
/// Cells of a full bucket.
const BURST: u32 = 2;
/// How many networks have a bucket of their own.
const NETWORKS: usize = 1024;

/// A bucket of [`BURST`] cells that starts full.
///
/// A fetch for an unknown key id takes one; a fetch that brought nothing new takes the rest, too. So two
/// rotations in a row are both seen at once, and made-up ids cause at most one fetch in [`INTERVAL`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    /// When the bucket will be full.
    full_at: Mono,
}

impl Bucket {
    /// When a cell is there; zero if one is there now.
    pub(super) fn wait(&self, now: Mono) -> Duration {
        self.full_at.saturating_since(now).saturating_sub(INTERVAL * (BURST - 1))
    }

    /// Takes a cell, if there is one.
    pub(super) fn take(&mut self, now: Mono) -> bool {
        if !self.wait(now).is_zero() {
            return false;
        }
        self.full_at = self.full_at.max(now).saturating_add(INTERVAL);
        true
    }

    /// Whether the bucket is full, so that forgetting it changes nothing.
    pub(super) fn is_full(&self, now: Mono) -> bool {
        self.full_at <= now
    }

    /// Takes all cells.
    pub(super) fn drain(&mut self, now: Mono) {
        self.full_at = self.full_at.max(now.saturating_add(INTERVAL * BURST));
    }
}

/// A bucket for each client network that asked for an unknown key id lately.
///
/// It keeps at most [`NETWORKS`]. If more ask at the same time, all of them start afresh: the pause
/// between fetches bounds what that is worth.
#[derive(Debug, Default)]
pub(super) struct Budget {
    buckets: HashMap<u64, Bucket>,
}

impl Budget {
    /// The bucket of the network with this digest.
    pub(super) fn of(&mut self, network: u64, now: Mono) -> &mut Bucket {
        if self.buckets.len() >= NETWORKS && !self.buckets.contains_key(&network) {
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
            if self.buckets.len() >= NETWORKS {
                self.buckets.clear();
            }
        }
        self.buckets.entry(network).or_default()
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

    #[test]
    fn networks_have_buckets_of_their_own_in_bounded_memory() {
        let (mut budget, start) = (Budget::default(), Mono::from_nanos(1));
        for network in 0..3_000 {
            assert!(budget.of(network, start).take(start));
            assert!(budget.buckets.len() <= NETWORKS);
        }
        let (mut budget, later) = (Budget::default(), start.saturating_add(INTERVAL * 2));
        assert!(budget.of(1, start).take(start) && budget.of(1, start).take(start));
        assert_eq!(budget.of(1, start).wait(start), INTERVAL);
        assert!(budget.of(2, start).take(start));
        assert!(budget.of(1, later).take(later));
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
