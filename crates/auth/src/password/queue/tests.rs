//! Fairness and bounds, by example and over random histories.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn stranger(client: u64) -> Seat {
    Seat { client, is_known: false }
}

fn known(client: u64) -> Seat {
    Seat { client, is_known: true }
}

fn queue(at_once: usize, waiting: usize, per_client: usize) -> Queue<u64> {
    Queue::new(Bounds { at_once, waiting, per_client })
}

/// Ends the running callers, `turns` times, and returns the callers that ran next.
fn served(queue: &mut Queue<u64>, mut runs: Seat, turns: usize) -> Vec<u64> {
    let mut order = Vec::new();
    for _ in 0..turns {
        let Some((seat, waiter)) = queue.finish(runs) else { break };
        order.push(waiter);
        runs = seat;
    }
    order
}

#[test]
fn clients_take_turns_however_many_callers_they_have() {
    let mut queue = queue(1, 100, 100);
    assert_eq!(queue.arrive(stranger(1), 0), Arrival::Runs);
    for caller in 0..30 {
        queue.arrive(stranger(1), 100 + caller);
        queue.arrive(stranger(2), 200 + caller);
    }
    queue.arrive(stranger(3), 300);
    queue.arrive(stranger(3), 301);
    let order = served(&mut queue, stranger(1), 7);
    assert_eq!(order, [100, 200, 300, 101, 201, 301, 102]);
}

#[test]
fn known_devices_get_every_second_turn() {
    let mut queue = queue(1, 100, 100);
    queue.arrive(stranger(1), 0);
    for client in 0..50 {
        queue.arrive(stranger(client), client);
    }
    queue.arrive(known(1), 1000);
    queue.arrive(known(2), 1001);
    let order = served(&mut queue, stranger(1), 6);
    assert_eq!(order, [0, 1000, 1, 1001, 2, 3], "and strangers get the others");
}

#[test]
fn a_client_has_a_bound_in_each_lane() {
    let mut queue = queue(1, 100, 3);
    assert_eq!(queue.arrive(stranger(1), 0), Arrival::Runs);
    assert!(matches!(queue.arrive(stranger(1), 1), Arrival::Waits { .. }));
    assert!(matches!(queue.arrive(stranger(1), 2), Arrival::Waits { .. }));
    assert_eq!(queue.arrive(stranger(1), 3), Arrival::Refused);
    assert!(matches!(queue.arrive(known(1), 4), Arrival::Waits { .. }), "another lane");
    assert!(matches!(queue.arrive(stranger(2), 5), Arrival::Waits { .. }), "another client");
    assert_eq!(queue.finish(stranger(1)).unwrap().1, 1);
    assert!(matches!(queue.arrive(stranger(1), 6), Arrival::Waits { .. }), "one has ended");
}

#[test]
fn a_full_lane_refuses_the_client_that_fills_it() {
    let mut queue = queue(1, 4, 100);
    queue.arrive(stranger(1), 0);
    for caller in 1..=4 {
        queue.arrive(stranger(1), caller);
    }
    assert_eq!(queue.arrive(stranger(1), 5), Arrival::Refused);
    let Arrival::Waits { displaced, .. } = queue.arrive(stranger(2), 20) else { panic!() };
    assert_eq!(displaced, Some(4), "the last one of the client with the most");
    let Arrival::Waits { displaced, .. } = queue.arrive(stranger(2), 21) else { panic!() };
    assert_eq!(displaced, Some(3));
    assert_eq!(queue.arrive(stranger(2), 22), Arrival::Refused, "both have two");
    assert_eq!(queue.arrive(stranger(3), 30), Arrival::Waits { ticket: 7, displaced: Some(21) });
    assert_eq!(served(&mut queue, stranger(1), 9), [1, 20, 30, 2]);
}

#[test]
fn a_queue_without_places_runs_and_refuses() {
    let mut queue = queue(2, 0, 100);
    assert_eq!(queue.arrive(stranger(1), 0), Arrival::Runs);
    assert_eq!(queue.arrive(stranger(1), 1), Arrival::Runs);
    assert_eq!(queue.arrive(stranger(2), 2), Arrival::Refused);
    assert_eq!(queue.finish(stranger(1)), None);
    assert_eq!(queue.arrive(stranger(2), 3), Arrival::Runs);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Arrive { client: u64, is_known: bool },
    Finish(prop::sample::Index),
    Leave(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..6_u64, any::<bool>())
            .prop_map(|(client, is_known)| Step::Arrive { client, is_known }),
        3 => any::<prop::sample::Index>().prop_map(Step::Finish),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
    ]
}

