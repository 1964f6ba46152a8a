//! The algorithm against a bucket counted in fractions, and against governor.

use governor::{RateLimiter, clock::FakeRelativeClock};
use proptest::prelude::*;

use super::*;

const START: u64 = 1_000_000_000_000;

fn at(nanos: u64) -> Mono {
    Mono::from_nanos(START + nanos)
}

#[test]
fn a_full_bucket_serves_its_burst_and_no_more() {
    let quota = Quota::per_second(5).burst(3);
    let mut state = State::FULL;
    for left in [2, 1, 0] {
        let decision = decide(quota, state, at(0), 1);
        assert!(decision.allowed);
        assert_eq!(decision.remaining, left);
        state = decision.state;
    }
    let refused = decide(quota, state, at(0), 1);
    assert!(!refused.allowed);
    assert_eq!(refused.state, state, "a refusal costs nothing");
    assert_eq!(refused.retry_after, Some(Duration::from_millis(200)));
    assert_eq!(refused.full_after, Duration::from_millis(600));
}

#[test]
fn a_cost_above_the_burst_is_never_admitted_and_says_so() {
    let decision = decide(Quota::per_second(5).burst(3), State::FULL, at(0), 4);
    assert!(!decision.allowed);
    assert_eq!(decision.retry_after, None);
    assert_eq!(decision.remaining, 3);
}

#[test]
fn a_cost_of_nothing_looks_without_consuming() {
    let quota = Quota::per_second(5).burst(1);
    let used = decide(quota, State::FULL, at(0), 1).state;
    let look = decide(quota, used, at(0), 0);
    assert!(look.allowed);
    assert_eq!((look.remaining, look.state), (0, used));
}

#[test]
fn a_state_from_a_clock_that_was_stepped_back_locks_nobody_out_for_longer_than_a_bucket() {
    let quota = Quota::per_second(5).burst(3);
    let future = State::full_at(at(3_600_000_000_000));
    let decision = decide(quota, future, at(0), 1);
    assert_eq!(decision.retry_after, Some(Duration::from_millis(200)));
}

fn quotas() -> impl Strategy<Value = Quota> {
    (1_u32..2_000, 1_u64..100_000, 1_u32..50).prop_filter_map(
        "a quota",
        |(cells, millis, burst)| {
            Some(Quota::new(cells, Duration::from_millis(millis))?.burst(burst))
        },
    )
}

proptest! {
    /// In any span the admitted cells are at most the burst and what was replenished in it.
    #[test]
    fn no_span_admits_more_than_burst_and_rate(
        quota in quotas(),
        steps in proptest::collection::vec((0_u64..400_000_000, 1_u32..4), 1..200),
    ) {
        let mut state = State::FULL;
        let mut now = 0;
        let mut admitted: Vec<(u64, u64)> = Vec::new();
        for (pause, cost) in steps {
            now += pause;
            let decision = decide(quota, state, at(now), cost);
            state = decision.state;
            if decision.allowed {
                admitted.push((now, u64::from(cost)));
                let mut sum = 0_u128;
                for &(then, cells) in admitted.iter().rev() {
                    sum += u128::from(cells);
                    let allowed = u128::from(quota.tolerance()) + u128::from(now - then);
                    prop_assert!(sum * u128::from(quota.interval_nanos()) <= allowed);
                }
            }
        }
    }

    /// Waiting exactly as long as was said is enough, and a nanosecond less is not.
    #[test]
    fn retry_after_is_exact(
        quota in quotas(),
        pauses in proptest::collection::vec(0_u64..100_000_000, 1..60),
        cost in 1_u32..6,
    ) {
        let mut state = State::FULL;
        let mut now = 0;
        for pause in pauses {
            now += pause;
            let decision = decide(quota, state, at(now), cost);
            if let Some(wait) = decision.retry_after {
                let wait = u64::try_from(wait.as_nanos()).unwrap();
                prop_assert!(decide(quota, state, at(now + wait), cost).allowed);
                prop_assert!(!decide(quota, state, at(now + wait - 1), cost).allowed);
            }
            state = decision.state;
        }
    }

    /// The same decisions as governor's, whose arithmetic is independent of ours.
    #[test]
    fn governor_decides_the_same(
        interval in 1_u64..50_000_000,
        burst in 1_u32..20,
        pauses in proptest::collection::vec(0_u64..60_000_000, 1..300),
    ) {
        let clock = FakeRelativeClock::default();
        let theirs = governor::Quota::with_period(Duration::from_nanos(interval)).unwrap()
            .allow_burst(std::num::NonZeroU32::new(burst).unwrap());
        let oracle = RateLimiter::direct_with_clock(theirs, clock.clone());
        let ours = Quota::new(1, Duration::from_nanos(interval)).unwrap().burst(burst);
        let (mut state, mut now) = (State::FULL, 0);
        for pause in pauses {
            clock.advance(Duration::from_nanos(pause));
            now += pause;
            let decision = decide(ours, state, at(now), 1);
            state = decision.state;
            prop_assert_eq!(decision.allowed, oracle.check().is_ok(), "after {} ns", now);
        }
    }
}
