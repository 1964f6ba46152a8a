//! The state machine, driven by hand.

use proptest::prelude::*;

use super::*;
use crate::remote::bucket;

/// The digest of a network.
const NETWORK: u64 = 7;
const START: Mono = Mono::from_nanos(1);
const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);

fn after(seconds: u64) -> Mono {
    START.saturating_add(Duration::from_secs(seconds))
}

/// A fetch that is about to start will tell.
const fn asked(round: u64) -> Miss {
    Miss::Wait { round, has_begun: false }
}

/// A machine that has just fetched keys which are fresh for an hour.
fn fed() -> Machine {
    let mut machine = Machine::new(START, DAY);
    assert_eq!(machine.step(START), Step::Fetch);
    machine.succeeded(START, HOUR, true, 0);
    machine
}

#[test]
fn the_first_fetch_is_due_at_once_and_the_next_at_80_percent() {
    let mut machine = Machine::new(START, DAY);
    assert_eq!(machine.state(START), KeysState::Empty);
    assert_eq!(machine.step(START), Step::Fetch);
    machine.succeeded(START, HOUR, true, 0);
    assert_eq!(machine.step(START), Step::Sleep(Duration::from_secs(2_880)));
    assert_eq!(machine.step(after(2_879)), Step::Sleep(Duration::from_secs(1)));
    assert_eq!(machine.step(after(2_880)), Step::Fetch);
}

#[test]
fn keys_are_fresh_then_stale_then_expired() {
    let mut machine = fed();
    assert_eq!(machine.state(after(3_599)), KeysState::Fresh);
    let stale = KeysState::Stale { since: after(3_600) };
    assert_eq!(machine.state(after(3_600)), stale);
    assert_eq!(machine.step(after(3_600)), Step::Fetch);
    machine.failed(after(3_600), u64::MAX);
    assert_eq!(machine.state(after(3_600 + 86_399)), stale);
    assert_eq!(machine.step(after(3_600 + 86_400)), Step::Expire);
    assert_eq!(machine.state(after(3_600 + 86_400)), KeysState::Expired);
    assert_eq!(machine.step(after(3_600 + 86_400)), Step::Fetch);
    machine.succeeded(after(90_001), HOUR, true, 0);
    assert_eq!(machine.state(after(90_001)), KeysState::Fresh);
}

#[test]
fn the_pause_after_failures_doubles_up_to_a_minute() {
    let mut machine = Machine::new(START, DAY);
    let mut now = START;
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
        assert_eq!(machine.step(now), Step::Fetch);
        machine.failed(now, u64::MAX);
        let Step::Sleep(pause) = machine.step(now) else { panic!("it does not wait") };
        let expected = Duration::from_secs(seconds);
        assert!(pause <= expected && expected - pause < Duration::from_micros(1), "{pause:?}");
        now = now.saturating_add(pause);
    }
}

#[test]
fn a_success_makes_up_for_the_failures_before_it() {
    let mut machine = Machine::new(START, DAY);
    for second in 0..5 {
        machine.failed(after(second), u64::MAX);
    }
    machine.succeeded(after(5), HOUR, true, 0);
    machine.remember(1, after(5));
    assert_eq!(machine.missed(1, NETWORK, after(5)), Miss::Unknown);
    machine.failed(after(6), u64::MAX);
    let Step::Sleep(pause) = machine.step(after(6)) else { panic!("it does not wait") };
    assert!(pause <= FIRST_PAUSE, "{pause:?}");
}

#[test]
fn replicas_fetch_at_different_times() {
    let [early, late] = [u64::MAX, 0].map(|random| {
        let mut machine = Machine::new(START, DAY);
        machine.succeeded(START, HOUR, true, random);
        machine.step(START)
    });
    assert_eq!(late, Step::Sleep(HOUR * 4 / 5));
    let Step::Sleep(early) = early else { panic!("it does not wait") };
    assert!(early < HOUR * 71 / 100, "{early:?}");
}

