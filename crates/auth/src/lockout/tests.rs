//! Properties of the pure decision.

use std::{num::NonZeroU32, time::Duration};

use hardpoint_core::event::AttemptLane;
use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_800_000_000_000;

fn nonzero(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn reserve(lane: &mut LaneState, limits: &LaneLimits, now: u64) -> Result<u64, Option<u64>> {
    lane.reserve(limits, now, 0).map_err(|full| full.wait)
}

#[test]
fn delays_double_up_to_the_longest_and_end_in_the_hard_stop() {
    let limits = LaneLimits::account().hard_stop(nonzero(20));
    let (mut lane, mut now, mut waits) = (LaneState::default(), NOW, Vec::new());
    for _ in 0..20 {
        let at = match reserve(&mut lane, &limits, now) {
            Ok(at) => at,
            Err(wait) => {
                waits.push(wait.unwrap() / 1_000);
                now += wait.unwrap();
                reserve(&mut lane, &limits, now).unwrap()
            }
        };
        lane.settle(&limits, now, at, Settled::Failed);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900, 900]);
    assert_eq!(reserve(&mut lane, &limits, now + 1_000_000), Err(None), "the hard stop");
    let year = 365 * 24 * 60 * 60 * 1_000;
    assert_eq!(reserve(&mut lane, &limits, now + year), Err(None), "time alone does not lift it");
}

#[test]
fn jitter_adds_up_to_a_quarter() {
    let limits = LaneLimits::account().free_attempts(nonzero(1));
    for (jitter, wait) in [(0, 1_000), (512, 1_125), (1_024, 1_250), (u16::MAX, 1_250)] {
        let mut lane = LaneState::default();
        let at = lane.reserve(&limits, NOW, jitter).unwrap();
        lane.settle(&limits, NOW, at, Settled::Failed);
        assert_eq!(
            lane.reserve(&limits, NOW, jitter),
            Err(Full { wait: Some(wait), is_busy: false })
        );
    }
}

#[test]
fn a_lane_that_only_open_attempts_fill_is_busy() {
    let limits = LaneLimits::account().free_attempts(nonzero(2));
    let mut lane = LaneState::default();
    let held = [(); 2].map(|()| reserve(&mut lane, &limits, NOW).unwrap());
    assert!(lane.reserve(&limits, NOW, 0).unwrap_err().is_busy);
    lane.settle(&limits, NOW, held[0], Settled::Failed);
    assert!(!lane.reserve(&limits, NOW, 0).unwrap_err().is_busy, "one has failed");
    lane.settle(&limits, NOW, held[1], Settled::Failed);
    assert!(!lane.reserve(&limits, NOW, 0).unwrap_err().is_busy);
}

#[test]
fn a_day_of_silence_forgets_failures_before_the_hard_stop() {
    let limits = LaneLimits::account();
    let mut lane = LaneState { failures: 50, last_at: NOW, next_at: NOW + 900_000, open: 0 };
    assert!(reserve(&mut lane, &limits, NOW + 1).is_err());
    let day = 24 * 60 * 60 * 1_000;
    assert!(reserve(&mut lane, &limits, NOW + day).is_ok());
    assert_eq!((lane.failures, lane.open), (0, 1));
}

#[test]
fn an_attempt_that_is_never_settled_becomes_a_failure() {
    let limits = LaneLimits::account();
    let mut lane = LaneState::default();
    let at = reserve(&mut lane, &limits, NOW).unwrap();
    let later = reserve(&mut lane, &limits, NOW + 60_000).unwrap();
    assert_eq!((lane.failures, lane.open), (1, 1));
    lane.settle(&limits, NOW + 60_000, at, Settled::Failed);
    assert_eq!((lane.failures, lane.open), (1, 1), "counted once");
    lane.settle(&limits, NOW + 60_001, later, Settled::Failed);
    assert_eq!((lane.failures, lane.open), (2, 0));
}

#[test]
fn an_unverified_attempt_leaves_nothing_behind() {
    let limits = LaneLimits::account();
    let mut lane = LaneState { failures: 7, last_at: NOW, next_at: NOW + 4_000, open: 0 };
    let at = reserve(&mut lane, &limits, NOW + 4_000).unwrap();
    assert!(reserve(&mut lane, &limits, NOW + 4_000).is_err());
    lane.settle(&limits, NOW + 4_001, at, Settled::Unverified);
    assert!(reserve(&mut lane, &limits, NOW + 4_001).is_ok(), "the owner does not wait again");
    assert_eq!(lane.failures, 7);
}

#[test]
fn a_success_of_the_account_gives_back_what_the_network_took() {
    let limits = Limits::new().network(Some(Rate::new(nonzero(2), Duration::from_secs(3_600))));
    let mut lanes = Lanes { network: Some(Pace::default()), ..Lanes::default() };
    for _ in 0..10 {
        let ticket = lanes.reserve(&limits, NOW, 0).unwrap();
        lanes.settle(&limits, NOW, ticket, Settled::Succeeded);
    }
    for _ in 0..2 {
        let ticket = lanes.reserve(&limits, NOW, 0).unwrap();
        lanes.settle(&limits, NOW, ticket, Settled::Failed);
        // Another account, or the account's lane would refuse.
        lanes.account = LaneState::default();
    }
    let denied = lanes.reserve(&limits, NOW, 0).unwrap_err();
    assert_eq!((denied.lane, denied.wait), (AttemptLane::Network, Some(1_800_000)));
    assert_eq!(lanes.account, LaneState::default(), "a refusal is counted nowhere");
}

