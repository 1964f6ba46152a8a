//! Attempts in the memory of this process.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use hardpoint_core::{Time, event::AttemptLane};

use super::{
    AttemptStore, LaneLimits, LaneState, Limits, Reserved, Settled, Ticket,
    limits::{reserve_device, reserve_unknown},
    store::{Attempter, Kept},
};
use crate::{
    rate::Pace,
    store::StoreClock,
    table::{self, Table},
};

/// Attempts in the memory of this process. Set up by [`builder`](Self::builder).
///
/// The tables have a fixed size. A full bucket forgets a lane whose failures are forgotten anyway, or
/// else the lane with the fewest failures. To make the store forget an account, an attacker has to
/// fail more often than that account did, on about as many accounts as the table has room for.
pub struct MemoryAttempts {
    lanes: Table<Lane>,
    /// Those of all known devices of an account.
    devices: Table<Lane>,
    networks: Table<Pace>,
    global: Mutex<Pace>,
    clock: StoreClock,
}

debug_only!(MemoryAttempts {});

/// Sets up [`MemoryAttempts`].
///
/// Defaults: 65,536 lanes and networks, the system's time.
#[derive(Debug)]
#[must_use]
pub struct MemoryAttemptsBuilder {
    capacity: usize,
    time: Time,
}

impl MemoryAttemptsBuilder {
    pub(super) const fn new() -> Self {
        Self { capacity: 65_536, time: Time::system() }
    }

    /// How many accounts and devices are counted, and how many networks. Default: 65,536 of each,
    /// which take 9 MB. It is rounded up to a multiple of eight.
    pub const fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// Reads the time from this handle. Default: the system's clocks.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.time = time.into();
        self
    }

    /// The store.
    #[must_use]
    pub fn build(self) -> AttemptStore {
        AttemptStore { kept: Kept::Memory(Arc::new(self.attempts())) }
    }

    pub(super) fn attempts(self) -> MemoryAttempts {
        MemoryAttempts {
            lanes: Table::new(self.capacity),
            devices: Table::new(self.capacity),
            networks: Table::new(self.capacity),
            global: Mutex::default(),
            clock: StoreClock::new(self.time),
        }
    }
}

/// A lane, and when it is forgotten without an attempt.
#[derive(Clone, Copy, Default)]
struct Lane {
    state: LaneState,
    forgotten_at: u64,
}

impl Lane {
    /// Works on the state, under these limits.
    fn with<T>(&mut self, limits: &LaneLimits, work: impl FnOnce(&mut LaneState) -> T) -> T {
        let done = work(&mut self.state);
        self.forgotten_at = match self.state.is_stopped(limits) {
            true => u64::MAX,
            false => self.state.last_at.saturating_add(limits.forget_after),
        };
        done
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
    /// Counts attempts in memory.
    pub const fn builder() -> MemoryAttemptsBuilder {
        MemoryAttemptsBuilder::new()
    }

    // Locks are taken in the order account or device, devices, network, all.

    pub(super) fn reserve(&self, by: Attempter<'_>, limits: &Limits, jitter: u16) -> Reserved {
        let now = self.clock.now();
        if let Some(device) = by.device {
            let reserved = self.lanes.with(&device_key(device), now, |device| {
                self.devices.with(&account_key(by.account), now, |devices| {
                    device.with(&limits.device, |device| {
                        devices.with(&limits.devices, |devices| {
                            reserve_device(device, devices, limits, now, jitter)
                        })
                    })
                })
            });
            if let Some(reserved) = reserved {
                return reserved;
            }
        }
        self.lanes.with(&account_key(by.account), now, |account| {
            let mut decide = |network: Option<&mut Pace>| {
                let mut global = self.global.lock().unwrap_or_else(PoisonError::into_inner);
                account.with(&limits.account, |account| {
                    reserve_unknown(account, network, &mut global, limits, now, jitter)
                })
            };
            match by.network {
                Some(network) => {
                    self.networks.with(&network_key(network), now, |pace| decide(Some(pace)))
                }
                None => decide(None),
            }
        })
    }

    pub(super) fn settle(
        &self,
        by: Attempter<'_>,
        limits: &Limits,
        ticket: Ticket,
        settled: Settled,
    ) {
        let (now, at) = (self.clock.now(), ticket.at);
        let settle = |lanes: &Table<Lane>, key: &[u8], limits: &LaneLimits| {
            let settle = |lane: &mut LaneState| lane.settle(limits, now, at, settled);
            lanes.with(key, now, |lane| lane.with(limits, settle));
        };
        if ticket.lane == AttemptLane::Device {
            if let Some(device) = by.device {
                settle(&self.lanes, &device_key(device), &limits.device);
                settle(&self.devices, &account_key(by.account), &limits.devices);
            }
            return;
        }
        settle(&self.lanes, &account_key(by.account), &limits.account);
        if settled == Settled::Failed {
            return;
        }
        if let (Some(network), Some(rate)) = (by.network, &limits.network) {
            self.networks.with(&network_key(network), now, |pace| pace.put_back(rate));
        }
        if let Some(rate) = &limits.global {
            self.global.lock().unwrap_or_else(PoisonError::into_inner).put_back(rate);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.lanes.clear();
        self.devices.clear();
        self.networks.clear();
        *self.global.lock().unwrap_or_else(PoisonError::into_inner) = Pace::default();
    }

    pub(super) fn unlock(&self, account: &str) -> bool {
        let (key, now) = (account_key(account), self.clock.now());
        let forget = |lane: &mut Lane| std::mem::take(lane).state.counted() > 0;
        let tables = [&self.lanes, &self.devices];
        tables.map(|lanes| lanes.with(&key, now, forget)).contains(&true)
    }
}

/// Keys of accounts and of devices differ in their first byte.
fn account_key(account: &str) -> Vec<u8> {
    [b"a", account.as_bytes()].concat()
}

fn device_key(device: &[u8; 16]) -> Vec<u8> {
    [b"d", device.as_slice()].concat()
}

fn network_key(network: IpAddr) -> Vec<u8> {
    match network {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
