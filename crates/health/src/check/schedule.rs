//! The schedule of a check. Pure: takes random bits, returns durations.

use std::time::Duration;

/// The first run starts within this time, so that a service is ready soon after its start.
const FIRST_WITHIN: Duration = Duration::from_millis(100);

/// The pauses before the runs of one check.
///
/// The first run starts soon, the second after a random part of the period, and each later run one
/// period after the previous one. The runs of replicas that a deployment started together, and of
/// the checks of one replica, therefore spread over the period and stay spread.
#[derive(Clone, Copy, Debug)]
pub(super) enum Schedule {
    First,
    Second,
    Later,
}

impl Schedule {
    /// The time from the start of the previous run, or of the task, to the start of the next run.
    pub(super) fn pause(&mut self, every: Duration, random: u64) -> Duration {
        match self {
            Self::First => {
                *self = Self::Second;
                part_of(every.min(FIRST_WITHIN), random)
            }
            Self::Second => {
                *self = Self::Later;
                part_of(every, random)
            }
            Self::Later => every,
        }
    }
}

/// Scales `random` to a part of `whole`: uniform over `0..=whole` if `random` is uniform over
/// `u64`.
fn part_of(whole: Duration, random: u64) -> Duration {
    let nanos = (whole.as_nanos().min(u128::from(u64::MAX)) * u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_run_comes_soon_the_second_within_a_period_and_then_they_are_regular(
            every in 1_u64..=u64::MAX,
            randoms in any::<[u64; 4]>(),
        ) {
            let every = Duration::from_nanos(every);
            let mut schedule = Schedule::First;
            let [first, second, third, fourth] =
                randoms.map(|random| schedule.pause(every, random));
            prop_assert!(first <= FIRST_WITHIN && first <= every);
            prop_assert!(second <= every);
            prop_assert_eq!(third, every);
            prop_assert_eq!(fourth, every);
        }
    }

    #[test]
    fn random_bits_spread_over_the_whole_period() {
        let every = Duration::from_secs(8);
        assert_eq!(part_of(every, 0), Duration::ZERO);
        assert_eq!(part_of(every, 1 << 63), Duration::from_secs(4));
        assert!(part_of(every, u64::MAX) > Duration::from_millis(7_999));
    }
}
