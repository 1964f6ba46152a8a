//! The window: a ring of buckets that count the calls of the recent past, without locks.
//!
//! Time is divided into ticks of a sixteenth of the window. A bucket serves every sixteenth tick. Its
//! tallies are tagged with the lap around the ring and the circuit's generation, so nothing has to be
//! swept: an old bucket's counts are not this lap's, and the counts from before the circuit opened
//! are not this generation's. Recording costs the same for any number of calls in the window.
//!
//! This file has only atomics: loom explores it.

use std::{array, time::Duration};

use hardpoint_core::Mono;

use crate::tally::Tally;

/// The buckets of a ring. A window ends up to one bucket early: more buckets make it more exact and
/// cost 24 bytes each.
pub(super) const BUCKETS: usize = if cfg!(hardpoint_loom) { 2 } else { 16 };

/// The bits of a tag that count laps. A bucket that was not used for 2^24 windows (194 days of one
/// second) would be taken for the current one.
const LAP_BITS: u32 = 24;
const LAP_MASK: u32 = (1 << LAP_BITS) - 1;
/// The bits of a tag that count generations.
const GENERATION_MASK: u32 = 0xFF;

/// The buckets, and how time maps to them.
#[derive(Debug)]
pub(super) struct Window {
    buckets: [Bucket; BUCKETS],
    /// 2^64 / nanoseconds of a tick, rounded up: a multiplication takes a tenth of a division's time.
    reciprocal: u64,
}

#[derive(Debug)]
struct Bucket {
    calls: Tally,
    failed: Tally,
    slow: Tally,
}

/// A bucket at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    index: usize,
    tag: u32,
}

/// The calls of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) calls: u64,
    pub(super) failed: u64,
    pub(super) slow: u64,
}

impl Window {
    pub(super) fn new(window: Duration) -> Self {
        let tick = u64::try_from(window.as_nanos() / BUCKETS as u128).unwrap_or(u64::MAX);
        let bucket = || Bucket { calls: Tally::new(), failed: Tally::new(), slow: Tally::new() };
        let reciprocal = (u64::MAX / tick.max(1)).saturating_add(1);
        Self { buckets: array::from_fn(|_| bucket()), reciprocal }
    }

    /// The tick of a time. After a year of the clock's time, ticks begin a 500th of themselves early.
    #[inline]
    pub(super) const fn tick(&self, now: Mono) -> u64 {
        ((now.as_nanos() as u128 * self.reciprocal as u128) >> 64) as u64
    }

    /// The bucket at `now`, for outcomes of this generation.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a remainder of 16, and a lap of 24 bits")]
    pub(super) const fn at(&self, generation: u32, now: Mono) -> At {
        let tick = self.tick(now);
        let lap = (tick / BUCKETS as u64) as u32;
        At { index: (tick % BUCKETS as u64) as usize, tag: tag(generation, lap) }
    }

    /// Counts a call.
    #[inline]
    pub(super) fn call(&self, at: At) {
        if let Some(bucket) = self.buckets.get(at.index) {
            bucket.calls.add(at.tag, |found| is_newer(found, at.tag));
        }
    }

    /// Counts a failed or slow call.
    pub(super) fn bad_call(&self, at: At, failed: bool, slow: bool) {
        let Some(bucket) = self.buckets.get(at.index) else { return };
        if failed {
            bucket.failed.add(at.tag, |found| is_newer(found, at.tag));
        }
        if slow {
            bucket.slow.add(at.tag, |found| is_newer(found, at.tag));
        }
    }

    /// The calls of this generation in the window that ends at `now`, and those that other threads
    /// have counted since then: the last of several threads to sum up sees all outcomes, even if its
    /// clock reading is the oldest.
    #[expect(clippy::cast_possible_truncation, reason = "the lap of a tag has 24 bits")]
    pub(super) fn sum(&self, generation: u32, now: Mono) -> Sum {
        let (tick, ring) = (self.tick(now), BUCKETS as u64);
        let mut sum = Sum::default();
        for (bucket, index) in self.buckets.iter().zip(0_u64..) {
            // The last tick that this bucket served: in this lap, or in the one before.
            let ahead = u64::from(index > tick % ring);
            // Wraps in the first lap, to a lap that no bucket has.
            let lap = (tick / ring).wrapping_sub(ahead);
            let tags = [tag(generation, lap as u32), tag(generation, (lap as u32).wrapping_add(1))];
            let count = |tally: &Tally| u64::from(tally.count_of(|found| tags.contains(&found)));
            sum.calls += count(&bucket.calls);
            sum.failed += count(&bucket.failed);
            sum.slow += count(&bucket.slow);
        }
        sum
    }
}

const fn tag(generation: u32, lap: u32) -> u32 {
    (generation & GENERATION_MASK) << LAP_BITS | lap & LAP_MASK
}

/// Whether the tag found in a bucket is newer than the caller's, which then comes too late: its clock
/// reading is a lap old, or the circuit has changed since it looked.
///
/// Only the next 64 laps and the next half of the generations count as newer. What is further ahead
/// was left by a lap long ago, before the numbers wrapped.
const fn is_newer(found: u32, own: u32) -> bool {
    let laps = found.wrapping_sub(own) & LAP_MASK;
    let generations = (found >> LAP_BITS).wrapping_sub(own >> LAP_BITS) & GENERATION_MASK;
    let later_generation = generations > 0 && generations < GENERATION_MASK / 2;
    (laps > 0 && laps <= 64) || (laps == 0 && later_generation)
}
