//! The next caller: fair between clients, bounded in total. Pure: it knows no time and no tasks.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

/// Where a caller belongs: its client, and the lane of known devices or the one of strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Seat {
    pub(super) client: u64,
    pub(super) is_known: bool,
}

/// The bounds of a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// How many run at the same time.
    pub(super) at_once: usize,
    /// How many wait in each lane.
    pub(super) waiting: usize,
    /// How many of one client run and wait in each lane.
    pub(super) per_client: usize,
}

/// Callers that run and callers that wait, each of which is reached through a `W`.
///
/// 1. No caller waits while fewer run than may.
/// 2. Within a lane, clients take turns, and the callers of one client keep their order. So a caller
///    waits for one turn of each other client, however many callers the others have.
/// 3. If both lanes have waiting callers, they take turns: strangers never take more than every second
///    turn from known devices, nor known devices from strangers.
/// 4. A full lane still admits a caller of a client that has at least two fewer waiting than the client
///    with the most, which loses its last one: only clients that fill the lane are refused.
#[derive(Debug)]
pub(super) struct Queue<W> {
    bounds: Bounds,
    running: usize,
    strangers: Lane<W>,
    known: Lane<W>,
    /// The lane whose turn is next, if both have waiting callers.
    known_next: bool,
    last_ticket: u64,
}

#[derive(Debug)]
struct Lane<W> {
    lines: HashMap<u64, Line<W>>,
    /// The clients with waiting callers. The first is served next.
    order: VecDeque<u64>,
    waiting: usize,
}

/// The callers of one client in one lane.
#[derive(Debug)]
struct Line<W> {
    running: usize,
    waiting: VecDeque<(u64, W)>,
}

/// The result of a caller's arrival.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival<W> {
    /// Its client, or its lane, has no room.
    Refused,
    /// It runs.
    Runs,
    /// It waits, and the caller that it displaced does not any more.
    Waits { ticket: u64, displaced: Option<W> },
}

impl<W> Queue<W> {
    pub(super) fn new(bounds: Bounds) -> Self {
        let (strangers, known) = (Lane::new(), Lane::new());
        Self { bounds, running: 0, strangers, known, known_next: false, last_ticket: 0 }
    }

    /// A caller arrives.
    pub(super) fn arrive(&mut self, seat: Seat, waiter: W) -> Arrival<W> {
        let (bounds, may_run) = (self.bounds, self.running < self.bounds.at_once);
        let lane = self.lane(seat);
        let in_line = lane.lines.get(&seat.client).map_or(0, |line| line.waiting.len());
        if lane.in_flight(seat.client) >= bounds.per_client {
            return Arrival::Refused;
        }
        if may_run {
            lane.line(seat.client).running += 1;
            self.running += 1;
            return Arrival::Runs;
        }
        let mut displaced = None;
        if lane.waiting >= bounds.waiting {
            displaced = lane.displace(in_line);
            if displaced.is_none() {
                return Arrival::Refused;
            }
        }
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.lane(seat).push(seat.client, ticket, waiter);
        Arrival::Waits { ticket, displaced }
    }

    /// Ends a running caller. Returns the caller that runs in its place.
    pub(super) fn finish(&mut self, seat: Seat) -> Option<(Seat, W)> {
        self.running = self.running.saturating_sub(1);
        self.lane(seat).stop(seat.client);
        let (first, second) = (self.known_next, !self.known_next);
        let (is_known, (client, waiter)) = [first, second].into_iter().find_map(|is_known| {
            let lane = if is_known { &mut self.known } else { &mut self.strangers };
            Some((is_known, lane.next()?))
        })?;
        self.known_next = !is_known;
        self.running += 1;
        Some((Seat { client, is_known }, waiter))
    }

    /// Removes a waiting caller. `None` if it no longer waits.
    pub(super) fn leave(&mut self, seat: Seat, ticket: u64) -> Option<W> {
        self.lane(seat).remove(seat.client, ticket)
    }

    fn lane(&mut self, seat: Seat) -> &mut Lane<W> {
        if seat.is_known { &mut self.known } else { &mut self.strangers }
    }
}

impl<W> Lane<W> {
    fn new() -> Self {
        Self { lines: HashMap::new(), order: VecDeque::new(), waiting: 0 }
    }

    fn line(&mut self, client: u64) -> &mut Line<W> {
        self.lines.entry(client).or_insert_with(|| Line { running: 0, waiting: VecDeque::new() })
    }

    fn in_flight(&self, client: u64) -> usize {
        self.lines.get(&client).map_or(0, |line| line.running + line.waiting.len())
    }

    fn push(&mut self, client: u64, ticket: u64, waiter: W) {
        let line = self.line(client);
        line.waiting.push_back((ticket, waiter));
        if line.waiting.len() == 1 {
            self.order.push_back(client);
        }
        self.waiting += 1;
    }

    /// Starts the next caller.
    fn next(&mut self) -> Option<(u64, W)> {
        let client = self.order.pop_front()?;
        let line = self.line(client);
        let (_, waiter) = line.waiting.pop_front()?;
        line.running += 1;
        if !line.waiting.is_empty() {
            self.order.push_back(client);
        }
        self.waiting -= 1;
        Some((client, waiter))
    }

    fn stop(&mut self, client: u64) {
        let line = self.line(client);
        line.running = line.running.saturating_sub(1);
        self.forget_if_empty(client);
    }

    fn remove(&mut self, client: u64, ticket: u64) -> Option<W> {
        let line = self.lines.get_mut(&client)?;
        let place = line.waiting.iter().position(|(waiting, _)| *waiting == ticket)?;
        let (_, waiter) = line.waiting.remove(place)?;
        if line.waiting.is_empty() {
            self.order.retain(|other| *other != client);
        }
        self.waiting -= 1;
        self.forget_if_empty(client);
        Some(waiter)
    }

    /// Takes the last caller of the client with the most waiting (the latest of several), if that is at
    /// least two more than `in_line`: after the exchange the newcomer's client still has no more than that one. Looks at every
    /// client of the lane, of which there are at most as many as may wait.
    fn displace(&mut self, in_line: usize) -> Option<W> {
        let last = |line: &Line<W>| line.waiting.back().map(|(ticket, _)| *ticket);
        let longest =
            self.lines.values_mut().max_by_key(|line| (line.waiting.len(), last(line)))?;
        if longest.waiting.len() < in_line + 2 {
            return None;
        }
        let (_, waiter) = longest.waiting.pop_back()?;
        self.waiting -= 1;
        Some(waiter)
    }

    /// A client without callers takes no memory.
    fn forget_if_empty(&mut self, client: u64) {
        if self.in_flight(client) == 0 {
            self.lines.remove(&client);
        }
    }
}
