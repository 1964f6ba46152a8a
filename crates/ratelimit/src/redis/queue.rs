//! Which requests go into which call. Pure: it knows no server and no runtime.
//!
//! One call is under way at a time. What arrives meanwhile waits for the next, so calls grow with the
//! load, and a lone request goes at once.

use std::collections::VecDeque;

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
    waiting: VecDeque<Box<Group<W>>>,
    /// Settlements that could not be sent.
    kept: VecDeque<Ending>,
    requests: usize,
    endings: usize,
    is_busy: bool,
}

/// A call, and who waits for which of its answers.
pub(super) struct Group<W> {
    pub(super) call: Call,
    pub(super) waiters: Vec<(Ticket, W)>,
}

impl<W> Queue<W> {
    pub(super) const fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            kept: VecDeque::new(),
            requests: 0,
            endings: 0,
            is_busy: false,
        }
    }

    /// Adds a request. `false` if there is no room for it.
    pub(super) fn ask<'a>(
        &mut self,
        names: &Names,
        asks: impl Iterator<Item = Ask<'a>> + Clone,
        waiter: W,
    ) -> bool {
        if self.requests >= MOST_WAITING {
            return false;
        }
        let ticket = self.last().call.add(names, asks.clone());
        // An empty call has room for every request.
        let Some(ticket) = ticket.or_else(|| self.another().call.add(names, asks)) else {
            return false;
        };
        self.last().waiters.push((ticket, waiter));
        self.requests += 1;
        true
    }

    /// Adds the end of a hold. `false` if there is no room for it.
    pub(super) fn settle(&mut self, ending: Ending) -> bool {
        if self.endings >= MOST_ENDINGS {
            return false;
        }
        self.endings += 1;
        match self.last().call.settle(ending) {
            Ok(()) => true,
            Err(ending) => self.another().call.settle(ending).is_ok(),
        }
    }

    /// Takes the next call, unless one is under way. An [`end`](Self::end) must follow.
    ///
    /// If the link is up, settlements that could not be sent go first.
    pub(super) fn begin(&mut self, is_up: bool) -> Option<Box<Group<W>>> {
        if self.is_busy {
            return None;
        }
        let group = if is_up && !self.kept.is_empty() {
            self.kept_group()
        } else {
            self.waiting.pop_front()?
        };
        self.is_busy = true;
        self.requests -= group.waiters.len();
        self.endings -= group.call.endings();
        Some(group)
    }

    /// The call that was under way has ended.
    pub(super) fn end(&mut self) {
        self.is_busy = false;
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

    fn kept_group(&mut self) -> Box<Group<W>> {
        let mut group = Group::new();
        while let Some(ending) = self.kept.pop_front() {
            if let Err(ending) = group.call.settle(ending) {
                self.kept.push_front(ending);
                break;
            }
        }
        group
    }

    fn last(&mut self) -> &mut Group<W> {
        if self.waiting.is_empty() {
            self.waiting.push_back(Group::new());
        }
        let last = self.waiting.len() - 1;
        &mut self.waiting[last]
    }

    fn another(&mut self) -> &mut Group<W> {
        self.waiting.push_back(Group::new());
        self.last()
    }
}

impl<W> Group<W> {
    fn new() -> Box<Self> {
        Box::new(Self { call: Call::default(), waiters: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use hardpoint_core::Mono;

    use super::*;
    use crate::{
        EntryMode, Quota,
        redis::{Bucket, call::Rule},
        store::{Digest, Question},
    };

    fn ask(queue: &mut Queue<usize>, key: u128, waiter: usize) -> bool {
        let key = Digest::from_bits(key << 6);
        let question = Question::new(0, key, Quota::per_second(9), 1, EntryMode::Enforce);
        let bucket = Bucket::new("t", key);
        let ask = Ask { policy: "t", key, bucket, holds: false, rule: Rule::new(&question) };
        queue.ask(&Names::test(), std::iter::once(ask), waiter)
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
        let mut queue = Queue::new();
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
        let mut queue = Queue::new();
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
        let mut queue = Queue::new();
        let asked = (0..20_000).filter(|key| ask(&mut queue, *key, 0)).count();
        assert_eq!(asked, MOST_WAITING);
        let settled = (0..5_000).filter(|key| queue.settle(ending(*key))).count();
        assert_eq!(settled, MOST_ENDINGS);
        while queue.begin(true).is_some() {
            queue.end();
        }
        assert!(ask(&mut queue, 1, 0) && queue.settle(ending(1)), "there is room again");
    }

    #[test]
    fn settlements_that_were_not_sent_wait_for_the_link_and_go_first() {
        let mut queue = Queue::new();
        assert!((0..300).all(|key| queue.settle(ending(key))));
        let mut first = queue.begin(true).unwrap();
        queue.end();
        let endings = first.call.take_endings();
        assert_eq!(endings.len(), 256);
        assert_eq!(queue.keep(endings), 0);
        assert_eq!(sizes(queue.begin(false)), Some((0, 44)), "not while the link is down");
        queue.end();
        assert!(queue.begin(false).is_none());
        assert!(ask(&mut queue, 1, 0));
        assert_eq!(sizes(queue.begin(true)), Some((0, 256)));
        queue.end();
        assert_eq!(sizes(queue.begin(true)), Some((1, 0)));
        queue.end();
        assert_eq!(queue.keep((0..5_000).map(ending).collect()), 5_000 - MOST_ENDINGS);
    }
}