#[test]
fn who_misses_a_key_while_a_fetch_is_under_way_waits_for_that_one() {
    let mut machine = Machine::new(START, DAY);
    assert_eq!(machine.step(START), Step::Fetch);
    assert_eq!(machine.missed(1, NETWORK, START), Miss::Wait { round: 1, has_begun: true });
    assert_eq!(machine.missed(2, NETWORK, START), Miss::Wait { round: 1, has_begun: true });
    machine.succeeded(START, HOUR, true, 0);
    // Only the first of these starts one, and all of them were there before it began.
    assert_eq!(machine.missed(3, NETWORK, after(1)), asked(2));
    assert_eq!(machine.missed(4, NETWORK, after(1)), asked(2));
    assert_eq!(machine.step(after(1)), Step::Fetch);
    assert_eq!(machine.missed(5, NETWORK, after(1)), Miss::Wait { round: 2, has_begun: true });
}

#[test]
fn the_moment_in_which_keys_become_stale_is_not_slept_through() {
    let mut machine = fed();
    machine.failed(after(3_570), u64::MAX);
    for second in 3_571..3_599 {
        machine.failed(after(second), u64::MAX);
    }
    assert_eq!(machine.step(after(3_599)), Step::Sleep(Duration::from_secs(1)));
    assert_eq!(machine.state(after(3_600)), KeysState::Stale { since: after(3_600) });
    let Step::Sleep(pause) = machine.step(after(3_600)) else { panic!("it does not wait") };
    assert!(pause > Duration::from_secs(50), "until the next fetch: {pause:?}");
}

#[test]
fn two_rotations_in_a_row_are_seen_and_then_the_bucket_is_empty() {
    let mut machine = fed();
    for (second, round) in [(1, 2), (2, 3)] {
        assert_eq!(machine.missed(second, NETWORK, after(second)), asked(round));
        machine.succeeded(after(second), HOUR, true, 0);
    }
    let wait = Duration::from_secs(28);
    assert_eq!(machine.missed(3, NETWORK, after(3)), Miss::Spent(wait));
    assert_eq!(machine.missed(3, NETWORK, after(31)), asked(4));
}

#[test]
fn an_id_that_was_asked_for_in_vain_takes_nothing_from_the_bucket() {
    let mut machine = fed();
    assert_eq!(machine.missed(1, NETWORK, after(1)), asked(2));
    machine.succeeded(after(1), HOUR, false, 0);
    machine.remember(1, after(1));
    assert_eq!(machine.missed(1, NETWORK, after(32)), Miss::Unknown);
    assert_eq!(machine.missed(2, NETWORK, after(32)), asked(3), "the bucket has a cell");
    machine.succeeded(after(32), HOUR, false, 0);
    assert_eq!(machine.missed(1, NETWORK, after(62)), asked(4), "it is forgotten after a minute");
}

#[test]
fn a_miss_that_cannot_be_decided_is_no_unknown_key() {
    let mut machine = fed();
    assert_eq!(machine.missed(1, NETWORK, after(1)), asked(2));
    machine.failed(after(1), u64::MAX);
    assert_eq!(machine.missed(2, NETWORK, after(1)), Miss::Failed);
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut machine = fed();
    for id in 0..1_000 {
        machine.remember(id, START);
        machine.remember(id, START);
    }
    assert_eq!(machine.missed.len(), REMEMBERED);
    assert!(machine.is_remembered(999, START) && !machine.is_remembered(0, START));
}

/// What happens to the machine in a test.
#[derive(Clone, Debug)]
enum Happening {
    Pass { millis: u64 },
    Missed { id: u64 },
    Succeeded { lifetime: u64, new: bool },
    Failed,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0_u64..100_000).prop_map(|millis| Happening::Pass { millis }),
        (0_u64..100_000_000).prop_map(|millis| Happening::Pass { millis }),
        (0_u64..200).prop_map(|id| Happening::Missed { id }),
        (300_u64..86_400, any::<bool>())
            .prop_map(|(lifetime, new)| Happening::Succeeded { lifetime, new }),
        Just(Happening::Failed),
    ]
}

