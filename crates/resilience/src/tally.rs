//! A count that starts anew with each tag, in one atomic word.
//!
//! Tag and count share a word, so a count is never added to another tag's: a thread that starts a
//! new tag and the threads that count under it meet in one compare-and-swap. No outcome is lost and
//! none is counted twice, in any interleaving.
//!
//! This file has only atomics: loom explores it.

use crate::sync::{AtomicU64, Ordering};

/// A count and the tag that it belongs to.
#[derive(Debug)]
pub(crate) struct Tally(AtomicU64);

impl Tally {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts one under `tag` and returns the new count. A tally with another tag starts anew,
    /// unless `is_newer` finds its tag to be newer than `tag`: then the caller is too late, nothing
    /// is counted, and the result is 0.
    #[inline]
    pub(crate) fn add(&self, tag: u32, is_newer: impl Fn(u32) -> bool) -> u32 {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let (found, count) = split(seen);
            let next = if found == tag {
                // At the maximum of 32 bits the count stays there, where it hides nothing: a window
                // has no share of failures that four billion calls do not show.
                count.saturating_add(1)
            } else if is_newer(found) {
                return 0;
            } else {
                1
            };
            // Relaxed: the circuit's machine orders counts and decisions with a fence, and a
            // percentile may miss a count.
            let swapped = self.0.compare_exchange_weak(
                seen,
                join(tag, next),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match swapped {
                Ok(_) => return next,
                Err(current) => seen = current,
            }
        }
    }

    /// The count under `tag`; 0 if the tally has another tag.
    #[inline]
    pub(crate) fn count(&self, tag: u32) -> u32 {
        self.count_of(|found| found == tag)
    }

    /// The count if the tag is one of those that `matches` accepts, else 0.
    #[inline]
    pub(crate) fn count_of(&self, matches: impl Fn(u32) -> bool) -> u32 {
        match split(self.0.load(Ordering::Relaxed)) {
            (found, count) if matches(found) => count,
            _ => 0,
        }
    }

    /// Sets the count under `tag` to 0. A tally with another tag is left alone.
    pub(crate) fn clear(&self, tag: u32) {
        let mut seen = self.0.load(Ordering::Relaxed);
        while let (found, 1..) = split(seen)
            && found == tag
        {
            let swapped = self.0.compare_exchange_weak(
                seen,
                join(tag, 0),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match swapped {
                Ok(_) => return,
                Err(current) => seen = current,
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "each half of the word is one value")]
const fn split(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

const fn join(tag: u32, count: u32) -> u64 {
    (tag as u64) << 32 | count as u64
}
