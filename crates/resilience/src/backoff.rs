//! How long to wait before a retry.

use std::{iter, time::Duration};

use crate::{Jitter, error::Mistakes};

/// How delays are spread below the exponential curve. The curve's value for one retry is `v`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Spread {
    /// Uniform from `v`/2 to `v`: never short, at the price of a little more load at the same time.
    Equal,
    /// Uniform from 0 to `v`. Callers that failed together return spread as widely as possible.
    Full,
    /// Exactly `v`. Callers that failed together return together: only for one caller, or a test.
    None,
}

/// Delays that grow exponentially up to a cap, with jitter below the cap.
///
/// The delay before retry `n` is spread below `min(cap, base × factor^(n-1))`. The cap is applied
/// before the jitter, so delays stay spread at the cap and never exceed it.
///
/// ```
/// use hardpoint_resilience::{Backoff, Jitter, Spread};
/// use std::time::Duration;
///
/// let backoff = Backoff::exponential(Duration::from_millis(50), Duration::from_secs(20));
/// let jitter = Jitter::seeded(1);
/// assert!(backoff.delay(1, &jitter) <= Duration::from_millis(50));
/// assert!(backoff.delay(100, &jitter) <= Duration::from_secs(20));
///
/// // A loop that is not an HTTP call: at most three attempts.
/// let backoff = backoff.spread(Spread::None);
/// let delays: Vec<_> = backoff.delays(jitter).take(2).collect();
/// assert_eq!(delays, [Duration::from_millis(50), Duration::from_millis(100)]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    factor: f64,
    spread: Spread,
}

impl Backoff {
    /// The base of [`default`](Self::default).
    pub const DEFAULT_BASE: Duration = Duration::from_millis(50);

    /// The cap of [`default`](Self::default).
    pub const DEFAULT_CAP: Duration = Duration::from_secs(20);

    /// Doubles from `base` up to `cap`, with full jitter.
    ///
    /// A longer base protects the destination more and delays every retry. With a base of 0 retries
    /// are immediate, however often the call failed.
    pub const fn exponential(base: Duration, cap: Duration) -> Self {
        Self { base, cap, factor: 2.0, spread: Spread::Full }
    }

    /// Sets the factor between consecutive values. Default: 2, as in most clients: after four
    /// retries the delay is sixteen times the base. 1 keeps the delay constant.
    pub const fn factor(self, factor: f64) -> Self {
        Self { factor, ..self }
    }

    /// Sets how delays are spread. Default: [`Spread::Full`], which causes the least work of all
    /// spreads when many callers fail together.
    pub const fn spread(self, spread: Spread) -> Self {
        Self { spread, ..self }
    }

    /// The largest delay before retry number `retry`, where 1 is the first retry.
    #[must_use]
    pub fn bound(&self, retry: u32) -> Duration {
        let exponent = i32::try_from(retry.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.base.as_secs_f64() * self.factor.powi(exponent);
        // `try_from` fails on values that no Duration holds, among them infinity.
        Duration::try_from_secs_f64(seconds).map_or(self.cap, |bound| bound.min(self.cap))
    }

    /// The delay before retry number `retry`, where 1 is the first retry.
    #[must_use]
    pub fn delay(&self, retry: u32, jitter: &Jitter) -> Duration {
        let bound = self.bound(retry);
        match self.spread {
            Spread::Equal => bound - jitter.up_to(bound / 2),
            Spread::Full => jitter.up_to(bound),
            Spread::None => bound,
        }
    }

    /// The delays before the first retry, the second, and so on, without end.
    pub fn delays(self, jitter: Jitter) -> impl Iterator<Item = Duration> + Send + 'static {
        let mut retry = 0_u32;
        iter::repeat_with(move || {
            retry = retry.saturating_add(1);
            self.delay(retry, &jitter)
        })
    }

    /// Finds values that can never work. `setting` is the name of the setting that holds this.
    pub(crate) fn check(&self, setting: &'static str, mistakes: &mut Mistakes) {
        mistakes.expect(self.base <= self.cap, setting, || {
            format!(
                "has a cap of {:?}, below its base of {:?}; write a cap of at least {:?}",
                self.cap, self.base, self.base
            )
        });
        mistakes.expect(self.factor.is_finite() && self.factor >= 1.0, setting, || {
            format!("has a factor of {}, so delays shrink; write at least 1", self.factor)
        });
    }
}

