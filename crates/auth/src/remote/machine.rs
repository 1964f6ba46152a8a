//! When keys are fetched, and the state of those that are held. Pure.

use std::{collections::VecDeque, time::Duration};

use hardpoint_core::Mono;

use super::bucket::Budget;

/// How long an unknown id is remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// How many unknown ids are remembered, 16 bytes each.
const REMEMBERED: usize = 64;
/// The least time between a fetch that an unknown id caused in vain and the next one, whichever network
/// asks for it.
const PAUSE: Duration = Duration::from_secs(1);
/// The pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The state of fetched keys, for a health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeysState {
    /// No keys have been fetched yet: every token is refused.
    Empty,
    /// The keys were too old and were dropped: every token is refused.
    Expired,
    /// The keys are as fresh as the issuer demands.
    Fresh,
    /// The keys should have been replaced and could not be. They are still used.
    Stale {
        /// Since when.
        since: Mono,
    },
}

impl KeysState {
    /// Whether tokens can be verified: fresh or stale.
    #[must_use]
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Fresh | Self::Stale { .. })
    }
}

/// What the task does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Drop the keys: they are too old.
    Expire,
    /// Fetch, and report the result to the machine.
    Fetch,
    /// Wait this long, unless a request misses a key. It ends when the state changes, too.
    Sleep(Duration),
}

/// The answer to a request that misses a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    /// Wait for the fetch with this number: it may bring the key.
    Wait {
        /// The fetch's number.
        round: u64,
        /// Whether it had begun before: a key that it does not bring may be published since.
        has_begun: bool,
    },
    /// The client's network has caused its share of fetches. It may cause the next one after this time.
    Spent(Duration),
    /// The issuer did not have the key when it was asked a moment ago.
    Unknown,
    /// The last fetch failed, and it is too early for another: the answer is not known.
    Failed,
}

/// The state machine. All methods take the time, which never goes back.
#[derive(Debug)]
pub(super) struct Machine {
    stale_for: Duration,
    /// Until when the held keys are fresh.
    held: Option<Mono>,
    /// Whether keys were held and became too old.
    expired: bool,
    round: Round,
    /// The number of rounds that were started, or are about to start.
    rounds: u64,
    failures: u32,
    budget: Budget,
    /// When an unknown id may cause the next fetch.
    next_by_miss: Mono,
    missed: VecDeque<(u64, Mono)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// The next one is due at this time.
    Idle(Mono),
    /// An unknown id of this network causes one at this time.
    Due { at: Mono, by: u64 },
    /// One is running; if an unknown id caused it, the id came from this network.
    Active { by: Option<u64> },
}

impl Machine {
    /// A machine without keys, whose first fetch is due at once.
    pub(super) fn new(now: Mono, stale_for: Duration) -> Self {
        Self {
            stale_for,
            held: None,
            expired: false,
            round: Round::Idle(now),
            rounds: 0,
            failures: 0,
            budget: Budget::default(),
            next_by_miss: now,
            missed: VecDeque::with_capacity(REMEMBERED),
        }
    }

    /// The next step.
    pub(super) fn step(&mut self, now: Mono) -> Step {
        if let Some(fresh_until) = self.held
            && now >= fresh_until.saturating_add(self.stale_for)
        {
            self.held = None;
            self.expired = true;
            return Step::Expire;
        }
        let next = match self.round {
            Round::Active { .. } => return Step::Fetch,
            Round::Due { at, by } if now >= at => {
                self.round = Round::Active { by: Some(by) };
                return Step::Fetch;
            }
            Round::Idle(next) if now >= next => {
                self.round = Round::Active { by: None };
                self.rounds = self.rounds.saturating_add(1);
                return Step::Fetch;
            }
            Round::Due { at: next, .. } | Round::Idle(next) => next,
        };
        let change = self.held.map(|fresh_until| {
            if now < fresh_until { fresh_until } else { fresh_until.saturating_add(self.stale_for) }
        });
        Step::Sleep(change.map_or(next, |change| change.min(next)).saturating_since(now))
    }

