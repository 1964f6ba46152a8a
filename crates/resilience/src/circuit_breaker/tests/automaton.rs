//! The machine beside a reference automaton, by random steps.
//!
//! The reference keeps a list of outcomes and plain fields: it has no word, no buckets, no tags and
//! no generations beyond a counter.

use hardpoint_core::{Mono, event::CircuitState};
use proptest::prelude::*;

use super::{
    super::{machine::*, rules::*, state::Phase, window::Sum},
    *,
};

const WINDOW: u64 = 160;
const TICK: u64 = WINDOW / 16;

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    Disabled,
    ForcedOpen,
    HalfOpen { in_flight: u8, succeeded: u8, failed: u8, last_admitted: u64 },
    Open { until: u64 },
    Ramping { since: u64, step: u64, admitted: u16 },
}

impl State {
    const fn public(self) -> CircuitState {
        match self {
            Self::Closed | Self::Ramping { .. } => CircuitState::Closed,
            Self::Disabled => CircuitState::Disabled,
            Self::ForcedOpen => CircuitState::ForcedOpen,
            Self::HalfOpen { .. } => CircuitState::HalfOpen,
            Self::Open { .. } => CircuitState::Open,
        }
    }
}

#[derive(Debug)]
struct Reference {
    rules: Rules,
    state: State,
    /// Counts the changes that make earlier calls stale.
    era: u64,
    /// The tick of each outcome of this era, and whether it failed and was slow.
    outcomes: Vec<(u64, bool, bool)>,
    row: u32,
    opens: u32,
    hint: u64,
    refused: u64,
    stale: u64,
}

impl Reference {
    fn new(rules: Rules) -> Self {
        Self {
            rules,
            state: State::Closed,
            era: 0,
            outcomes: Vec::new(),
            row: 0,
            opens: 0,
            hint: 0,
            refused: 0,
            stale: 0,
        }
    }

    fn go(&mut self, state: State) {
        self.state = state;
        self.era += 1;
        self.outcomes.clear();
        self.row = 0;
    }

    /// Waits for the doubled time less a drawn fifth, or for the hint and a drawn fifth.
    fn open(&mut self, now: u64, draw: u64) {
        let doubled = nanos(self.rules.open_for) << self.opens.min(20);
        let whole = doubled.min(nanos(self.rules.open_at_most));
        let mut wait = whole - drawn(whole / 5 + 1, draw);
        if self.hint > now {
            let left = ((self.hint - now) * 1_000_000).min(300_000_000_000);
            wait = wait.max(left + drawn(left / 5 + 1, draw));
        }
        self.opens += 1;
        self.go(State::Open { until: now + wait.div_ceil(1_000_000) });
    }

    /// Whether a call passes and is a trial, or when to come back.
    fn admit(&mut self, now: u64, draw: u64) -> Result<bool, Option<u64>> {
        let result = match self.state {
            State::Closed | State::Disabled => Ok(false),
            State::ForcedOpen => Err(None),
            State::Open { until } if now < until => Err(Some(until - now)),
            State::Open { .. } => {
                let (in_flight, succeeded, failed) = (1, 0, 0);
                self.go(State::HalfOpen { in_flight, succeeded, failed, last_admitted: now });
                Ok(true)
            }
            State::HalfOpen { ref mut in_flight, succeeded, failed, ref mut last_admitted } => {
                if *in_flight + succeeded + failed < self.rules.trial_calls {
                    *in_flight += 1;
                    *last_admitted = now;
                    Ok(true)
                } else if now / 1_000 - *last_admitted / 1_000
                    > millis(self.rules.slow_after).div_ceil(1_000)
                {
                    self.open(now, draw);
                    let State::Open { until } = self.state else { unreachable!() };
                    Err(Some(until - now))
                } else {
                    Err(Some(millis(self.rules.slow_after)))
                }
            }
            State::Ramping { since, .. } if now - since >= self.rules.ramp_millis => {
                self.state = State::Closed;
                self.opens = 0;
                Ok(false)
            }
            State::Ramping { since, ref mut step, ref mut admitted } => {
                let current = (now - since) * 10 / self.rules.ramp_millis;
                if current != *step {
                    (*step, *admitted) = (current, 0);
                }
                if *admitted < self.rules.ramp_floor {
                    *admitted += 1;
                    Ok(false)
                } else if drawn(10, draw) <= current {
                    Ok(false)
                } else {
                    Err(Some((self.rules.ramp_millis - (now - since)).div_ceil(10).max(1)))
                }
            }
        };
        self.refused += u64::from(result.is_err());
        result
    }

