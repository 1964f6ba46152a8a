//! One property at a time.

use std::collections::BTreeSet;

use hardpoint_core::{Mono, event::CircuitState};
use proptest::prelude::*;

use super::{
    super::{machine::*, rules::*, state::*, window::*},
    *,
};
use crate::tally::Tally;

/// A draw that adds no jitter: waits are whole, hints exact.
const fn none(_bound: u64) -> u64 {
    0
}

fn at(millis: u64) -> Mono {
    Mono::ZERO.saturating_add(Duration::from_millis(millis))
}

fn machine(rules: Rules) -> Machine {
    Machine::new(Duration::from_secs(10), rules)
}

/// Makes calls that all end like this at once, until the circuit changes. Returns their number.
fn calls_until_change(machine: &Machine, verdict: Option<Verdict>, now: Mono) -> usize {
    (1..=100_000)
        .find(|_| {
            let (ticket, _) = machine.admit(now, none).expect("the circuit is closed");
            machine.record(ticket, verdict, now, none).is_some()
        })
        .expect("the circuit changes")
}

fn phases() -> impl Strategy<Value = Phase> {
    prop_oneof![
        Just(Phase::Closed),
        Just(Phase::Disabled),
        Just(Phase::ForcedOpen),
        (0..1_u64 << 17, any::<[u8; 3]>()).prop_map(|(since, [admitted, succeeded, failed])| {
            Phase::HalfOpen { since, admitted, succeeded, failed }
        }),
        (0..1_u64 << 41).prop_map(|until| Phase::Open { until }),
        (0..1_u64 << 28, 0..10_u8, 0..=RAMP_FLOOR_MAX)
            .prop_map(|(since, step, admitted)| Phase::Ramping { since, step, admitted }),
    ]
}

proptest! {
    #[test]
    fn a_word_holds_its_phase_and_generation(phase in phases(), generation in 0..1_u32 << 20) {
        let word = Word { generation, phase };
        prop_assert_eq!(Word::decode(word.encode()), word);
        prop_assert_eq!(Word::generation_in(word.encode()), generation);
        prop_assert_eq!(Word::is_closed(word.encode()), phase == Phase::Closed);
        let state = phase.state();
        let counts = state == CircuitState::Closed;
        prop_assert_eq!(Word::counts(word.encode()), counts);
    }

    #[test]
    fn the_bits_of_any_word_are_read_without_a_panic(bits: u64, now: u64, trials in 1..=255_u8) {
        let word = Word::decode(bits);
        let rules = Rules { trial_calls: trials, ramp_millis: 10_000, ..rules() };
        let _admission = admit(word, &rules, Mono::from_nanos(now), none);
    }

    #[test]
    fn no_wait_exceeds_its_cap_and_every_hint_is_kept(
        before: u32,
        hint in proptest::option::of(0..1_000_000_u64),
        drawn in 0..=1_000_u64,
    ) {
        let rules = rules();
        let hint = hint.map(Duration::from_millis);
        let wait = rules.open_for(before, hint, |bound| bound.saturating_sub(1) * drawn / 1_000);
        let whole = Duration::from_secs(60).min(Duration::from_secs(1 << before.min(6)));
        let asked = hint.map_or(Duration::ZERO, |hint| hint.min(rules.retry_after_at_most));
        prop_assert!(wait >= whole * 4 / 5 && wait >= asked, "{wait:?} {whole:?} {asked:?}");
        prop_assert!(wait <= whole.max(asked * 6 / 5), "{wait:?} {whole:?} {asked:?}");
    }

    #[test]
    fn a_window_sums_exactly_the_calls_of_its_ticks(
        steps in proptest::collection::vec((0..40_u64, 0..3_u32, any::<bool>(), any::<bool>()), 1..300),
    ) {
        // Ticks of 10 ms.
        let window = Window::new(Duration::from_millis(160));
        let (mut now, mut generation, mut seen) = (1_000_000, 7, Vec::new());
        for (advance, change, failed, slow) in steps {
            now += advance;
            if change == 0 {
                generation += 1;
            }
            let here = window.at(generation, at(now));
            window.call(here);
            window.bad_call(here, failed, slow);
            seen.push((now / 10, generation, failed, slow));
            let in_window = || seen.iter().filter(|(tick, of, ..)| {
                *of == generation && tick + 16 > now / 10
            });
            let count = |matches: fn(&(u64, u32, bool, bool)) -> bool| {
                in_window().filter(|call| matches(call)).count() as u64
            };
            let expected = Sum {
                calls: count(|_| true),
                failed: count(|call| call.2),
                slow: count(|call| call.3),
            };
            prop_assert_eq!(window.sum(generation, at(now)), expected);
        }
    }
}

