//! Whether to retry, and when: decided from facts, without a clock.

use std::time::Duration;

use hardpoint_core::{Mono, event::RetryStop as Stop};

use super::RetryTable;
use crate::{Backoff, Class, Jitter, RetryBudget, RetryHint, Withdrawal};

/// The part of a policy that decides.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) attempts: u32,
    pub(crate) backoff: Backoff,
    pub(crate) throttled_backoff: Backoff,
    pub(crate) table: RetryTable,
    pub(crate) max_retry_after: Duration,
    pub(crate) jitter: Jitter,
}

/// A call whose attempt has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) class: Class,
    pub(crate) hint: Option<RetryHint>,
    /// The number of the attempt, starting with 1.
    pub(crate) attempt: u32,
    /// Whether the request may be sent twice.
    pub(crate) repeatable: bool,
    pub(crate) now: Mono,
    pub(crate) deadline: Option<Mono>,
}

impl Rules {
    /// Decides whether to retry, and if so takes the retry out of the budget and returns the delay.
    pub(crate) fn decide(
        &self,
        ended: Ended,
        budget: &RetryBudget,
    ) -> Result<(Duration, Withdrawal), Stop> {
        if !self.table.allows(ended.class, ended.repeatable) {
            return Err(Stop::Policy);
        }
        if ended.attempt >= self.attempts {
            return Err(Stop::Attempts);
        }
        let asked = match ended.hint {
            Some(RetryHint::Never) => return Err(Stop::Hint),
            Some(RetryHint::After(asked)) if asked > self.max_retry_after => {
                return Err(Stop::Hint);
            }
            Some(RetryHint::After(asked)) => asked,
            None => Duration::ZERO,
        };
        let throttled = ended.class == Class::Throttled;
        let backoff = if throttled { &self.throttled_backoff } else { &self.backoff };
        // On top of the hint, because every caller that was refused now got the same one.
        let delay = asked.saturating_add(backoff.delay(ended.attempt, &self.jitter));
        if ended.deadline.is_some_and(|deadline| ended.now.saturating_add(delay) >= deadline) {
            return Err(Stop::Deadline);
        }
        // Last, because it is the only step that changes something.
        let withdrawal = budget.withdraw(ended.class, ended.now).ok_or(Stop::Budget)?;
        Ok((delay, withdrawal))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Mono = Mono::from_nanos(3_600_000_000_000);

    fn rules() -> Rules {
        Rules {
            attempts: 3,
            backoff: Backoff::default(),
            throttled_backoff: Backoff::exponential(
                Duration::from_secs(1),
                Duration::from_secs(20),
            ),
            table: RetryTable::default(),
            max_retry_after: Duration::from_secs(30),
            jitter: Jitter::seeded(1),
        }
    }

    fn failed() -> Ended {
        Ended {
            class: Class::Failed,
            hint: None,
            attempt: 1,
            repeatable: true,
            now: NOW,
            deadline: None,
        }
    }

    fn decide(rules: &Rules, ended: Ended) -> Result<Duration, Stop> {
        rules.decide(ended, &RetryBudget::unlimited()).map(|(delay, _)| delay)
    }

    fn hint(seconds: u64) -> Option<RetryHint> {
        Some(RetryHint::After(Duration::from_secs(seconds)))
    }

    #[test]
    fn each_reason_to_stop_is_named() {
        let rules = rules();
        for (ended, stop) in [
            (Ended { class: Class::Success, ..failed() }, Stop::Policy),
            (Ended { repeatable: false, ..failed() }, Stop::Policy),
            (Ended { attempt: 3, ..failed() }, Stop::Attempts),
            (Ended { hint: Some(RetryHint::Never), ..failed() }, Stop::Hint),
            (Ended { hint: hint(31), ..failed() }, Stop::Hint),
            (Ended { hint: hint(365 * 86_400), ..failed() }, Stop::Hint),
            (Ended { deadline: Some(NOW), ..failed() }, Stop::Deadline),
            (
                Ended {
                    hint: hint(3),
                    deadline: Some(NOW.saturating_add(Duration::from_secs(3))),
                    ..failed()
                },
                Stop::Deadline,
            ),
        ] {
            assert_eq!(decide(&rules, ended), Err(stop), "{ended:?}");
        }
        let empty = RetryBudget::ratio(0.0).reserve_per_second(0);
        assert_eq!(rules.decide(failed(), &empty).err(), Some(Stop::Budget));
    }

    #[test]
    fn a_hint_is_a_least_delay_with_jitter_on_top() {
        let rules = rules();
        let delays: Vec<_> = (0..100)
            .map(|_| decide(&rules, Ended { hint: hint(7), ..failed() }).unwrap())
            .collect();
        let (least, most) = (Duration::from_secs(7), Duration::from_millis(7_050));
        assert!(delays.iter().all(|delay| (least..=most).contains(delay)));
        assert!(delays.iter().max() > delays.iter().min(), "the same hint for everyone");
    }

    #[test]
    fn throttling_has_a_backoff_of_its_own() {
        let rules = rules();
        let throttled = Ended { class: Class::Throttled, repeatable: false, ..failed() };
        let longest = (0..100).map(|_| decide(&rules, throttled).unwrap()).max().unwrap();
        assert!(longest > Duration::from_millis(500), "{longest:?}");
    }

    proptest! {
        #[test]
        fn no_retry_comes_after_the_deadline(
            attempt in 1..5_u32,
            asked in proptest::option::of(0..40_000_u64),
            remaining in 0..10_000_u64,
            seed: u64,
        ) {
            let rules = Rules { jitter: Jitter::seeded(seed), attempts: 10, ..rules() };
            let deadline = NOW.saturating_add(Duration::from_millis(remaining));
            let hint = asked.map(Duration::from_millis).map(RetryHint::After);
            let ended = Ended { attempt, hint, deadline: Some(deadline), ..failed() };
            if let Ok(delay) = decide(&rules, ended) {
                prop_assert!(NOW.saturating_add(delay) < deadline);
                prop_assert!(hint.is_none_or(|hint| hint.after().unwrap() <= delay));
            }
        }
    }
}