impl Default for Backoff {
    /// 50 ms, doubling up to 20 seconds, with full jitter.
    fn default() -> Self {
        Self::exponential(Self::DEFAULT_BASE, Self::DEFAULT_CAP)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millis(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
        range.prop_map(Duration::from_millis)
    }

    proptest! {
        #[test]
        fn no_delay_exceeds_the_cap_or_the_curve(
            base in millis(0..5_000),
            above in millis(0..60_000),
            factor in 1.0..5.0_f64,
            retry in 1..2_000_u32,
            seed: u64,
        ) {
            let cap = base + above;
            let backoff = Backoff::exponential(base, cap).factor(factor);
            let jitter = Jitter::seeded(seed);
            let curve = backoff.spread(Spread::None).delay(retry, &jitter);
            prop_assert!(curve <= cap && (retry > 1 || curve == base));
            prop_assert!(backoff.delay(retry, &jitter) <= curve);
            let equal = backoff.spread(Spread::Equal).delay(retry, &jitter);
            prop_assert!(equal <= curve && equal >= curve / 2);
        }

        #[test]
        fn the_curve_never_falls(retry in 1..200_u32, factor in 1.0..3.0_f64) {
            let backoff = Backoff::default().factor(factor);
            prop_assert!(backoff.bound(retry) <= backoff.bound(retry + 1));
        }
    }

    #[test]
    fn values_that_never_work_are_named() {
        let found = |backoff: Backoff| {
            let mut mistakes = Mistakes::default();
            backoff.check("retry.backoff", &mut mistakes);
            mistakes.into_result().map_err(|error| error.to_string())
        };
        let second = Duration::from_secs(1);
        assert_eq!(found(Backoff::default()), Ok(()));
        assert_eq!(
            found(Backoff::exponential(second, Duration::from_millis(10))).unwrap_err(),
            "`retry.backoff` has a cap of 10ms, below its base of 1s; write a cap of at least 1s"
        );
        for factor in [0.5, 0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(found(Backoff::default().factor(factor)).is_err(), "{factor}");
        }
    }

    /// The first delays of 10,000 requests under one policy: tower's are all equal, as its maker
    /// clones the random generator for each request.
    fn first_delays() -> Vec<f64> {
        let (backoff, shared) = (Backoff::default(), Jitter::seeded(20_261_128));
        let bound = backoff.bound(1).as_secs_f64();
        let delay = || backoff.delay(1, &shared.clone()).as_secs_f64() / bound;
        iter::repeat_with(delay).take(10_000).collect()
    }

    #[test]
    fn first_delays_of_many_requests_are_uniform() {
        let mut delays = first_delays();
        delays.sort_by(f64::total_cmp);
        let n = 10_000.0;
        let distance = delays.iter().zip(0_u32..).map(|(&delay, index)| {
            let index = f64::from(index);
            (delay - index / n).abs().max(((index + 1.0) / n - delay).abs())
        });
        let distance = distance.fold(0.0, f64::max);
        // The critical value of Kolmogorov and Smirnov for p = 0.01 is 1.628 / √n.
        println!("KS distance {distance:.5}, critical {:.5}", 1.628 / f64::sqrt(n));
        assert!(distance < 1.628 / f64::sqrt(n), "{distance}");
    }

    #[test]
    fn first_delays_of_many_requests_are_uncorrelated() {
        let delays = first_delays();
        for lag in 1..=10 {
            let correlation = correlation(delays.iter().copied(), delays.iter().copied().skip(lag));
            println!("lag {lag}: r = {correlation:.4}");
            assert!(correlation.abs() < 0.03, "lag {lag}: {correlation}");
        }
    }

    fn correlation(left: impl Iterator<Item = f64>, right: impl Iterator<Item = f64>) -> f64 {
        let pairs: Vec<_> = left.zip(right).map(|(x, y)| (x - 0.5, y - 0.5)).collect();
        let sum = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>();
        sum(|(x, y)| x * y) / (sum(|(x, _)| x * x) * sum(|(_, y)| y * y)).sqrt()
    }
}
