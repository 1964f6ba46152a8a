//! The pure parts of the breaker: by hand, beside a reference automaton, and under loom.

#[cfg(not(hardpoint_loom))]
mod automaton;
#[cfg(not(hardpoint_loom))]
mod by_hand;
#[cfg(hardpoint_loom)]
mod explored;

use std::time::Duration;

use super::{machine::Verdict, rules::Rules};

const SUCCESS: Option<Verdict> =
    Some(Verdict { failed: false, strikes: false, slow: false, hint: None });
const FAILURE: Option<Verdict> =
    Some(Verdict { failed: true, strikes: true, slow: false, hint: None });

/// Rules without triggers: each test sets those that it is about.
fn rules() -> Rules {
    Rules {
        consecutive: None,
        failure_rate: None,
        slow_rate: None,
        slow_after: Duration::from_secs(1),
        slow_nanos: 1_000_000_000,
        min_calls: 1,
        trial_calls: 1,
        trial_successes: 1,
        open_for: Duration::from_secs(1),
        open_at_most: Duration::from_secs(60),
        retry_after_at_most: Duration::from_secs(300),
        ramp_millis: 0,
        ramp_floor: 1,
    }
}