#[test]
fn a_tick_is_a_sixteenth_of_the_window_after_a_year() {
    let window = Window::new(Duration::from_secs(10));
    let year = 365 * 86_400 * 1_000_000_000;
    for tick in [0, 1, 2, 1_000, year / 625_000_000] {
        let begin = tick * 625_000_000;
        assert_eq!(window.tick(Mono::from_nanos(begin)), tick);
        let before_end = begin + 625_000_000 - 625_000_000 / 400;
        assert_eq!(window.tick(Mono::from_nanos(before_end)), tick, "{tick}");
    }
}

#[test]
fn a_late_writer_does_not_overwrite_a_newer_bucket() {
    let window = Window::new(Duration::from_millis(160));
    window.call(window.at(3, at(1_000)));
    window.call(window.at(3, at(840)));
    window.call(window.at(2, at(1_000)));
    assert_eq!(window.sum(3, at(1_000)).calls, 1);
    // A bucket of long ago is taken over, even where the numbers have wrapped.
    window.call(window.at(3, at(1_000 + 160 * (1 << 23))));
    assert_eq!(window.sum(3, at(1_000 + 160 * (1 << 23))).calls, 1);
}

#[test]
fn a_tally_stops_at_its_maximum() {
    let tally = Tally::new();
    assert_eq!(tally.count(0), 0);
    assert_eq!(tally.add(9, |_| false), 1);
    assert_eq!((tally.count(9), tally.count(8)), (1, 0));
    tally.clear(8);
    assert_eq!(tally.count(9), 1);
    tally.clear(9);
    assert_eq!(tally.count(9), 0);
    assert_eq!(tally.add(7, |found| found == 9), 0, "a newer tag stays");
}

/// tower-resilience 0.14 needs as many failures as it has seen successes: its default window only
/// ever grows.
#[test]
fn a_million_successes_delay_the_trip_by_no_more_than_the_window() {
    let rules = Rules { failure_rate: Some(500_000), min_calls: 20, ..rules() };
    let machine = machine(rules);
    let mut nanos = 0;
    let mut call = |verdict| {
        nanos += 100_000; // 10,000 calls a second
        let now = Mono::from_nanos(nanos);
        let (ticket, _) = machine.admit(now, none).expect("the circuit is closed");
        machine.record(ticket, verdict, now, none).map(|change| change.reason)
    };
    for _ in 0..1_000_000 {
        assert_eq!(call(SUCCESS), None);
    }
    let failures = (1..=100_000).find(|_| call(FAILURE).is_some()).expect("it trips");
    println!(
        "failures until the trip after 1,000,000 successes: {failures} (window: 100,000 calls)"
    );
    // The window holds 100,000 calls: half of them must have failed.
    assert!((46_875..=50_000).contains(&failures), "{failures}");
}

#[test]
fn five_failures_in_a_row_open_a_circuit_that_has_seen_a_million_successes() {
    let rules = Rules { consecutive: Some(5), failure_rate: Some(500_000), ..rules() };
    let machine = machine(rules);
    for _ in 0..1_000_000 {
        let (ticket, _) = machine.admit(at(0), none).unwrap();
        assert_eq!(machine.record(ticket, SUCCESS, at(0), none), None);
    }
    assert_eq!(calls_until_change(&machine, FAILURE, at(0)), 5);
}

