use std::time::Duration;

use proptest::prelude::*;

use super::{
    Check, Checks,
    codes::Codes,
    state::{State, Status, Thresholds},
};
use crate::error::Mistake;

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![Just(Status::Unknown), Just(Status::Up), Just(Status::Down)]
}

prop_compose! {
    fn state()(
        status in status(),
        streak in any::<u8>(),
        code in 0_u8..16,
        took_ms in any::<u16>(),
        since in any::<u32>(),
    ) -> State {
        State { status, streak, code, took_ms, since }
    }
}

/// The states after each of these results. Results arrive one per second, starting at second 1.
fn run(thresholds: Thresholds, passes: &[bool]) -> Vec<State> {
    let mut state = State::START;
    (1..)
        .zip(passes)
        .map(|(second, pass)| {
            let result = if *pass { Ok(()) } else { Err(1) };
            state = state.after(thresholds, result, 7, second);
            state
        })
        .collect()
}

/// The status that the rules require, computed from the whole history instead of a streak.
fn expected(thresholds: Thresholds, history: &[bool]) -> Status {
    let all_of_last = |count: u8, pass: bool, history: &[bool]| {
        let count = usize::from(count);
        history.len() >= count && history.iter().rev().take(count).all(|p| *p == pass)
    };
    let mut status = Status::Unknown;
    let mut since = 0;
    for end in 1..=history.len() {
        let seen = &history[since..end];
        let next = match status {
            Status::Unknown if history[end - 1] => Status::Up,
            Status::Unknown | Status::Up if all_of_last(thresholds.fail_after, false, seen) => {
                Status::Down
            }
            Status::Down if all_of_last(thresholds.recover_after, true, seen) => Status::Up,
            unchanged => unchanged,
        };
        if next != status {
            status = next;
            since = end;
        }
    }
    status
}

proptest! {
    #[test]
    fn a_state_survives_its_word(state in state()) {
        prop_assert_eq!(State::unpack(state.pack()), state);
    }

    #[test]
    fn the_status_follows_the_last_results_in_a_row(
        fail_after in 1_u8..5,
        recover_after in 1_u8..5,
        passes in prop::collection::vec(any::<bool>(), 1..60),
    ) {
        let thresholds = Thresholds { fail_after, recover_after };
        for (count, state) in (1..).zip(run(thresholds, &passes)) {
            prop_assert_eq!(state.status, expected(thresholds, &passes[..count]));
        }
    }

    #[test]
    fn since_moves_with_the_status_and_at_no_other_time(
        fail_after in 1_u8..5,
        recover_after in 1_u8..5,
        passes in prop::collection::vec(any::<bool>(), 1..60),
    ) {
        let mut before = State::START;
        let states = run(Thresholds { fail_after, recover_after }, &passes);
        for (second, state) in (1..).zip(states) {
            let since = if state.status == before.status { before.since } else { second };
            prop_assert_eq!(state.since, since);
            before = state;
        }
    }

    #[test]
    fn a_code_is_shown_while_it_matters(
        passes in prop::collection::vec(any::<bool>(), 1..60),
    ) {
        let states = run(Thresholds { fail_after: 2, recover_after: 2 }, &passes);
        for (pass, state) in passes.iter().zip(states) {
            let healthy = state.status == Status::Up && *pass;
            prop_assert_eq!(state.code == 0, healthy);
        }
    }

    #[test]
    fn the_longest_streaks_do_not_wrap_around(state in state(), pass in any::<bool>()) {
        let thresholds = Thresholds { fail_after: 255, recover_after: 255 };
        let result = if pass { Ok(()) } else { Err(1) };
        let after = state.after(thresholds, result, 0, 0);
        prop_assert!(after.streak == 0 || after.streak > state.streak);
    }
}

#[test]
fn codes_are_numbered_as_they_come_up_and_bounded() {
    const NAMES: [&str; 16] =
        ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"];
    let codes = Codes::default();
    assert_eq!(codes.code(0), None);
    assert_eq!(codes.code(1), None);
    let numbers = NAMES.map(|name| codes.number(name));
    assert_eq!(numbers, NAMES.map(|name| codes.number(name)));
    for (name, number) in NAMES.iter().zip(numbers) {
        let shown = if *name < "o" { name } else { "other" };
        assert_eq!(codes.code(number), Some(shown));
        assert!(number < 16, "a code fits into four bits");
    }
}

#[test]
fn every_mistake_is_listed_at_once() {
    let check = |name: &'static str| Check::new(name, || async { Ok(()) });
    let error = Checks::builder()
        .add_check(check("dup"))
        .add_check(check("").every(Duration::ZERO))
        .add_check(check("dup").timeout(Duration::ZERO).fail_after(0))
        .add_check(check("slow").timeout(Duration::from_secs(5)))
        .add_check(check("dup").recover_after(0))
        .build()
        .unwrap_err();
    let zero_threshold = |setter| Mistake::ZeroThreshold { check: "dup".into(), setter };
    let not_shorter = |check: &str, every| Mistake::TimeoutNotShorter {
        check: check.into(),
        timeout: Duration::from_secs(if every == 0 { 1 } else { 5 }),
        every: Duration::from_secs(every),
    };
    assert_eq!(
        error.mistakes(),
        [
            Mistake::EmptyName,
            Mistake::ZeroPeriod { check: "".into() },
            not_shorter("", 0),
            Mistake::ZeroTimeout { check: "dup".into() },
            zero_threshold("fail_after"),
            not_shorter("slow", 5),
            zero_threshold("recover_after"),
            Mistake::DuplicateName { name: "dup".into() },
        ]
    );
    let text = error.to_string();
    assert!(text.starts_with("a check has an empty name; name it after"));
    assert!(text.ends_with("two checks are named `dup`; give each check a different name"));
}

#[test]
fn the_defaults_fit_together() {
    let checks = Checks::builder().add_check(Check::new("a", || async { Ok(()) }));
    assert_eq!(checks.build().unwrap().len(), 1);
    assert_eq!(Checks::builder().build().unwrap().len(), 0);
}
