//! Interleavings of the word, the window and the tallies, explored by loom.

use std::sync::Arc;

use hardpoint_core::{Mono, event::CircuitState};

use super::{
    super::{machine::*, rules::*, state::Phase, window::Sum},
    *,
};
use crate::tally::Tally;

const fn none(_bound: u64) -> u64 {
    0
}

fn at(millis: u64) -> Mono {
    Mono::ZERO.saturating_add(Duration::from_millis(millis))
}

fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

fn machine(rules: Rules) -> Arc<Machine> {
    Arc::new(Machine::new(Duration::from_secs(10), rules))
}

/// A circuit that opened at 0 and may be tried at 1,000.
fn open(rules: Rules) -> Arc<Machine> {
    let machine = machine(Rules { consecutive: Some(1), ..rules });
    let (ticket, _) = machine.admit(at(0), none).unwrap();
    assert!(machine.record(ticket, FAILURE, at(0), none).is_some());
    machine
}

#[test]
fn explored_tallies_lose_no_count_when_a_tag_begins() {
    explore(|| {
        let tally = Arc::new(Tally::new());
        tally.add(1, |_| false);
        let twin = Arc::clone(&tally);
        let other = loom::thread::spawn(move || twin.add(2, |found| found > 2));
        tally.add(2, |found| found > 2);
        other.join().unwrap();
        assert_eq!(tally.count(2), 2);
    });
}

#[test]
fn explored_tallies_drop_what_comes_too_late() {
    explore(|| {
        let tally = Arc::new(Tally::new());
        let twin = Arc::clone(&tally);
        let late = loom::thread::spawn(move || twin.add(1, |found| found > 1));
        tally.add(2, |found| found > 2);
        late.join().unwrap();
        assert_eq!(tally.count(2), 1);
    });
}

#[test]
fn explored_failures_of_two_threads_open_the_circuit_once() {
    for rules in [
        Rules { failure_rate: Some(1_000_000), min_calls: 2, ..rules() },
        Rules { consecutive: Some(2), ..rules() },
    ] {
        explore(move || {
            let machine = machine(rules.clone());
            let twin = Arc::clone(&machine);
            let (ours, theirs) =
                (machine.admit(at(0), none).unwrap().0, machine.admit(at(0), none).unwrap().0);
            // In different buckets, so that no read of one cell sees both.
            let other = loom::thread::spawn(move || twin.record(theirs, FAILURE, at(5_100), none));
            let change = machine.record(ours, FAILURE, at(0), none);
            let changes = [change, other.join().unwrap()];
            assert_eq!(changes.iter().flatten().count(), 1, "{changes:?}");
            assert_eq!(machine.phase().state(), CircuitState::Open);
        });
    }
}

#[test]
fn explored_half_open_circuits_pass_no_more_than_their_trial_calls() {
    explore(|| {
        let machine = open(Rules { trial_calls: 2, trial_successes: 2, ..rules() });
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let machine = Arc::clone(&machine);
                loom::thread::spawn(move || machine.admit(at(1_000), none).is_ok())
            })
            .collect();
        let ours = machine.admit(at(1_000), none).is_ok();
        let passed = threads.into_iter().filter(|_| true).map(|thread| thread.join().unwrap());
        let passed = passed.chain([ours]).filter(|passed| *passed).count();
        assert_eq!(passed, 2);
    });
}

#[test]
fn explored_trials_end_in_one_transition() {
    for (first, second, end) in [
        (SUCCESS, SUCCESS, CircuitState::Closed),
        (SUCCESS, FAILURE, CircuitState::Open),
        (FAILURE, FAILURE, CircuitState::Open),
    ] {
        explore(move || {
            let machine = open(Rules { trial_calls: 2, trial_successes: 2, ..rules() });
            let (ours, theirs) = (
                machine.admit(at(1_000), none).unwrap().0,
                machine.admit(at(1_000), none).unwrap().0,
            );
            let twin = Arc::clone(&machine);
            let other = loom::thread::spawn(move || twin.record(theirs, second, at(1_000), none));
            let changes = [machine.record(ours, first, at(1_000), none), other.join().unwrap()];
            assert_eq!(changes.iter().flatten().count(), 1, "{changes:?}");
            assert_eq!(machine.phase().state(), end);
        });
    }
}

#[test]
fn explored_permits_of_dropped_trials_come_back() {
    explore(|| {
        let machine = open(rules());
        let (dropped, _) = machine.admit(at(1_000), none).unwrap();
        let twin = Arc::clone(&machine);
        let other =
            loom::thread::spawn(move || twin.admit(at(1_000), none).map(|(ticket, _)| ticket));
        machine.record(dropped, None, at(1_000), none);
        if let Ok(ticket) = other.join().unwrap() {
            machine.record(ticket, None, at(1_000), none);
        }
        assert!(machine.admit(at(1_000), none).is_ok());
        assert!(machine.admit(at(1_000), none).is_err());
    });
}

#[test]
fn explored_outcomes_are_not_counted_after_a_reset() {
    explore(|| {
        let machine = machine(Rules { failure_rate: Some(1_000_000), min_calls: 9, ..rules() });
        let (ticket, _) = machine.admit(at(0), none).unwrap();
        let twin = Arc::clone(&machine);
        let operator = loom::thread::spawn(move || twin.force(Phase::Closed));
        machine.record(ticket, FAILURE, at(0), none);
        operator.join().unwrap();
        assert_eq!(machine.counted(at(0)), (Sum::default(), 0));
        // A call of the new generation counts, also after the late one.
        let (ticket, _) = machine.admit(at(0), none).unwrap();
        machine.record(ticket, FAILURE, at(0), none);
        assert_eq!(machine.counted(at(0)).0.failed, 1);
    });
}

#[test]
fn explored_ramps_do_not_hide_a_trip() {
    explore(|| {
        let machine = open(Rules { ramp_millis: 10_000, ramp_floor: 5, ..rules() });
        let (trial, _) = machine.admit(at(1_000), none).unwrap();
        machine.record(trial, SUCCESS, at(1_000), none);
        let (ticket, _) = machine.admit(at(1_000), none).unwrap();
        let twin = Arc::clone(&machine);
        let other = loom::thread::spawn(move || twin.admit(at(2_500), none).is_ok());
        let change = machine.record(ticket, FAILURE, at(2_000), none);
        assert_eq!(change.map(|change| change.to), Some(CircuitState::Open));
        other.join().unwrap();
        assert_eq!(machine.phase().state(), CircuitState::Open);
    });
}