proptest! {
    /// Over any history the bounds hold, no caller waits beside free room, and none is lost or served
    /// twice, and a caller at the head of its client's line waits for at most one turn of each other
    /// client of its lane, and as many of the other lane.
    #[test]
    fn bounds_and_fairness_hold(
        steps in prop::collection::vec(step(), 1..400),
        at_once in 1..4_usize,
        waiting in 0..12_usize,
        per_client in 1..8_usize,
    ) {
        let mut queue = queue(at_once, waiting, per_client);
        let mut running: Vec<Seat> = Vec::new();
        // By caller: its seat and ticket, and how many turns others have got while it was the head.
        let mut waits: HashMap<u64, (Seat, u64)> = HashMap::new();
        let mut passed: HashMap<u64, usize> = HashMap::new();
        for (caller, step) in (0..).zip(steps) {
            match step {
                Step::Arrive { client, is_known } => {
                    let seat = Seat { client, is_known };
                    match queue.arrive(seat, caller) {
                        Arrival::Runs => running.push(seat),
                        Arrival::Waits { ticket, displaced } => {
                            if let Some(displaced) = displaced {
                                let (other, _) = waits.remove(&displaced).expect("it waited");
                                prop_assert!(other.client != client && other.is_known == is_known);
                            }
                            waits.insert(caller, (seat, ticket));
                        }
                        Arrival::Refused => {
                            let same = |seat: &&Seat| **seat == (Seat { client, is_known });
                            let mine = running.iter().filter(same).count()
                                + waits.values().filter(|(other, _)| *other == seat).count();
                            let lane = waits.values().filter(|(other, _)| other.is_known == is_known);
                            prop_assert!(mine >= per_client || lane.count() >= waiting);
                        }
                    }
                }
                Step::Finish(index) if !running.is_empty() => {
                    let seat = running.swap_remove(index.index(running.len()));
                    if let Some((seat, caller)) = queue.finish(seat) {
                        let (waited, ticket) = waits.remove(&caller).expect("it waited");
                        prop_assert_eq!(waited, seat);
                        let earlier = waits.values().any(|(other, t)| *other == seat && *t < ticket);
                        prop_assert!(!earlier, "callers of a client keep their order");
                        running.push(seat);
                        passed.remove(&caller);
                        for (other, (seat, ticket)) in &waits {
                            let is_head = waits.values().all(|(s, t)| s != seat || t >= ticket);
                            if is_head {
                                *passed.entry(*other).or_default() += 1;
                            }
                        }
                    }
                }
                Step::Leave(index) if !waits.is_empty() => {
                    let mut callers: Vec<u64> = waits.keys().copied().collect();
                    callers.sort_unstable();
                    let caller = callers[index.index(callers.len())];
                    let (seat, ticket) = waits.remove(&caller).unwrap();
                    prop_assert_eq!(queue.leave(seat, ticket), Some(caller));
                    prop_assert_eq!(queue.leave(seat, ticket), None);
                }
                Step::Finish(_) | Step::Leave(_) => {}
            }
            prop_assert!(running.len() <= at_once);
            prop_assert!(waits.is_empty() || running.len() == at_once);
            for is_known in [false, true] {
                let lane = waits.values().filter(|(seat, _)| seat.is_known == is_known);
                prop_assert!(lane.count() <= waiting);
            }
            // Six clients in each of two lanes.
            prop_assert!(passed.values().all(|&turns| turns <= 12), "{:?}", passed);
        }
        // What is left is served, and nothing stays behind.
        while let Some(seat) = running.pop() {
            if let Some((seat, caller)) = queue.finish(seat) {
                prop_assert!(waits.remove(&caller).is_some());
                running.push(seat);
            }
        }
        prop_assert!(waits.is_empty() && queue.running == 0);
        for lane in [&queue.strangers, &queue.known] {
            prop_assert!(lane.lines.is_empty() && lane.order.is_empty() && lane.waiting == 0);
        }
    }
}
