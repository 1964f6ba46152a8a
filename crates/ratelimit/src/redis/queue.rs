//! Which requests go into which call. Pure: it knows no server and no runtime.
//!
//! What arrives while a call is under way waits for the next, so calls grow with the load, and a
//! lone request goes at once. A call takes a third of the buckets that wait or are under way, and
//! one that is full goes while another is under way: the server decides it while this process hands
//! out the answers of the other. If one call took all of them, the server would wait for this
//! process after each call.
//!
//! A request whose call does not begin within one deadline is given up when a call ends. A call ends
//! within one deadline, so a request waits for at most two: for the begin of its call and then for the
//! answer, or until it is given up.

use std::{collections::VecDeque, time::Duration};

use hardpoint_core::Mono;

use super::{
    Names,
    call::{Ask, Call, Ending, Ticket},
};

/// The requests that wait for a call, at most.
const MOST_WAITING: usize = 16_384;
/// The settlements that wait, at most: for a call, or for the link to be up again.
const MOST_ENDINGS: usize = 4_096;
/// The calls under way, at most.
const MOST_UNDER_WAY: u32 = 2;
/// The smallest share: each call has a fixed cost, so fewer buckets are not worth a call.
const LEAST_SHARE: usize = 64;

/// The calls that wait, and how many are under way. `W` is the waiter for an answer.
pub(super) struct Queue<W> {
    /// How long a call may wait for its begin.
    patience: Duration,
    /// In the order of their creation.
    waiting: VecDeque<Box<Group<W>>>,
    /// Settlements that could not be sent.
    kept: VecDeque<Ending>,
    requests: usize,
    endings: usize,
    /// The buckets of the calls that wait, without the last.
    buckets: usize,
    /// The buckets of the calls under way.
    flying: usize,
    under_way: u32,
}

/// A call, and who waits for which of its answers.
pub(super) struct Group<W> {
    /// When it was created: none of its requests has waited for longer.
    since: Mono,
    pub(super) call: Call,
    pub(super) waiters: Vec<(Ticket, W)>,
}

impl<W> Queue<W> {
    /// A queue whose calls wait for at most `patience`, the deadline of a call.
    pub(super) const fn new(patience: Duration) -> Self {
        Self {
            patience,
            waiting: VecDeque::new(),
            kept: VecDeque::new(),
            requests: 0,
            endings: 0,
            buckets: 0,
            flying: 0,
            under_way: 0,
        }
    }

    /// Adds a request. Returns `false` if the queue has no room for it.
    pub(super) fn ask<'a>(
        &mut self,
        names: &Names,
        asks: impl Iterator<Item = Ask<'a>> + Clone,
        waiter: W,
        now: Mono,
    ) -> bool {
        if self.requests >= MOST_WAITING {
            return false;
        }
        let before = self.last(now).buckets();
        let room = if before < self.share() { self.last(now) } else { self.another(now) };
        let ticket = room.call.add(names, asks.clone());
        // An empty call has room for every request.
        let Some(ticket) = ticket.or_else(|| self.another(now).call.add(names, asks)) else {
            return false;
        };
        let last = self.last(now);
        last.waiters.push((ticket, waiter));
        self.requests += 1;
        true
    }

    /// Adds the end of a hold. Returns `false` if the queue has no room for it.
    pub(super) fn settle(&mut self, ending: Ending, now: Mono) -> bool {
        if self.endings >= MOST_ENDINGS {
            return false;
        }
        self.endings += 1;
        match self.last(now).call.settle(ending) {
            Ok(()) => true,
            Err(ending) => self.another(now).call.settle(ending).is_ok(),
        }
    }

    /// Takes the next call: if none is under way, or beside another if it is full. An
    /// [`end`](Self::end) must follow.
    ///
    /// If the link is up, settlements that could not be sent fill the room that the call has left. They
    /// make a call of their own only if no other waits, so no request waits for them.
    pub(super) fn begin(&mut self, is_up: bool) -> Option<Box<Group<W>>> {
        let is_full = self.waiting.len() > 1
            || self.waiting.front().is_some_and(|group| group.buckets() >= self.share());
        if self.under_way >= MOST_UNDER_WAY || self.under_way > 0 && !is_full {
            return None;
        }
        let mut group = match self.waiting.pop_front() {
            Some(group) => {
                self.forget(&group);
                group
            }
            None if is_up && !self.kept.is_empty() => Group::new(Mono::ZERO),
            None => return None,
        };
        if is_up {
            self.fill(&mut group);
        }
        self.under_way += 1;
        self.flying += group.buckets();
        self.requests -= group.waiters.len();
        self.endings -= group.call.endings();
        Some(group)
    }

    /// A call that was under way, with so many buckets, has ended.
    pub(super) fn end(&mut self, buckets: usize) {
        self.under_way -= 1;
        self.flying -= buckets;
    }

    /// Gives up the calls that have waited for too long, and returns who waits for them. Their
    /// settlements go with later calls.
    pub(super) fn give_up(&mut self, now: Mono) -> Vec<W> {
        let mut late = Vec::new();
        let patience = self.patience;
        while let Some(mut group) =
            self.waiting.pop_front_if(|group| now.saturating_since(group.since) > patience)
        {
            self.forget(&group);
            self.requests -= group.waiters.len();
            self.kept.extend(group.call.take_endings());
            late.extend(group.waiters.into_iter().map(|(_, waiter)| waiter));
        }
        late
    }

    /// Takes settlements back that were not sent. Returns how many have no room.
    pub(super) fn keep(&mut self, endings: Vec<Ending>) -> usize {
        let room = MOST_ENDINGS - self.endings;
        let lost = endings.len().saturating_sub(room);
        self.endings += endings.len() - lost;
        self.kept.extend(endings.into_iter().take(room));
        lost
    }

    /// Whether everything that could be sent was answered.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way == 0 && self.waiting.is_empty()
    }

    /// The buckets of a call, unless it has one request.
    fn share(&self) -> usize {
        let last = self.waiting.back().map_or(0, |group| group.buckets());
        LEAST_SHARE.max((self.flying + self.buckets + last) / 3)
    }

    /// Stops counting the buckets of the call that was first in the queue.
    fn forget(&mut self, first: &Group<W>) {
        if !self.waiting.is_empty() {
            self.buckets -= first.buckets();
        }
    }

    fn fill(&mut self, group: &mut Group<W>) {
        while let Some(ending) = self.kept.pop_front() {
            if let Err(ending) = group.call.settle(ending) {
                self.kept.push_front(ending);
                break;
            }
        }
    }

    fn last(&mut self, now: Mono) -> &mut Group<W> {
        if self.waiting.is_empty() {
            self.waiting.push_back(Group::new(now));
        }
        let last = self.waiting.len() - 1;
        &mut self.waiting[last]
    }

    fn another(&mut self, now: Mono) -> &mut Group<W> {
        self.buckets += self.waiting.back().map_or(0, |group| group.buckets());
        self.waiting.push_back(Group::new(now));
        self.last(now)
    }
}

impl<W> Group<W> {
    fn new(since: Mono) -> Box<Self> {
        Box::new(Self { since, call: Call::default(), waiters: Vec::new() })
    }

    /// How many buckets the call contains.
    pub(super) fn buckets(&self) -> usize {
        self.call.keys().len()
    }
}

#[cfg(test)]
mod tests {
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
        assert!(
            ask(&mut queue, 1, 0) && queue.settle(ending(1), Mono::ZERO),
            "there is room again"
        );
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
}
