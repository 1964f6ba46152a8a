//! A live percentile of recent durations: fixed memory, no lock, no clock.
//!
//! Durations are counted in buckets that grow with them, sixteen for each doubling. Two generations
//! of [`GENERATION`] durations each take turns: the percentile covers the current one and the one
//! before, so it forgets all but the last 2,048 durations, and remembers at least 1,024. A count
//! carries the tag of its generation, as in the circuit breaker's window: nothing is swept.
//!
//! # Error
//! The percentile of the durations in the window is never below the exact one (by nearest rank) and
//! at most a sixteenth above it, for durations from 66 µs to 68 s. Shorter ones count as 66 µs,
//! longer ones as 68 s. It is read again with every 32nd duration, so it is that of the window up to
//! 31 durations ago. Threads that record at the same time may each move a duration into the
//! neighbouring generation.
//!
//! The counts are [`Tally`]s, which loom explores. The two other atomics are a counter and a value
//! that is replaced as a whole.

use crate::{
    sync::{AtomicU64, Ordering},
    tally::Tally,
};

/// The durations of a generation: enough that the 95th percentile rests on 51 longer ones.
const GENERATION: u64 = 1_024;
/// How many durations are recorded between two readings of the percentile. A reading takes as long
/// as ten records.
const EVERY: u64 = 32;
/// Buckets for each doubling, as a power of two: 16.
const STEP_BITS: u32 = 4;
const STEPS: u64 = 1 << STEP_BITS;
/// The shortest and the longest duration that is measured, as powers of two of nanoseconds.
const LEAST_BITS: u32 = 16;
const MOST_BITS: u32 = 36;
const BUCKETS: usize = ((MOST_BITS - LEAST_BITS) << STEP_BITS) as usize + 1;

/// The denominator of a share in millionths.
const MILLION: u64 = 1_000_000;

/// The percentile of recent durations, in 5 KiB.
#[derive(Debug)]
pub(super) struct Percentile {
    /// Two generations, one behind the other.
    counts: Box<[Tally]>,
    recorded: AtomicU64,
    /// The percentile when it was last read, in nanoseconds. 0 before the first time.
    current: AtomicU64,
    millionths: u64,
    min_durations: u64,
}

impl Percentile {
    /// The percentile of this share, in millionths, once there are `min_durations`.
    pub(super) fn new(millionths: u64, min_durations: u64) -> Self {
        Self {
            counts: (0..2 * BUCKETS).map(|_| Tally::new()).collect(),
            recorded: AtomicU64::new(0),
            current: AtomicU64::new(0),
            millionths,
            min_durations,
        }
    }

    /// The percentile in nanoseconds. `None` while there are too few durations.
    pub(super) fn current(&self) -> Option<u64> {
        // Relaxed: the value is all that is published.
        Some(self.current.load(Ordering::Relaxed)).filter(|nanos| *nanos > 0)
    }

    /// Records a duration of this many nanoseconds.
    pub(super) fn record(&self, nanos: u64) {
        // Relaxed: each caller needs a number of its own, in any order.
        let number = self.recorded.fetch_add(1, Ordering::Relaxed);
        let generation = generation_of(number);
        if let Some(tally) = self.side(generation).get(bucket_of(nanos)) {
            // Newer only if this thread slept while others recorded a whole generation.
            tally.add(generation, |found| generation.wrapping_sub(found) > u32::MAX / 2);
        }
        let recorded = number + 1;
        if recorded == self.min_durations
            || (recorded > self.min_durations && recorded.is_multiple_of(EVERY))
        {
            self.current.store(self.read(generation), Ordering::Relaxed);
        }
    }

    /// The percentile of this generation and the one before.
    fn read(&self, generation: u32) -> u64 {
        let before = generation.wrapping_sub(1);
        let (now, past) = (self.side(generation), self.side(before));
        let count = |index: usize| {
            let of = |side: &[Tally], tag| side.get(index).map_or(0, |tally| tally.count(tag));
            // The first generation has tag 0, as unused counts do, and none before it.
            let past = if generation > 0 { of(past, before) } else { 0 };
            u64::from(of(now, generation)) + u64::from(past)
        };
        let sum: u64 = (0..BUCKETS).map(count).sum();
        let rank = (sum * self.millionths).div_ceil(MILLION).max(1);
        let mut seen = 0;
        let reached = (0..BUCKETS).find(|&index| {
            seen += count(index);
            seen >= rank
        });
        // Other threads may have moved counts out of the window between the two passes.
        edge_of(reached.unwrap_or(BUCKETS - 1))
    }

