//! The delay before a request is tried again. Pure: the caller supplies the random number.

use std::time::Duration;

/// The longest delay before the second attempt. It doubles with each further one.
const FIRST: Duration = Duration::from_millis(500);
const MOST: Duration = Duration::from_secs(30);

/// The delay after this many attempts: at least what the collector asked for, otherwise between half
/// of the exponential delay and all of it, so that services which failed together do not return
/// together.
pub(super) fn delay(attempts: u32, asked: Option<Duration>, random: u32) -> Duration {
    let part = f64::from(random) / f64::from(u32::MAX);
    match asked {
        Some(asked) => asked.saturating_add(FIRST.mul_f64(part)),
        None => {
            let doublings = attempts.saturating_sub(1).min(16);
            let all = FIRST.saturating_mul(1 << doublings).min(MOST);
            all.mul_f64(0.5 + part / 2.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn delays_double_up_to_their_bound() {
        let most = |attempts| delay(attempts, None, u32::MAX).as_millis();
        assert_eq!([1, 2, 3, 6, 7, 1000].map(most), [500, 1000, 2000, 16_000, 30_000, 30_000]);
        assert_eq!(delay(1, None, 0), Duration::from_millis(250));
    }

    proptest! {
        #[test]
        fn a_delay_is_at_least_what_was_asked_for(attempts: u32, asked in 0..u64::MAX, random: u32) {
            let asked = Duration::from_millis(asked);
            let delay = delay(attempts, Some(asked), random);
            prop_assert!(delay >= asked && delay <= asked.saturating_add(FIRST));
        }
    }
}
