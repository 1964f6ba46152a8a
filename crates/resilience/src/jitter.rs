//! The source of randomness that spreads delays.

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::BuildHasher,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// The increment of SplitMix64: the golden ratio, odd, so the state visits all 2^64 values.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// A source of random delays. Clones continue one sequence, so two requests never get the same
/// delays.
///
/// It is SplitMix64 over one atomic counter: a number costs one addition and three
/// multiplications, and takes no lock. It is not for secrets.
///
/// ```
/// use hardpoint_resilience::Jitter;
/// use std::time::Duration;
///
/// let (jitter, twin) = (Jitter::seeded(7), Jitter::seeded(7));
/// let second = Duration::from_secs(1);
/// assert_eq!(jitter.up_to(second), twin.up_to(second)); // reproducible
/// assert_ne!(jitter.up_to(second), jitter.clone().up_to(second)); // a clone continues
/// ```
#[derive(Clone)]
pub struct Jitter {
    state: Arc<AtomicU64>,
}

impl Jitter {
    /// Creates a source with a random seed.
    #[must_use]
    pub fn new() -> Self {
        // Each `RandomState` has keys of its own, derived from the operating system's randomness.
        Self::seeded(RandomState::new().hash_one(()))
    }

    /// Creates a source whose sequence is determined by `seed`, for tests and simulations.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { state: Arc::new(AtomicU64::new(seed)) }
    }

    /// Returns the next number of the sequence, uniform over all 64 bits.
    pub(crate) fn next(&self) -> u64 {
        // Relaxed: only the value matters. Each call gets its own, in any order.
        let mut mixed = self.state.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Returns a uniform number below `bound`, or 0 if `bound` is 0.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        // The high half of the product maps the 64 bits onto the range. The bias is below
        // `bound` / 2^64, which no delay can show.
        let product = u128::from(self.next()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or_default()
    }

    /// Returns a uniform duration from zero to `max`.
    #[must_use]
    pub fn up_to(&self, max: Duration) -> Duration {
        let nanos = u64::try_from(max.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.below(nanos.saturating_add(1)))
    }
}

impl Default for Jitter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jitter")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_splitmix64() {
        // The reference implementation of Sebastiano Vigna, with the seed 1234567.
        let jitter = Jitter::seeded(1_234_567);
        let numbers: Vec<_> = (0..3).map(|_| jitter.next()).collect();
        assert_eq!(
            numbers,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn numbers_are_below_the_bound_and_reach_both_ends() {
        let jitter = Jitter::seeded(1);
        assert_eq!(jitter.below(0), 0);
        let seen: std::collections::BTreeSet<_> = (0..200).map(|_| jitter.below(5)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(jitter.up_to(Duration::ZERO), Duration::ZERO);
        assert!(jitter.up_to(Duration::MAX) > Duration::ZERO);
    }

    #[test]
    fn two_sources_differ() {
        assert_ne!(Jitter::new().next(), Jitter::new().next());
    }
}