#[test]
fn a_success_ends_a_row_and_a_throttled_call_does_not() {
    let throttled = FAILURE.map(|verdict| Verdict { strikes: false, ..verdict });
    let machine = machine(Rules { consecutive: Some(3), ..rules() });
    let call = |verdict| {
        let (ticket, _) = machine.admit(at(0), none).unwrap();
        machine.record(ticket, verdict, at(0), none).map(|change| change.reason)
    };
    for verdict in [FAILURE, FAILURE, SUCCESS, FAILURE, throttled, FAILURE, throttled] {
        assert_eq!(call(verdict), None);
    }
    assert_eq!(call(FAILURE), Some(Reason::ConsecutiveFailures));
}

#[test]
fn each_trigger_opens_the_circuit_while_the_others_do_not() {
    let slow = SUCCESS.map(|verdict| Verdict { slow: true, ..verdict });
    let rules = Rules {
        consecutive: Some(50),
        failure_rate: Some(500_000),
        slow_rate: Some(800_000),
        min_calls: 20,
        ..rules()
    };
    // 20 calls of which half fail, in turns.
    let alternating = machine(rules.clone());
    let calls = (1..=100).find(|call| {
        let (ticket, _) = alternating.admit(at(0), none).unwrap();
        let verdict = if call % 2 == 0 { FAILURE } else { SUCCESS };
        let change = alternating.record(ticket, verdict, at(0), none);
        change.inspect(|change| assert_eq!(change.reason, Reason::FailureRate)).is_some()
    });
    assert_eq!(calls, Some(20));
    assert_eq!(calls_until_change(&machine(rules.clone()), slow, at(0)), 20);
    let few = Rules { min_calls: 1_000, ..rules };
    assert_eq!(calls_until_change(&machine(few), FAILURE, at(0)), 50);
}

#[test]
fn a_rate_is_compared_without_rounding() {
    for percent in 1..=100_u64 {
        let rules =
            Rules { failure_rate: Some(Rules::millionths(percent as f64 / 100.0)), ..rules() };
        let sum = |failed| Sum { calls: 100, failed, slow: 0 };
        assert_eq!(rules.trip(0, || sum(percent)), Some(Reason::FailureRate), "{percent} %");
        assert_eq!(rules.trip(0, || sum(percent - 1)), None, "{percent} %");
    }
}

#[test]
fn the_outcome_of_a_call_from_before_the_trip_decides_nothing_about_the_trial() {
    let machine = machine(Rules { consecutive: Some(1), trial_calls: 2, ..rules() });
    let (late_success, _) = machine.admit(at(0), none).unwrap();
    let (late_failure, _) = machine.admit(at(0), none).unwrap();
    assert_eq!(calls_until_change(&machine, FAILURE, at(0)), 1);
    let (trial, change) = machine.admit(at(1_000), none).unwrap();
    assert_eq!(change.map(|change| change.to), Some(CircuitState::HalfOpen));
    assert_eq!(machine.record(late_failure, FAILURE, at(1_000), none), None);
    assert_eq!(machine.record(late_success, SUCCESS, at(1_000), none), None);
    assert_eq!(machine.phase().state(), CircuitState::HalfOpen);
    assert_eq!(machine.totals().1, 2, "stale outcomes are counted");
    let change = machine.record(trial, SUCCESS, at(1_000), none);
    assert_eq!(change.map(|change| change.to), Some(CircuitState::Closed));
}