#[test]
fn a_known_device_is_kept_out_neither_by_the_account_nor_by_a_flood() {
    let limits = Limits::new();
    let stopped = LaneState { failures: 100, last_at: NOW, ..LaneState::default() };
    let full = Pace { replenished_at: u64::MAX };
    let device = Some(LaneState::default());
    let devices = LaneState::default();
    let mut lanes = Lanes { account: stopped, device, devices, network: Some(full), global: full };
    let before = lanes;
    for _ in 0..5 {
        let ticket = lanes.reserve(&limits, NOW, 0).unwrap();
        assert_eq!(ticket.lane, AttemptLane::Device);
        lanes.settle(&limits, NOW, ticket, Settled::Failed);
    }
    let wait = lanes.reserve(&limits, NOW, 0);
    let denied = Denied { lane: AttemptLane::Device, wait: Some(1_000), is_busy: false };
    assert_eq!(wait, Err(denied), "a stolen cookie has five guesses");
    assert_eq!(Lanes { device, devices, ..lanes }, before, "no other lane has changed");

    lanes.device = Some(LaneState { failures: 10, last_at: NOW, ..LaneState::default() });
    let denied = lanes.reserve(&limits, NOW, 0).unwrap_err();
    let locked = Denied { lane: AttemptLane::Account, wait: None, is_busy: false };
    assert_eq!(denied, locked, "then it is unknown");
}

#[test]
fn a_rate_admits_its_burst_and_then_its_rate() {
    let rate = Rate::new(nonzero(10), Duration::from_secs(1)).burst(nonzero(3));
    let mut pace = Pace::default();
    for _ in 0..3 {
        assert_eq!(pace.wait(&rate, NOW), 0);
        pace.take(&rate, NOW);
    }
    assert_eq!(pace.wait(&rate, NOW), 100);
    assert_eq!(pace.wait(&rate, NOW + 100), 0);
    pace.put_back(&rate);
    assert_eq!(pace.wait(&rate, NOW), 0);
}

#[test]
fn a_clock_that_is_set_back_extends_no_wait() {
    let limits = Limits::new();
    let (mut lanes, year) = (Lanes { network: Some(Pace::default()), ..Lanes::default() }, NOW * 2);
    for _ in 0..100 {
        if let Ok(ticket) = lanes.reserve(&limits, year, 0) {
            lanes.settle(&limits, year, ticket, Settled::Failed);
        }
        lanes.account.next_at = 0;
    }
    lanes.account.next_at = year + 900_000;
    let denied = lanes.reserve(&limits, NOW, 0).unwrap_err();
    assert_eq!(denied.wait, None, "the hard stop is not lifted");
    lanes.account.failures = 99;
    let denied = lanes.reserve(&limits, NOW, 0).unwrap_err();
    assert_eq!(denied.wait, Some(1_125_000), "the longest delay");
    lanes.account = LaneState::default();
    let denied = lanes.reserve(&limits, NOW, 0).unwrap_err();
    assert_eq!((denied.lane, denied.wait), (AttemptLane::Network, Some(6_000)));
    assert!(lanes.reserve(&limits, NOW + 6_000, 0).is_ok());
}

/// A step of a history: the milliseconds that pass, and what happens then.
type Step = (u64, Option<(prop::sample::Index, Settled)>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let settled = prop_oneof![
        4 => Just(Settled::Failed),
        1 => Just(Settled::Unverified),
    ];
    let settle = prop::option::of((any::<prop::sample::Index>(), settled));
    let passes = prop_oneof![3 => Just(0_u64), 2 => 1_u64..2_000, 1 => 10_000_u64..100_000];
    prop::collection::vec((passes, settle), 1..400)
}

proptest! {
    /// With any attempts open, settled or abandoned, no more guesses are checked at once than
    /// are free, and
    /// never more in a row than the hard stop, unless one is right.
    #[test]
    fn guesses_never_exceed_the_limits(history in steps(), free in 1_u32..6, stop in 6_u32..12) {
        let limits = LaneLimits::account().free_attempts(nonzero(free)).hard_stop(nonzero(stop));
        let (mut lane, mut now, mut open) = (LaneState::default(), NOW, Vec::new());
        // The guesses that were or may have been checked.
        let (mut checked, mut last) = (0_u32, 0);
        for (passes, settle) in history {
            now += passes;
            match settle {
                None => if let Ok(at) = reserve(&mut lane, &limits, now) {
                    let paused = now - last;
                    let delay = checked.checked_sub(free).map_or(0, |exponent| 1_000 << exponent.min(9));
                    prop_assert!(paused >= delay, "{checked} checked, and {paused} ms later another");
                    (checked, last) = (checked + 1, now);
                    open.push(at);
                },
                Some((which, settled)) if !open.is_empty() => {
                    let at = open.swap_remove(which.index(open.len()));
                    lane.settle(&limits, now, at, settled);
                    // One that comes too late was counted as a failure.
                    if settled == Settled::Unverified && now < at + 60_000 {
                        checked -= 1;
                        // The next may come at once only if it was the last.
                        last = 0;
                    }
                }
                Some(_) => {}
            }
            prop_assert!(checked <= stop, "{checked} of {stop}");
        }
    }
}
