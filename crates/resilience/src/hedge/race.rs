//! Which of two attempts is returned: a pure table.

use crate::{Class, RetryHint};

/// The state of the other attempt when one ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Other {
    /// It was not sent, or a policy of this process refused it.
    Absent,
    /// It has failed.
    Failed,
    /// It is in flight.
    InFlight,
}

/// What happens to a call when one of its attempts has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Both attempts have failed: one of the failures is returned.
    Choose,
    /// The attempt that has ended is returned, and the other one is dropped.
    Return,
    /// The other attempt may still succeed: the failure is kept.
    Wait,
}

/// Whether the destination has answered: a success, or a rejection that a second attempt would get
/// too.
pub(super) const fn is_answer(class: Class) -> bool {
    matches!(class, Class::Success | Class::Rejected)
}

/// Decides when an attempt has ended with `class`.
pub(super) const fn decide(class: Class, other: Other) -> Verdict {
    match (is_answer(class), other) {
        (true, _) | (false, Other::Absent) => Verdict::Return,
        (false, Other::InFlight) => Verdict::Wait,
        (false, Other::Failed) => Verdict::Choose,
    }
}

/// Whether the later of two failures is returned rather than the earlier one: only if it asks for a
/// longer delay, which a retry further out then respects.
pub(super) fn prefers_later(earlier: Option<RetryHint>, later: Option<RetryHint>) -> bool {
    let Some(later) = later else { return false };
    let Some(earlier) = earlier else { return true };
    match (earlier.after(), later.after()) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(earlier), Some(later)) => later > earlier,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_ending_has_its_verdict() {
        use Class::{Failed, NotSent, Rejected, Shed, Success, Throttled, TimedOut, Unavailable};

        for class in [Success, Rejected] {
            for other in [Other::Absent, Other::Failed, Other::InFlight] {
                assert_eq!(decide(class, other), Verdict::Return, "{class:?}, {other:?}");
            }
        }
        for class in [Failed, NotSent, Shed, Throttled, TimedOut, Unavailable] {
            assert_eq!(decide(class, Other::Absent), Verdict::Return, "{class:?}");
            assert_eq!(decide(class, Other::InFlight), Verdict::Wait, "{class:?}");
            assert_eq!(decide(class, Other::Failed), Verdict::Choose, "{class:?}");
        }
    }

    #[test]
    fn the_failure_that_asks_for_more_time_is_returned() {
        let after = |seconds| Some(RetryHint::After(Duration::from_secs(seconds)));
        let never = Some(RetryHint::Never);
        for (earlier, later, expected) in [
            (None, None, false),
            (None, after(0), true),
            (after(1), None, false),
            (after(1), after(1), false),
            (after(1), after(2), true),
            (after(9), never, true),
            (never, after(9), false),
            (never, never, false),
        ] {
            assert_eq!(prefers_later(earlier, later), expected, "{earlier:?}, {later:?}");
        }
    }
}