#[test]
fn waits_double_until_a_ramp_has_ended() {
    let rules = Rules { consecutive: Some(1), ramp_millis: 10_000, ..rules() };
    let machine = machine(rules);
    let mut now = 0;
    // Closes each time, and fails during the ramp.
    for wait in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
        calls_until_change(&machine, FAILURE, at(now));
        assert!(machine.admit(at(now + wait - 1), none).is_err(), "{wait}");
        now += wait;
        let (trial, _) = machine.admit(at(now), none).unwrap();
        let change = machine.record(trial, SUCCESS, at(now), none);
        assert_eq!(change.map(|change| change.to), Some(CircuitState::Closed));
    }
    // A whole ramp later the count starts anew.
    now += 10_000;
    calls_until_change(&machine, FAILURE, at(now));
    assert!(machine.admit(at(now + 999), none).is_err());
    assert!(machine.admit(at(now + 1_000), none).is_ok());
}

#[test]
fn a_hint_lengthens_the_wait_up_to_its_cap() {
    let failure = |hint| FAILURE.map(|verdict| Verdict { hint: Some(hint), ..verdict });
    for (hint, wait) in [(30, 30), (0, 1), (31_536_000, 300)] {
        let machine = machine(Rules { consecutive: Some(2), ..rules() });
        let (first, _) = machine.admit(at(0), none).unwrap();
        machine.record(first, failure(Duration::from_secs(hint)), at(0), none);
        calls_until_change(&machine, FAILURE, at(0));
        let refused = machine.admit(at(0), none).unwrap_err();
        assert_eq!(refused.retry_after, Some(Duration::from_secs(wait)), "{hint}");
    }
}

#[test]
fn a_ramp_passes_a_growing_share_and_the_first_calls_of_each_step() {
    let rules = Rules { consecutive: Some(1), ramp_millis: 10_000, ramp_floor: 20, ..rules() };
    let machine = machine(rules);
    calls_until_change(&machine, FAILURE, at(0));
    let (trial, _) = machine.admit(at(1_000), none).unwrap();
    machine.record(trial, SUCCESS, at(1_000), none);
    let mut drawn = 0_u64;
    let mut passed = |now| {
        let mut pass = |_| {
            drawn += 1;
            let drawn = drawn;
            machine.admit(at(now), move |bound| drawn % bound).is_ok()
        };
        (0..1_020).filter(|call| pass(*call)).count()
    };
    for step in 0..10 {
        assert_eq!(passed(1_000 + 1_000 * step as u64), 20 + 100 * (step + 1), "{step}");
    }
    assert_eq!(passed(11_000), 1_020, "the ramp is over");
}

#[test]
fn trial_calls_that_all_hang_open_the_circuit_again() {
    let rules = Rules { consecutive: Some(1), trial_calls: 2, ..rules() };
    let machine = machine(rules);
    calls_until_change(&machine, FAILURE, at(0));
    let (hung, _) = machine.admit(at(1_000), none).unwrap();
    let (_also_hung, _) = machine.admit(at(5_000), none).unwrap();
    assert_eq!(machine.admit(at(6_000), none).unwrap_err().change, None);
    let refused = machine.admit(at(7_000), none).unwrap_err();
    let change = refused.change.expect("the circuit opens");
    assert_eq!((change.to, change.reason), (CircuitState::Open, Reason::HangingTrials));
    assert_eq!(refused.retry_after, Some(Duration::from_secs(2)), "the second opening");
    assert_eq!(machine.record(hung, SUCCESS, at(7_000), none), None);
    assert_eq!(machine.phase().state(), CircuitState::Open);
}

#[test]
fn a_trial_is_not_hanging_before_it_has_taken_as_long_as_a_slow_call() {
    for slow_after in [100, 1_000, 1_900] {
        let slow_after = Duration::from_millis(slow_after);
        let rules = Rules { consecutive: Some(1), slow_after, ..rules() };
        let machine = machine(rules);
        calls_until_change(&machine, FAILURE, at(0));
        let admitted = 1_999;
        let (_trial, _) = machine.admit(at(admitted), none).unwrap();
        let hanging = |now: &u64| machine.admit(at(*now), none).unwrap_err().change.is_some();
        let waited = (admitted..).find(hanging).unwrap() - admitted;
        let waited = Duration::from_millis(waited);
        assert!(waited > slow_after, "{slow_after:?}: {waited:?}");
        assert!(waited <= slow_after + Duration::from_secs(2), "{slow_after:?}: {waited:?}");
    }
}