#[test]
fn a_network_that_floods_takes_nothing_from_another_and_gets_no_answer_as_unknown() {
    let (mut machine, flood) = (fed(), 8);
    assert_eq!(machine.missed(1, flood, after(1)), asked(2));
    assert_eq!(machine.step(after(1)), Step::Fetch);
    machine.succeeded(after(1), HOUR, false, 0);
    assert!(matches!(machine.missed(2, flood, after(1)), Miss::Spent(_)));
    // Another network is heard, at the earliest a second after the last fetch.
    assert_eq!(machine.missed(3, NETWORK, after(1)), asked(3));
    assert_eq!(machine.step(after(1)), Step::Sleep(PAUSE));
    // The flood does not wait with it.
    assert!(matches!(machine.missed(4, flood, after(1)), Miss::Spent(_)));
    assert_eq!(machine.missed(5, 9, after(1)), asked(3));
    assert_eq!(machine.step(after(2)), Step::Fetch);
    machine.succeeded(after(2), HOUR, true, 0);
}

proptest! {
    #[test]
    fn whatever_happens_the_machine_goes_on_and_its_state_is_true(
        happenings in prop::collection::vec((happening(), any::<u64>()), 0..200),
    ) {
        let mut machine = Machine::new(START, DAY);
        let (mut now, mut fetching, mut fresh_until) = (START, false, None::<Mono>);
        for (happening, random) in happenings {
            match happening {
                Happening::Pass { millis } => {
                    now = now.saturating_add(Duration::from_millis(millis));
                }
                Happening::Missed { id } => {
                    if let Miss::Wait { .. } = machine.missed(id, NETWORK, now) {
                        let active = !matches!(machine.round, Round::Idle(_));
                        prop_assert!(active, "there is a fetch to wait for");
                    } else {
                        machine.remember(id, now);
                    }
                }
                Happening::Succeeded { lifetime, new } if fetching => {
                    let lifetime = Duration::from_secs(lifetime);
                    machine.succeeded(now, lifetime, new, random);
                    fresh_until = Some(now.saturating_add(lifetime));
                    fetching = false;
                }
                Happening::Failed if fetching => {
                    machine.failed(now, random);
                    fetching = false;
                }
                Happening::Succeeded { .. } | Happening::Failed => {}
            }
            if !fetching {
                match machine.step(now) {
                    Step::Expire => {
                        prop_assert_ne!(machine.step(now), Step::Expire, "it expires once");
                        fetching = machine.step(now) == Step::Fetch;
                    }
                    Step::Fetch => fetching = true,
                    Step::Sleep(pause) => {
                        prop_assert!(pause > Duration::ZERO, "it does not spin");
                        prop_assert!(pause <= DAY);
                    }
                }
            }
            let expected = match fresh_until {
                None => KeysState::Empty,
                Some(until) if now < until => KeysState::Fresh,
                Some(since) if now < since.saturating_add(DAY) => KeysState::Stale { since },
                Some(_) => KeysState::Expired,
            };
            prop_assert_eq!(machine.state(now), expected);
            prop_assert!(machine.missed.len() <= REMEMBERED);
        }
    }

    #[test]
    fn a_flood_of_made_up_ids_causes_no_two_fetches_within_30_seconds(
        pauses in prop::collection::vec(0_u64..5_000, 1..300),
        fails in any::<bool>(),
    ) {
        let mut machine = fed();
        let (mut now, mut last) = (START, None::<Mono>);
        for (id, pause) in (0_u64..).zip(pauses) {
            now = now.saturating_add(Duration::from_millis(pause));
            if let Miss::Wait { .. } = machine.missed(id, NETWORK, now) {
                let apart = last.is_none_or(|last| now.saturating_since(last) >= bucket::INTERVAL);
                prop_assert!(apart);
                last = Some(now);
                if fails {
                    machine.failed(now, u64::MAX);
                } else {
                    machine.succeeded(now, HOUR, false, 0);
                    machine.remember(id, now);
                }
            }
        }
    }

    #[test]
    fn the_next_fetch_lies_between_70_and_80_percent(
        lifetime in 300_u64..86_400,
        random in any::<u64>(),
    ) {
        let mut machine = Machine::new(START, DAY);
        prop_assert_eq!(machine.step(START), Step::Fetch);
        let lifetime = Duration::from_secs(lifetime);
        machine.succeeded(START, lifetime, true, random);
        let Step::Sleep(pause) = machine.step(START) else { panic!("it does not wait") };
        prop_assert!(pause >= lifetime * 7 / 10 && pause <= lifetime * 4 / 5);
    }
}
