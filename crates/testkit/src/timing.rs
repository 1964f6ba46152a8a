//! Whether answers of several kinds take the same time.

use std::time::Duration;

/// Takes `samples` times of each kind in a random order, and panics if those of any kind differ from
/// those of the first.
///
/// `measure` returns the time of one answer of the kind with this index. Kinds are compared by a
/// [Kolmogorov-Smirnov test](kolmogorov_smirnov). One comparison of equals in a hundred has p ≤ 0.01
/// by chance, so such a comparison is repeated three times, and two of the three must have p > 0.01.
/// Equals fail once in 300,000 comparisons. A difference that the test sees nine times in ten passes
/// once in eight.
pub async fn assert_alike<const N: usize>(
    kinds: [&str; N],
    samples: usize,
    mut measure: impl AsyncFnMut(usize) -> Duration,
) {
    let all: [usize; N] = std::array::from_fn(|kind| kind);
    let times = take(&all, samples, &mut measure).await;
    for other in 1..N {
        if compare(&kinds, [0, other], [&times[0], &times[other]]) > LEAST {
            continue;
        }
        let mut passed = 0;
        for _ in 0..3 {
            let again = take(&[0, other], samples, &mut measure).await;
            let p = compare(&kinds, [0, other], [&again[0], &again[1]]);
            passed += usize::from(p > LEAST);
        }
        assert!(passed >= 2, "{} and {} take different times", kinds[0], kinds[other]);
    }
}

/// The least p of two kinds that are taken for equal.
const LEAST: f64 = 0.01;

/// The times of each of these kinds, by their places. An answer may influence the next one, so the order
/// is random.
async fn take(
    kinds: &[usize],
    samples: usize,
    measure: &mut impl AsyncFnMut(usize) -> Duration,
) -> Vec<Vec<Duration>> {
    let mut order: Vec<usize> = (0..kinds.len() * samples).map(|n| n % kinds.len()).collect();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for last in (1..order.len()).rev() {
        // Xorshift (Marsaglia 2003).
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        order.swap(last, usize::try_from(random % (last as u64 + 1)).unwrap_or(last));
    }
    let mut times = vec![Vec::with_capacity(samples); kinds.len()];
    for place in order {
        let time = measure(kinds[place]).await;
        times[place].push(time);
    }
    times
}

/// Prints and returns the probability of two kinds.
fn compare(names: &[&str], kinds: [usize; 2], times: [&[Duration]; 2]) -> f64 {
    let p = kolmogorov_smirnov(times[0], times[1]);
    let [one, other] = kinds.map(|kind| names[kind]);
    let [median_of_one, median_of_other] = times.map(median);
    println!(
        "{one} and {other}: {} samples each, medians {median_of_one:.1?} and {median_of_other:.1?}, \
         p = {p:.3}",
        times[0].len()
    );
    p
}

/// Two-sample Kolmogorov-Smirnov test: the probability of a distance as large as this one between two
/// samples of one distribution (the asymptotic formula, with Stephens' correction).
#[must_use]
pub fn kolmogorov_smirnov(one: &[Duration], other: &[Duration]) -> f64 {
    let (mut one, mut other) = (one.to_vec(), other.to_vec());
    one.sort_unstable();
    other.sort_unstable();
    let share = |sample: &[Duration], value: &Duration| {
        sample.partition_point(|sampled| sampled <= value) as f64 / sample.len() as f64
    };
    let distance = one
        .iter()
        .chain(&other)
        .map(|value| (share(&one, value) - share(&other, value)).abs())
        .fold(0.0, f64::max);
    let size = (one.len() * other.len()) as f64 / (one.len() + other.len()) as f64;
    let lambda = (size.sqrt() + 0.12 + 0.11 / size.sqrt()) * distance;
    let term = |k: i32| (-2.0 * f64::from(k * k) * lambda * lambda).exp();
    let sum: f64 = (1..100).map(|k| if k % 2 == 1 { term(k) } else { -term(k) }).sum();
    if lambda < 0.2 { 1.0 } else { (2.0 * sum).clamp(0.0, 1.0) }
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statistic_is_that_of_the_textbook() {
        let ramp = |from: u64| -> Vec<Duration> {
            (from..from + 100).map(Duration::from_millis).collect()
        };
        let p = |shift| kolmogorov_smirnov(&ramp(0), &ramp(shift));
        assert!(p(0) > 0.999 && p(5) > 0.99);
        // D = 0.2 and n = 100 are p = 0.031 (asymptotically), D = 0.3 are 0.0002.
        assert!((0.025..0.04).contains(&p(20)), "{}", p(20));
        assert!((0.0001..0.0004).contains(&p(30)), "{}", p(30));
    }

    /// Times that are spread evenly, over 100 µs for the first kind.
    async fn alike(spread_of_other: u64) {
        let mut number = 0_u64;
        let measure = async |kind: usize| {
            number = number.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            let spread = if kind == 0 { 100 } else { spread_of_other };
            Duration::from_micros((number >> 33) % spread)
        };
        assert_alike(["one", "other"], 1_000, measure).await;
    }

    #[tokio::test]
    async fn equals_pass() {
        alike(100).await;
    }

    #[tokio::test]
    #[should_panic(expected = "one and other take different times")]
    async fn a_difference_of_a_fifth_fails() {
        alike(120).await;
    }
}
