//! When keys are fetched, and the state of those that are held. Pure.

use std::{collections::VecDeque, time::Duration};

use hardpoint_core::Mono;

use super::bucket::Bucket;

/// How long an unknown id is remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// How many unknown ids are remembered, 16 bytes each.
const REMEMBERED: usize = 64;
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
    /// The issuer has no such key, as far as it may be asked now.
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
    bucket: Bucket,
    missed: VecDeque<(u64, Mono)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// The next one is due at this time.
    Idle(Mono),
    /// One is running, if it has begun, or about to start.
    Active { by_miss: bool, has_begun: bool },
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
            bucket: Bucket::default(),
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
        let next = match &mut self.round {
            Round::Active { has_begun, .. } => {
                *has_begun = true;
                return Step::Fetch;
            }
            Round::Idle(next) if now >= *next => {
                self.start(false, true);
                return Step::Fetch;
            }
            Round::Idle(next) => *next,
        };
        let change = self.held.map(|fresh_until| {
            if now < fresh_until { fresh_until } else { fresh_until.saturating_add(self.stale_for) }
        });
        Step::Sleep(change.map_or(next, |change| change.min(next)).saturating_since(now))
    }

    /// A request misses the key whose id has this digest.
    pub(super) fn missed(&mut self, key_id: u64, now: Mono) -> Miss {
        if let Round::Active { has_begun, .. } = self.round {
            return Miss::Wait { round: self.rounds, has_begun };
        }
        if !self.is_remembered(key_id, now) && self.bucket.take(now) {
            self.start(true, false);
            return Miss::Wait { round: self.rounds, has_begun: false };
        }
        if self.failures > 0 { Miss::Failed } else { Miss::Unknown }
    }

    /// A fetch brought keys that are fresh for `lifetime`; with `new`, one of them was not held before.
    /// `random` spreads the next fetch.
    pub(super) fn succeeded(&mut self, now: Mono, lifetime: Duration, new: bool, random: u64) {
        if !new {
            self.drain_if_by_miss(now);
        }
        self.held = Some(now.saturating_add(lifetime));
        self.expired = false;
        self.failures = 0;
        // At 80 % of the lifetime, or up to a tenth of it earlier.
        let pause = (lifetime * 4 / 5).saturating_sub(part_of(lifetime / 10, random));
        self.round = Round::Idle(now.saturating_add(pause));
    }

    /// A fetch failed. `random` spreads the next one.
    pub(super) fn failed(&mut self, now: Mono, random: u64) {
        self.drain_if_by_miss(now);
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

    fn start(&mut self, by_miss: bool, has_begun: bool) {
        self.round = Round::Active { by_miss, has_begun };
        self.rounds = self.rounds.saturating_add(1);
    }

    /// A miss that brought nothing new does not entitle to another fetch.
    fn drain_if_by_miss(&mut self, now: Mono) {
        if matches!(self.round, Round::Active { by_miss: true, .. }) {
            self.bucket.drain(now);
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