    fn record(&mut self, era: u64, verdict: Option<Verdict>, now: u64, draw: u64) {
        if era != self.era {
            self.stale += 1;
            return;
        }
        if let Some(hint) = verdict.and_then(|verdict| verdict.hint)
            && !matches!(self.state, State::Disabled)
        {
            self.hint = self.hint.max(now + millis(hint).min(300_000));
        }
        match self.state {
            State::Closed | State::Ramping { .. } => {
                let Some(verdict) = verdict else { return };
                self.outcomes.push((now / TICK, verdict.failed, verdict.slow));
                if verdict.strikes {
                    self.row += 1;
                } else if !verdict.failed {
                    self.row = 0;
                }
                if (verdict.failed || verdict.slow) && self.trips(verdict, now) {
                    self.open(now, draw);
                }
            }
            State::HalfOpen { ref mut in_flight, ref mut succeeded, ref mut failed, .. } => {
                *in_flight -= 1;
                let Some(verdict) = verdict else { return };
                if verdict.failed || verdict.slow {
                    *failed += 1;
                } else {
                    *succeeded += 1;
                }
                if *succeeded == self.rules.trial_successes {
                    self.hint = 0;
                    if self.rules.ramp_millis == 0 {
                        self.opens = 0;
                        self.go(State::Closed);
                    } else {
                        self.go(State::Ramping { since: now, step: 0, admitted: 0 });
                    }
                } else if *failed > self.rules.trial_calls - self.rules.trial_successes {
                    self.open(now, draw);
                }
            }
            _ => {}
        }
    }

    fn trips(&self, verdict: Verdict, now: u64) -> bool {
        let sum = self.sum(now);
        let share = |part: u64, rate: Option<u64>| {
            sum.calls >= u64::from(self.rules.min_calls)
                && rate.is_some_and(|rate| part * 1_000_000 >= rate * sum.calls)
        };
        verdict.strikes && self.rules.consecutive.is_some_and(|limit| self.row >= limit)
            || share(sum.failed, self.rules.failure_rate)
            || share(sum.slow, self.rules.slow_rate)
    }

    fn sum(&self, now: u64) -> Sum {
        let recent = self.outcomes.iter().filter(|(tick, ..)| tick + 16 > now / TICK);
        let count = |of: fn(&(u64, bool, bool)) -> bool| recent.clone().filter(|o| of(o)).count();
        Sum {
            calls: count(|_| true) as u64,
            failed: count(|outcome| outcome.1) as u64,
            slow: count(|outcome| outcome.2) as u64,
        }
    }
}

/// A number below `bound`, the same for both sides: so many millionths of it.
fn drawn(bound: u64, draw: u64) -> u64 {
    u64::try_from(u128::from(bound) * u128::from(draw) / 1_000_000).unwrap()
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Acquire,
    Advance(u64),
    Force(Phase),
    Settle(usize, Option<Verdict>),
}

fn steps() -> impl Strategy<Value = Step> {
    let hint = proptest::option::weighted(0.1, (0..400_000_u64).prop_map(Duration::from_millis));
    let verdict = (0..10_u8, any::<bool>(), hint).prop_map(|(kind, slow, hint)| match kind {
        0 => None,
        1..=4 => Some(Verdict { slow: slow && kind < 2, ..Verdict::default() }),
        5 => Some(Verdict { failed: true, strikes: false, slow, hint }),
        _ => Some(Verdict { failed: true, strikes: true, slow, hint }),
    });
    let phase = prop_oneof![
        2 => Just(Phase::Closed),
        1 => Just(Phase::Disabled),
        1 => Just(Phase::ForcedOpen)
    ];
    prop_oneof![
        40 => Just(Step::Acquire),
        10 => (0..25_u64).prop_map(Step::Advance),
        4 => (0..4_000_u64).prop_map(Step::Advance),
        1 => phase.prop_map(Step::Force),
        40 => (any::<usize>(), verdict).prop_map(|(which, verdict)| Step::Settle(which, verdict)),
    ]
}

