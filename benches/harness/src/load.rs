//! Which key comes next.
//!
//! Every pattern is a list of indexes made ahead of the measuring, from a fixed seed: two runs ask
//! about the same keys in the same order, and drawing one costs the measured loop one read.

/// A small generator (SplitMix64): the same numbers from the same seed, on every machine.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A generator of its own for each seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`, each as likely as the others; 0 if `end` is 0.
    pub fn below(&mut self, end: u32) -> u32 {
        u32::try_from((u128::from(self.bits()) * u128::from(end)) >> 64).unwrap_or_default()
    }

    /// A number from 0 up to, and not, 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a float holds exactly")]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A pattern of load over `keys` keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pattern {
    /// Every request comes from one key.
    Hot,
    /// Every key is as likely as the others.
    Uniform,
    /// Few keys come often and many seldom: the `n`th with weight `1 / n^s`, as clients do.
    Zipf(f64),
    /// Every key comes once: what an attacker with many addresses sends.
    Flood,
}

impl Pattern {
    /// `count` draws among `keys` keys.
    #[must_use]
    pub fn draw(self, keys: u32, count: usize, seed: u64) -> Vec<u32> {
        let mut random = Random::new(seed);
        match self {
            Self::Hot => vec![0; count],
            Self::Uniform => (0..count).map(|_| random.below(keys)).collect(),
            Self::Zipf(exponent) => zipf(exponent, keys, count, &mut random),
            Self::Flood => (0..keys).cycle().take(count).collect(),
        }
    }
}

/// By the inverse of the cumulated weights. Ranks are spread over the keys, so that neighbours in
/// rank are no neighbours in memory.
fn zipf(exponent: f64, keys: u32, count: usize, random: &mut Random) -> Vec<u32> {
    let mut sum = 0.0;
    let cumulated: Vec<f64> = (1..=keys)
        .map(|rank| {
            sum += f64::from(rank).powf(-exponent);
            sum
        })
        .collect();
    let mut order: Vec<u32> = (0..keys).collect();
    for (place, end) in (1..keys).enumerate() {
        let other = random.below(end + 1);
        order.swap(place + 1, usize::try_from(other).unwrap_or_default());
    }
    (0..count)
        .map(|_| {
            let point = random.unit() * sum;
            let rank = cumulated.partition_point(|weight| *weight < point);
            order.get(rank).copied().unwrap_or_default()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_keys() {
        for pattern in [Pattern::Hot, Pattern::Uniform, Pattern::Zipf(1.1), Pattern::Flood] {
            let first = pattern.draw(100, 1000, 7);
            assert_eq!(first, pattern.draw(100, 1000, 7), "{pattern:?}");
            assert!(first.iter().all(|key| *key < 100), "{pattern:?}");
        }
    }

    #[test]
    fn uniform_load_meets_all_keys_and_a_hot_one_meets_one() {
        let mut seen = Pattern::Uniform.draw(100, 10_000, 1);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 100);
        assert!(Pattern::Hot.draw(100, 50, 1).iter().all(|key| *key == 0));
    }

    #[test]
    fn under_zipf_the_first_key_has_the_share_that_the_formula_gives_it() {
        let draws = Pattern::Zipf(1.0).draw(100, 100_000, 3);
        let mut counts = vec![0_u32; 100];
        for key in draws {
            counts[usize::try_from(key).unwrap()] += 1;
        }
        counts.sort_unstable_by(|a, b| b.cmp(a));
        // 1 / H(100) = 0.1928.
        assert!((18_500..20_100).contains(&counts[0]), "{}", counts[0]);
        assert!((9_000..10_300).contains(&counts[1]), "{}", counts[1]);
    }

    #[test]
    fn a_flood_never_repeats_a_key() {
        let draws = Pattern::Flood.draw(5_000, 5_000, 1);
        let mut sorted = draws.clone();
        sorted.dedup();
        assert_eq!(sorted.len(), draws.len());
    }
}
