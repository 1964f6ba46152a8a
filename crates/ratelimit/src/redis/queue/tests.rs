use super::*;
use crate::{
    EntryMode, Quota,
    redis::{Bucket, call::Rule},
    store::{Digest, Question},
};

const DEADLINE: Duration = Duration::from_millis(25);

fn ms(ms: u64) -> Mono {
    Mono::from_nanos(ms * 1_000_000)
}

fn ask(queue: &mut Queue<usize>, key: u128, waiter: usize) -> bool {
    ask_at(queue, key, waiter, Mono::ZERO)
}

fn ask_at(queue: &mut Queue<usize>, key: u128, waiter: usize, now: Mono) -> bool {
    let key = Digest::from_bits(key << 6);
    let question = Question::new(0, key, Quota::per_second(9), 1, EntryMode::Enforce);
    let bucket = Bucket::new("t", key);
    let ask = Ask { policy: "t", key, bucket, holds: false, rule: Rule::new(&question) };
    queue.ask(&Names::test(), std::iter::once(ask), waiter, now)
}

fn ending(key: u128) -> Ending {
    let key = Digest::from_bits(key << 6);
    let bucket = Bucket::new("t", key);
    let name = key.to_bits().to_be_bytes().into();
    Ending { name, bucket, tolerance: 9, price: 1, due: 0, held_at: Mono::ZERO }
}

fn sizes(group: Option<Box<Group<usize>>>) -> Option<(usize, usize)> {
    group.map(|group| (group.waiters.len(), group.call.endings()))
}

#[test]
fn a_lone_request_goes_at_once_and_later_ones_share_the_next_call() {
    let mut queue = Queue::new(DEADLINE);
    assert!(queue.begin(true).is_none());
    assert!(ask(&mut queue, 1, 0));
    assert_eq!(sizes(queue.begin(true)), Some((1, 0)));
    for waiter in 1..100 {
        assert!(ask(&mut queue, 1 + waiter as u128 % 3, waiter));
    }
    assert!(queue.begin(true).is_none(), "one is under way");
    assert!(!queue.is_idle());
    queue.end(1);
    let group = queue.begin(true).unwrap();
    assert_eq!(
        group.waiters.iter().map(|(_, w)| *w).collect::<Vec<_>>(),
        (1..100).collect::<Vec<_>>()
    );
    assert_eq!(group.call.keys().len(), 3);
    queue.end(3);
    assert!(queue.is_idle());
}

#[test]
fn a_full_call_goes_while_another_is_under_way_and_a_third_does_not() {
    let mut queue = Queue::new(DEADLINE);
    let ask = |queue: &mut Queue<usize>, mut keys: std::ops::Range<u128>| {
        assert!(keys.all(|key| ask(queue, key, 0)));
    };
    ask(&mut queue, 0..1);
    assert_eq!(sizes(queue.begin(true)), Some((1, 0)));
    ask(&mut queue, 1..64);
    assert!(queue.begin(true).is_none(), "not full");
    ask(&mut queue, 64..129);
    assert_eq!(sizes(queue.begin(true)), Some((64, 0)));
    assert!(queue.begin(true).is_none(), "two are under way");
}

/// As many requests as there are tasks, each of which asks again when it is answered.
#[test]
fn a_constant_load_becomes_equal_calls() {
    let mut queue = Queue::new(DEADLINE);
    let mut under_way = VecDeque::new();
    let (mut again, mut key) = (320, 0);
    for _ in 0..50 {
        for _ in 0..again {
            key += 1;
            assert!(ask(&mut queue, key, 0));
            under_way.extend(queue.begin(true).map(|group| group.buckets()));
        }
        let landed = under_way.pop_front().unwrap();
        queue.end(landed);
        under_way.extend(queue.begin(true).map(|group| group.buckets()));
        again = landed;
    }
    // One more waits, and the last is answered.
    assert!(under_way.iter().all(|keys| (76..=84).contains(keys)), "{under_way:?}");
    assert_eq!(under_way.len(), 2);
}

#[test]
fn a_call_that_is_full_is_followed_by_another() {
    let mut queue = Queue::new(DEADLINE);
    for key in 0..1_000 {
        assert!(ask(&mut queue, key, 0));
    }
    let (mut taken, mut calls) = (0, 0);
    while let Some((requests, 0)) = sizes(queue.begin(true)) {
        assert!(requests <= 256);
        taken += requests;
        calls += 1;
        queue.end(requests);
    }
    assert_eq!(taken, 1_000);
    assert!(calls < 15, "{calls}: a burst does not become many small calls");
}

