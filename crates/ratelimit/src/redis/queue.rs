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
mod tests;
