//! Attempts in the memory of this process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hardpoint_core::Key;

use super::{
    AttemptStore, Denied, LaneLimits, LaneState, Lanes, Limits, Settled, Ticket,
    store::{Attempter, Kept},
};
use crate::{
    InMemory,
    rate::Pace,
    store::StoreClock,
    table::{self, Digests, Table},
};

/// Attempts in the memory of this process: see [`AttemptStore::memory`].
pub(super) struct MemoryAttempts {
    counts: Mutex<Counts>,
    capacity: usize,
    digests: Digests,
    clock: StoreClock,
}

debug_only!(MemoryAttempts { capacity });

struct Counts {
    lanes: Table<Lane>,
    /// Those of all known devices of an account, where strangers push out nothing.
    devices: Table<Lane>,
    networks: Table<Pace>,
    global: Pace,
}

impl Counts {
    fn new(capacity: usize) -> Self {
        Self {
            lanes: Table::new(capacity),
            devices: Table::new(capacity),
            networks: Table::new(capacity),
            global: Pace::default(),
        }
    }
}

impl From<InMemory> for AttemptStore {
    fn from(settings: InMemory) -> Self {
        Self { kept: Kept::Memory(Arc::new(MemoryAttempts::new(settings))) }
    }
}

/// A lane, and when it is forgotten without an attempt.
#[derive(Clone, Copy, Default)]
struct Lane {
    state: LaneState,
    forgotten_at: u64,
}

impl Lane {
    fn new(state: LaneState, limits: &LaneLimits) -> Self {
        let forgotten_at = match state.is_stopped(limits) {
            true => u64::MAX,
            false => state.last_at.saturating_add(limits.forget_after),
        };
        Self { state, forgotten_at }
    }
}

impl table::Kept for Lane {
    fn rank(&self, now: u64) -> (u32, u64) {
        let counted = if now < self.forgotten_at { self.state.counted() } else { 0 };
        (counted, self.state.last_at)
    }
}

impl table::Kept for Pace {
    fn rank(&self, now: u64) -> (u32, u64) {
        (u32::from(self.replenished_at > now), self.replenished_at)
    }
}

impl MemoryAttempts {
    pub(super) fn new(settings: InMemory) -> Self {
        let capacity = settings.capacity.unwrap_or(65_536);
        Self {
            counts: Mutex::new(Counts::new(capacity)),
            capacity,
            digests: Digests::new(),
            clock: StoreClock::new(settings.time),
        }
    }

    pub(super) fn reserve(
        &self,
        by: Attempter<'_>,
        limits: &Limits,
        jitter: u16,
    ) -> Result<Ticket, Denied> {
        self.decide(by, limits, |lanes, now| lanes.reserve(limits, now, jitter))
    }

    pub(super) fn settle(
        &self,
        by: Attempter<'_>,
        limits: &Limits,
        ticket: Ticket,
        settled: Settled,
    ) {
        self.decide(by, limits, |lanes, now| lanes.settle(limits, now, ticket, settled));
    }

    /// Decides about the lanes of an attempt, and keeps those that changed.
    fn decide<T>(
        &self,
        by: Attempter<'_>,
        limits: &Limits,
        decide: impl FnOnce(&mut Lanes, u64) -> T,
    ) -> T {
        let account = self.account(by.account);
        let device = by.device.map(|device| self.digests.digest(b'd', device));
        let network = by.network.map(|address| {
            let address = Key::address(address);
            self.digests.digest(b'n', address.as_bytes())
        });
        let now = self.clock.now();
        let mut counts = self.counts();
        let before = Lanes {
            account: counts.lanes.get(account).state,
            device: device.map(|device| counts.lanes.get(device).state),
            devices: counts.devices.get(account).state,
            network: network.map(|network| counts.networks.get(network)),
            global: counts.global,
        };
        let mut lanes = before;
        let decided = decide(&mut lanes, now);
        if lanes.account != before.account {
            counts.lanes.put(account, Lane::new(lanes.account, &limits.account), now);
        }
        if let (Some(key), Some(lane)) = (device, lanes.device)
            && lanes.device != before.device
        {
            counts.lanes.put(key, Lane::new(lane, &limits.device), now);
        }
        if lanes.devices != before.devices {
            counts.devices.put(account, Lane::new(lanes.devices, &limits.devices), now);
        }
        if let (Some(key), Some(pace)) = (network, lanes.network)
            && lanes.network != before.network
        {
            counts.networks.put(key, pace, now);
        }
        counts.global = lanes.global;
        decided
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        *self.counts() = Counts::new(self.capacity);
    }

    pub(super) fn unlock(&self, account: &str) -> bool {
        let (account, now) = (self.account(account), self.clock.now());
        let mut counts = self.counts();
        let Counts { lanes, devices, .. } = &mut *counts;
        let is_counted = [lanes, devices].map(|lanes| {
            let counted = lanes.get(account).state.counted();
            lanes.put(account, Lane::default(), now);
            counted > 0
        });
        is_counted.contains(&true)
    }

    fn account(&self, account: &str) -> u128 {
        self.digests.digest(b'a', account.as_bytes())
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // A panic leaves each state as it was, or as it was decided.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