/// Another thread admitted the trial, or closed the circuit, since this thread read the clock.
#[test]
fn a_clock_reading_from_before_a_change_counts_as_no_time_since_it() {
    let rules = Rules { consecutive: Some(1), ramp_millis: 10_000, ramp_floor: 0, ..rules() };
    let machine = machine(rules);
    calls_until_change(&machine, FAILURE, at(0));
    let (trial, _) = machine.admit(at(5_000), none).unwrap();
    let refused = machine.admit(at(4_990), none).unwrap_err();
    assert_eq!(refused.change, None, "the trial has only begun");
    let change = machine.record(trial, SUCCESS, at(5_010), none);
    assert_eq!(change.map(|change| change.to), Some(CircuitState::Closed));
    // The first step passes a tenth of the calls: those that draw a 0.
    assert!(machine.admit(at(5_009), |_| 1).is_err(), "the ramp has only begun");
    assert!(matches!(machine.phase(), Phase::Ramping { .. }));
    // An idle weekend is not a late reading: the ramp is over.
    assert!(machine.admit(at(5_010 + 62 * 3_600_000), |_| 9).is_ok());
    assert_eq!(machine.phase(), Phase::Closed);
}

/// A permit of a half-open circuit that is dropped passes to the next call, a million times.
#[test]
fn a_million_dropped_trials_leak_no_permit() {
    let rules = Rules { consecutive: Some(1), trial_calls: 3, trial_successes: 3, ..rules() };
    let machine = machine(rules);
    calls_until_change(&machine, FAILURE, at(0));
    let jitter = crate::Jitter::seeded(15);
    let (now, mut held, mut dropped) = (at(1_000), Vec::new(), 0);
    while dropped < 1_000_000 {
        if jitter.below(2) == 0 {
            match machine.admit(now, none) {
                Ok((ticket, _)) => held.push(ticket),
                Err(_) => assert_eq!(held.len(), 3, "a permit is missing after {dropped} drops"),
            }
            assert!(held.len() <= 3);
        } else if let Some(last) = held.len().checked_sub(1) {
            let place = usize::try_from(jitter.below(last as u64 + 1)).unwrap();
            assert_eq!(machine.record(held.swap_remove(place), None, now, none), None);
            dropped += 1;
        }
    }
    for ticket in held {
        assert_eq!(machine.record(ticket, None, now, none), None);
    }
    let trials: Vec<_> = (0..3).map(|_| machine.admit(now, none).unwrap().0).collect();
    assert!(machine.admit(now, none).is_err());
    let changes: BTreeSet<_> = trials
        .into_iter()
        .filter_map(|ticket| machine.record(ticket, SUCCESS, now, none))
        .map(|change| change.to.as_str())
        .collect();
    assert_eq!(changes, BTreeSet::from(["closed"]));
}

#[test]
fn an_operator_overrides_every_state() {
    let machine = machine(Rules { consecutive: Some(1), ..rules() });
    let (in_flight, _) = machine.admit(at(0), none).unwrap();
    let change = machine.force(Phase::ForcedOpen).unwrap();
    assert_eq!((change.to, change.reason), (CircuitState::ForcedOpen, Reason::Operator));
    assert_eq!(machine.force(Phase::ForcedOpen), None, "nothing changed");
    assert_eq!(machine.admit(at(1_000_000), none).unwrap_err().retry_after, None);
    machine.force(Phase::Disabled);
    for _ in 0..10 {
        let (ticket, _) = machine.admit(at(0), none).unwrap();
        assert_eq!(machine.record(ticket, FAILURE, at(0), none), None);
    }
    machine.force(Phase::Closed);
    assert_eq!(machine.record(in_flight, FAILURE, at(0), none), None, "it started before");
    assert_eq!(machine.counted(at(0)), (Sum::default(), 0));
    assert_eq!(calls_until_change(&machine, FAILURE, at(0)), 1);
}