    /// A request of a network misses a key, whose digests these are.
    pub(super) fn missed(&mut self, key_id: u64, network: u64, now: Mono) -> Miss {
        let (by, has_begun) = match self.round {
            Round::Active { by } => (by, true),
            Round::Due { by, .. } => (Some(by), false),
            Round::Idle(_) => return self.start_by_miss(key_id, network, now),
        };
        // Waiting for a fetch costs nothing, but who floods waits only for the fetches it caused.
        let spent = self.budget.of(network, now).wait(now);
        if spent.is_zero() || by == Some(network) {
            Miss::Wait { round: self.rounds, has_begun }
        } else {
            Miss::Spent(spent)
        }
    }

    fn start_by_miss(&mut self, key_id: u64, network: u64, now: Mono) -> Miss {
        if self.is_remembered(key_id, now) {
            return if self.failures > 0 { Miss::Failed } else { Miss::Unknown };
        }
        let bucket = self.budget.of(network, now);
        let spent = bucket.wait(now);
        if !bucket.take(now) {
            return if self.failures > 0 { Miss::Failed } else { Miss::Spent(spent) };
        }
        self.round = Round::Due { at: now.max(self.next_by_miss), by: network };
        self.rounds = self.rounds.saturating_add(1);
        Miss::Wait { round: self.rounds, has_begun: false }
    }

    /// A fetch brought keys that are fresh for `lifetime`; with `new`, one of them was not held before.
    /// `random` spreads the next fetch.
    pub(super) fn succeeded(&mut self, now: Mono, lifetime: Duration, new: bool, random: u64) {
        self.ended(now, new);
        self.held = Some(now.saturating_add(lifetime));
        self.expired = false;
        self.failures = 0;
        // At 80 % of the lifetime, or up to a tenth of it earlier.
        let pause = (lifetime * 4 / 5).saturating_sub(part_of(lifetime / 10, random));
        self.round = Round::Idle(now.saturating_add(pause));
    }

    /// A fetch failed. `random` spreads the next one.
    pub(super) fn failed(&mut self, now: Mono, random: u64) {
        self.ended(now, false);
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.failures.min(6)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        let pause = doubled / 2 + part_of(doubled / 2, random);
        self.round = Round::Idle(now.saturating_add(pause));
    }

    /// A fetch that began after a request missed the key did not bring it: do not fetch for it again
    /// soon.
    pub(super) fn remember(&mut self, key_id: u64, now: Mono) {
        if self.is_remembered(key_id, now) {
            return;
        }
        if self.missed.len() >= REMEMBERED {
            self.missed.pop_front();
        }
        self.missed.push_back((key_id, now.saturating_add(REMEMBERED_FOR)));
    }

    /// The state of the keys.
    pub(super) fn state(&self, now: Mono) -> KeysState {
        match self.held {
            None if self.expired => KeysState::Expired,
            None => KeysState::Empty,
            Some(fresh_until) if now < fresh_until => KeysState::Fresh,
            Some(since) if now < since.saturating_add(self.stale_for) => KeysState::Stale { since },
            Some(_) => KeysState::Expired,
        }
    }

    /// A fetch ended. One that an unknown id caused in vain costs its network the next one, and delays
    /// that of any other.
    fn ended(&mut self, now: Mono, new: bool) {
        if let Round::Due { by, .. } | Round::Active { by: Some(by) } = self.round
            && !new
        {
            self.budget.of(by, now).drain(now);
            self.next_by_miss = now.saturating_add(PAUSE);
        }
    }

    fn is_remembered(&self, key_id: u64, now: Mono) -> bool {
        self.missed.iter().any(|(remembered, until)| *remembered == key_id && now < *until)
    }
}

/// A part of `whole`, evenly distributed as `random` is over all of `u64`.
fn part_of(whole: Duration, random: u64) -> Duration {
    let nanos = (whole.as_nanos().min(u128::from(u64::MAX)) * u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