prop_compose! {
    fn any_rules()(
        consecutive in proptest::option::of(1..6_u32),
        failure_rate in proptest::option::of(1..=1_000_000_u64),
        slow_rate in proptest::option::of(1..=1_000_000_u64),
        min_calls in 1..12_u32,
        trial_calls in 1..5_u8,
        successes in 0..5_u8,
        slow_after in 1..3_000_u64,
        open_for in 1..2_000_u64,
        ramp_millis in prop_oneof![Just(0), 10..5_000_u64],
        ramp_floor in 0..4_u16,
    ) -> Rules {
        Rules {
            consecutive,
            failure_rate,
            slow_rate,
            min_calls,
            trial_calls,
            trial_successes: successes.clamp(1, trial_calls),
            slow_after: Duration::from_millis(slow_after),
            open_for: Duration::from_millis(open_for),
            open_at_most: Duration::from_millis(open_for * 6),
            ramp_millis,
            ramp_floor,
            ..rules()
        }
    }
}

proptest! {
    #[test]
    fn the_machine_does_what_the_automaton_does(
        rules in any_rules(),
        steps in proptest::collection::vec((steps(), 0..1_000_000_u64), 1..400),
    ) {
        let machine = Machine::new(Duration::from_millis(WINDOW), rules.clone());
        let mut reference = Reference::new(rules.clone());
        let (mut now, mut held) = (50_000_u64, Vec::new());
        for (step, draw) in steps {
            let at = |millis| Mono::ZERO.saturating_add(Duration::from_millis(millis));
            let draws = |bound| drawn(bound, draw);
            let before = reference.state.public();
            let change = match step {
                Step::Advance(millis) => {
                    now += millis;
                    None
                }
                Step::Force(phase) => {
                    let change = machine.force(phase);
                    reference.hint = 0;
                    reference.go(match phase {
                        Phase::Disabled => State::Disabled,
                        Phase::ForcedOpen => State::ForcedOpen,
                        _ => State::Closed,
                    });
                    if phase == Phase::Closed {
                        reference.opens = 0;
                    }
                    change
                }
                Step::Acquire => {
                    let expected = reference.admit(now, draw);
                    match machine.admit(at(now), draws) {
                        Ok((ticket, change)) => {
                            prop_assert_eq!(expected, Ok(ticket.is_trial()));
                            held.push((ticket, reference.era));
                            change
                        }
                        Err(refused) => {
                            let after = refused.retry_after.map(millis);
                            prop_assert_eq!(expected, Err(after));
                            refused.change
                        }
                    }
                }
                Step::Settle(which, verdict) if !held.is_empty() => {
                    let (ticket, era) = held.swap_remove(which % held.len());
                    reference.record(era, verdict, now, draw);
                    machine.record(ticket, verdict, at(now), draws)
                }
                Step::Settle(..) => None,
            };
            let after = reference.state.public();
            let expected = (before != after).then_some(after);
            prop_assert_eq!(change.map(|change| change.to), expected);
            prop_assert_eq!(machine.phase().state(), after);
            prop_assert_eq!(machine.counted(at(now)), (reference.sum(now), reference.row));
            prop_assert_eq!(machine.totals(), (reference.refused, reference.stale));
            if let State::HalfOpen { in_flight, succeeded, failed, .. } = reference.state {
                prop_assert!(in_flight + succeeded + failed <= rules.trial_calls);
                let trials = held.iter().filter(|(_, era)| *era == reference.era).count();
                prop_assert_eq!(trials, usize::from(in_flight), "a permit leaked");
            }
        }
    }
}
