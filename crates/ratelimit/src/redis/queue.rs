//! Which requests go into which call. Pure: it knows no server and no runtime.
//!
//! One call is under way at a time. What arrives meanwhile waits for the next, so calls grow with the
//! load, and a lone request goes at once.
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

/// The calls that wait, and whether one is under way. `W` is who waits for an answer.
pub(super) struct Queue<W> {
    /// How long a call may wait for its begin.
    patience: Duration,
    /// In the order of their creation.
    waiting: VecDeque<Box<Group<W>>>,
    /// Settlements that could not be sent.
    kept: VecDeque<Ending>,
    requests: usize,
    endings: usize,
    is_busy: bool,
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
            is_busy: false,
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
        let ticket = self.last(now).call.add(names, asks.clone());
        // An empty call has room for every request.
        let Some(ticket) = ticket.or_else(|| self.another(now).call.add(names, asks)) else {
            return false;
        };
        self.last(now).waiters.push((ticket, waiter));
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

    /// Takes the next call, unless one is under way. An [`end`](Self::end) must follow.
    ///
    /// If the link is up, settlements that could not be sent fill the room that the call has left. They
    /// make a call of their own only if no other waits, so no request waits for them.
    pub(super) fn begin(&mut self, is_up: bool) -> Option<Box<Group<W>>> {
        if self.is_busy {
            return None;
        }
        let mut group = match self.waiting.pop_front() {
            Some(group) => group,
            None if is_up && !self.kept.is_empty() => Group::new(Mono::ZERO),
            None => return None,
        };
        if is_up {
            self.fill(&mut group);
        }
        self.is_busy = true;
        self.requests -= group.waiters.len();
        self.endings -= group.call.endings();
        Some(group)
    }

    /// The call that was under way has ended.
    pub(super) fn end(&mut self) {
        self.is_busy = false;
    }

    /// Gives up the calls that have waited for too long, and returns who waits for them. Their
    /// settlements go with later calls.
    pub(super) fn give_up(&mut self, now: Mono) -> Vec<W> {
        let mut late = Vec::new();
        let patience = self.patience;
        while let Some(mut group) =
            self.waiting.pop_front_if(|group| now.saturating_since(group.since) > patience)
        {
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
        !self.is_busy && self.waiting.is_empty()
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
        self.waiting.push_back(Group::new(now));
        self.last(now)
    }
}

impl<W> Group<W> {
    fn new(since: Mono) -> Box<Self> {
        Box::new(Self { since, call: Call::default(), waiters: Vec::new() })
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
        queue.end();
        let group = queue.begin(true).unwrap();
        assert_eq!(
            group.waiters.iter().map(|(_, w)| *w).collect::<Vec<_>>(),
            (1..100).collect::<Vec<_>>()
        );
        assert_eq!(group.call.keys().len(), 3);
        queue.end();
        assert!(queue.is_idle());
    }

    #[test]
    fn a_call_that_is_full_is_followed_by_another() {
        let mut queue = Queue::new(DEADLINE);
        for key in 0..1_000 {
            assert!(ask(&mut queue, key, 0));
        }
        let mut taken = 0;
        while let Some((requests, 0)) = sizes(queue.begin(true)) {
            assert!(requests <= 256);
            taken += requests;
            queue.end();
        }
        assert_eq!(taken, 1_000);
    }

    #[test]
    fn requests_and_settlements_are_bounded_apart() {
        let mut queue = Queue::new(DEADLINE);
        let asked = (0..20_000).filter(|key| ask(&mut queue, *key, 0)).count();
        assert_eq!(asked, MOST_WAITING);
        let settled = (0..5_000).filter(|key| queue.settle(ending(*key), Mono::ZERO)).count();
        assert_eq!(settled, MOST_ENDINGS);
        while queue.begin(true).is_some() {
            queue.end();
        }
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
        queue.end();
        let endings = first.call.take_endings();
        assert_eq!(endings.len(), 256);
        assert_eq!(queue.keep(endings), 0);
        assert_eq!(sizes(queue.begin(false)), Some((0, 44)), "not while the link is down");
        queue.end();
        assert!(queue.begin(false).is_none());
        assert!(ask(&mut queue, 1_000, 0));
        assert_eq!(sizes(queue.begin(true)), Some((1, 255)), "they fill the request's call");
        queue.end();
        assert_eq!(sizes(queue.begin(true)), Some((0, 1)), "the last has a call of its own");
        queue.end();
        assert!(queue.begin(true).is_none());
        assert_eq!(queue.keep((0..5_000).map(ending).collect()), 5_000 - MOST_ENDINGS);
    }

    #[test]
    fn no_request_waits_longer_than_two_deadlines() {
        // Each call takes nearly a deadline, and many more keys arrive than the server can decide.
        let mut queue = Queue::new(DEADLINE);
        let (mut asked, mut decided, mut given_up) = (0, 0, 0);
        let mut under_way: Option<(u64, Box<Group<usize>>)> = None;
        for now in 0..1_000 {
            for _ in 0..100 {
                asked += 1;
                assert!(ask_at(&mut queue, asked, usize::try_from(now).unwrap(), ms(now)));
            }
            if let Some((begun, group)) = under_way.take_if(|(begun, _)| *begun + 24 == now) {
                queue.end();
                for (_, arrived) in group.waiters {
                    decided += 1;
                    let waited = now - arrived as u64;
                    assert!(waited <= 50, "begun at {begun} ms, decided after {waited} ms");
                }
                for arrived in queue.give_up(ms(now)) {
                    given_up += 1;
                    let waited = now - arrived as u64;
                    assert!(waited <= 50, "given up after {waited} ms");
                }
            }
            if let Some(group) = queue.begin(true) {
                under_way = Some((now, group));
            }
        }
        assert!(decided >= 40 * 249, "{decided} decided: the calls are full");
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
            queue.end();
        }
        assert_eq!(decided, 2_000);
    }

    #[test]
    fn settlements_of_a_call_that_is_given_up_go_with_the_next() {
        let mut queue = Queue::new(DEADLINE);
        assert!(ask(&mut queue, 1, 1));
        let _under_way = queue.begin(true).unwrap();
        assert!(ask(&mut queue, 2, 2) && queue.settle(ending(3), Mono::ZERO));
        queue.end();
        assert_eq!(queue.give_up(ms(25)), [0; 0], "a deadline is not over");
        assert_eq!(queue.give_up(ms(26)), [2]);
        assert!(queue.is_idle() && queue.requests == 0);
        assert!(ask_at(&mut queue, 4, 4, ms(26)));
        assert_eq!(sizes(queue.begin(true)), Some((1, 1)));
        assert_eq!(queue.endings, 0);
    }
}