#[test]
fn requests_and_settlements_are_bounded_apart() {
    let mut queue = Queue::new(DEADLINE);
    let asked = (0..20_000).filter(|key| ask(&mut queue, *key, 0)).count();
    assert_eq!(asked, MOST_WAITING);
    let settled = (0..5_000).filter(|key| queue.settle(ending(*key), Mono::ZERO)).count();
    assert_eq!(settled, MOST_ENDINGS);
    while let Some(group) = queue.begin(true) {
        queue.end(group.buckets());
    }
    assert_eq!((queue.requests, queue.buckets, queue.flying), (0, 0, 0));
    assert!(ask(&mut queue, 1, 0) && queue.settle(ending(1), Mono::ZERO), "there is room again");
}

#[test]
fn settlements_that_were_not_sent_wait_for_the_link_and_delay_no_request() {
    let mut queue = Queue::new(DEADLINE);
    assert!((0..300).all(|key| queue.settle(ending(key), Mono::ZERO)));
    let mut first = queue.begin(true).unwrap();
    queue.end(256);
    let endings = first.call.take_endings();
    assert_eq!(endings.len(), 256);
    assert_eq!(queue.keep(endings), 0);
    assert_eq!(sizes(queue.begin(false)), Some((0, 44)), "not while the link is down");
    queue.end(44);
    assert!(queue.begin(false).is_none());
    assert!(ask(&mut queue, 1_000, 0));
    assert_eq!(sizes(queue.begin(true)), Some((1, 255)), "they fill the request's call");
    queue.end(256);
    assert_eq!(sizes(queue.begin(true)), Some((0, 1)), "the last has a call of its own");
    queue.end(1);
    assert!(queue.begin(true).is_none());
    assert_eq!(queue.keep((0..5_000).map(ending).collect()), 5_000 - MOST_ENDINGS);
}

#[test]
fn no_request_waits_longer_than_two_deadlines() {
    // Two calls after each other take nearly a deadline, and many more keys arrive than the server
    // can decide.
    let mut queue = Queue::new(DEADLINE);
    let (mut asked, mut decided, mut given_up, mut free) = (0, 0, 0, 0);
    let mut under_way: VecDeque<(u64, Box<Group<usize>>)> = VecDeque::new();
    for now in 0..1_000 {
        for _ in 0..100 {
            asked += 1;
            assert!(ask_at(&mut queue, asked, usize::try_from(now).unwrap(), ms(now)));
        }
        if let Some((_, group)) = under_way.pop_front_if(|(ends, _)| *ends == now) {
            queue.end(group.buckets());
            for (_, arrived) in group.waiters {
                decided += 1;
                let waited = now - arrived as u64;
                assert!(waited <= 50, "decided after {waited} ms");
            }
            for arrived in queue.give_up(ms(now)) {
                given_up += 1;
                let waited = now - arrived as u64;
                assert!(waited <= 50, "given up after {waited} ms");
            }
        }
        while let Some(group) = queue.begin(true) {
            free = free.max(now) + 12;
            under_way.push_back((free, group));
        }
    }
    assert!(decided >= 80 * 240, "{decided} decided: the calls are full");
    assert!(given_up > asked / 2, "{given_up} given up");
    assert!(queue.requests <= 5_000, "{} wait", queue.requests);
}

#[test]
fn a_burst_that_the_server_decides_in_time_is_decided_whole() {
    let mut queue = Queue::new(DEADLINE);
    assert!((0..2_000).all(|key| ask(&mut queue, key, 0)));
    let mut decided = 0;
    for now in 0.. {
        assert_eq!(queue.give_up(ms(now)), [0; 0]);
        let Some(group) = queue.begin(true) else { break };
        decided += group.waiters.len();
        queue.end(group.buckets());
    }
    assert_eq!(decided, 2_000);
}

#[test]
fn settlements_of_a_call_that_is_given_up_go_with_the_next() {
    let mut queue = Queue::new(DEADLINE);
    assert!(ask(&mut queue, 1, 1));
    let _under_way = queue.begin(true).unwrap();
    assert!(ask(&mut queue, 2, 2) && queue.settle(ending(3), Mono::ZERO));
    queue.end(1);
    assert_eq!(queue.give_up(ms(25)), [0; 0], "a deadline is not over");
    assert_eq!(queue.give_up(ms(26)), [2]);
    assert!(queue.is_idle() && queue.requests == 0);
    assert!(ask_at(&mut queue, 4, 4, ms(26)));
    assert_eq!(sizes(queue.begin(true)), Some((1, 1)));
    assert_eq!(queue.endings, 0);
}