    /// The counts of a generation.
    fn side(&self, generation: u32) -> &[Tally] {
        let (even, odd) = self.counts.split_at(BUCKETS);
        if generation.is_multiple_of(2) { even } else { odd }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a tag of 32 bits, which wraps")]
const fn generation_of(number: u64) -> u32 {
    (number / GENERATION) as u32
}

/// The bucket of a duration: the one with the lowest edge that is not below it.
#[expect(clippy::cast_possible_truncation, reason = "below the number of buckets")]
fn bucket_of(nanos: u64) -> usize {
    // A duration equal to an edge belongs to the bucket below it.
    let below = nanos.saturating_sub(1);
    if below >> LEAST_BITS == 0 {
        return 0;
    }
    let bits = below.ilog2();
    let step = (below >> (bits - STEP_BITS)) % STEPS;
    let index = u64::from(bits - LEAST_BITS) * STEPS + step + 1;
    (index as usize).min(BUCKETS - 1)
}

/// The longest duration of a bucket, in nanoseconds.
#[expect(clippy::cast_possible_truncation, reason = "a number of bits, below 64")]
fn edge_of(bucket: usize) -> u64 {
    let Some(index) = (bucket as u64).checked_sub(1) else { return 1 << LEAST_BITS };
    let (doublings, step) = (index / STEPS, index % STEPS);
    (STEPS + step + 1) << (doublings as u32 + LEAST_BITS - STEP_BITS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const P95: u64 = 950_000;

    /// The exact percentile by nearest rank.
    fn exact(durations: &[u64], millionths: u64) -> u64 {
        let mut sorted = durations.to_vec();
        sorted.sort_unstable();
        let rank = (sorted.len() as u64 * millionths).div_ceil(MILLION).max(1);
        sorted[usize::try_from(rank).unwrap() - 1]
    }

    /// The durations that the percentile covers after these.
    fn window(durations: &[u64]) -> &[u64] {
        let size = usize::try_from(GENERATION).unwrap();
        let generation = (durations.len() - 1) / size;
        &durations[generation.saturating_sub(1) * size..]
    }

    fn assert_close(found: u64, exact: u64) -> Result<(), TestCaseError> {
        let (least, most) = (1 << LEAST_BITS, 1 << MOST_BITS);
        let exact = exact.clamp(least, most);
        prop_assert!(found >= exact, "{found} is below {exact}");
        prop_assert!(found <= exact + exact / 16, "{found} is too far above {exact}");
        Ok(())
    }

    #[test]
    fn every_duration_is_at_most_its_edge_and_within_a_sixteenth() {
        let around = |bits: u32| [(1_u64 << bits) - 1, 1 << bits, (1 << bits) + 1];
        for nanos in (LEAST_BITS..=MOST_BITS).flat_map(around) {
            let edge = edge_of(bucket_of(nanos));
            let nanos = nanos.clamp(1 << LEAST_BITS, 1 << MOST_BITS);
            assert!(edge >= nanos && edge - nanos <= nanos / 16, "{nanos}: {edge}");
        }
        assert_eq!((bucket_of(0), bucket_of(u64::MAX)), (0, BUCKETS - 1));
        let edges: Vec<_> = (0..BUCKETS).map(edge_of).collect();
        assert!(edges.is_sorted_by(|a, b| a < b));
        assert!(edges.iter().enumerate().all(|(index, edge)| bucket_of(*edge) == index));
    }

    #[test]
    fn there_is_none_before_the_least_number_of_durations() {
        let percentile = Percentile::new(P95, 20);
        for number in 1..=20 {
            assert_eq!(percentile.current(), None);
            percentile.record(number * 1_000_000);
        }
        assert_close(percentile.current().unwrap(), 19_000_000).unwrap();
    }

    #[test]
    fn it_follows_a_destination_that_becomes_slow_and_fast_again() {
        let percentile = Percentile::new(P95, 20);
        let record = |count: u64, millis: u64| {
            (0..count).for_each(|_| percentile.record(millis * 1_000_000));
            percentile.current().unwrap() / 1_000_000
        };
        assert_eq!(record(100_000, 10), 10);
        // One call in twenty of the window is slow.
        assert!((200..=212).contains(&record(128, 200)));
        assert_eq!(record(2 * GENERATION, 10), 10);
    }

    #[test]
    fn threads_lose_no_duration() {
        let percentile = Percentile::new(500_000, 1);
        std::thread::scope(|scope| {
            for millis in [1_u64, 100] {
                let percentile = &percentile;
                // A hundred of one and a thousand of the other: less than a generation.
                let count = if millis == 1 { 100 } else { 900 };
                scope.spawn(move || {
                    (0..count).for_each(|_| percentile.record(millis * 1_000_000));
                });
            }
        });
        let counts = |millis: u64| percentile.side(0)[bucket_of(millis * 1_000_000)].count(0);
        assert_eq!((counts(1), counts(100)), (100, 900));
    }

    proptest! {
        #[test]
        fn it_is_the_exact_percentile_of_the_window_up_to_a_sixteenth(
            // Uniform in the number of bits, from 1 ns to 2 minutes.
            durations in proptest::collection::vec(
                (0_u32..37, any::<u64>()).prop_map(|(bits, noise)| (1 << bits) + noise % (1 << bits)),
                1..5_000,
            ),
            share in prop_oneof![Just(500_000), Just(900_000), Just(P95), Just(990_000), Just(999_000)],
        ) {
            let percentile = Percentile::new(share, 1);
            let mut recorded = 0;
            for some in durations.chunks_exact(usize::try_from(EVERY).unwrap()) {
                some.iter().for_each(|nanos| percentile.record(*nanos));
                recorded += some.len();
                let found = percentile.current().unwrap();
                assert_close(found, exact(window(&durations[..recorded]), share))?;
            }
        }
    }
}
