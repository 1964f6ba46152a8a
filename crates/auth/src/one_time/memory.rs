//! One-time tokens in the memory of this process.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hardpoint_core::{Key, event::StoreErrorKind};

use super::{Found, Purpose, Put, Request, Slot, Taken, TokenRecord, TokenStore, store::Kept};
use crate::{
    InMemory,
    rate::Pace,
    store::{StoreClock, StoreError, millis},
    table::{Digests, Table},
};

/// One-time tokens in the memory of this process.
pub(super) struct MemoryTokens {
    shards: Box<[Mutex<Shard>]>,
    requests: Mutex<Table<Pace>>,
    digests: Digests,
    /// The number of tokens of each purpose.
    counts: [AtomicUsize; PURPOSES],
    capacity: usize,
    clock: StoreClock,
}

debug_only!(MemoryTokens { counts, capacity });

#[derive(Default)]
struct Shard {
    by_slot: HashMap<Slot, (Purpose, TokenRecord)>,
    next_sweep: u64,
}

const PURPOSES: usize = 4;

const SHARDS: usize = 64;
/// How often a shard is searched for what has expired, in milliseconds.
const SWEEP: u64 = 60_000;
/// The paces of requests that are remembered.
const REQUESTS: usize = 65_536;

impl From<InMemory> for TokenStore {
    fn from(settings: InMemory) -> Self {
        Self {
            kept: Kept::Memory(Arc::new(MemoryTokens {
                shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
                requests: Mutex::new(Table::new(REQUESTS)),
                digests: Digests::new(),
                counts: Default::default(),
                capacity: settings.capacity.unwrap_or(100_000),
                clock: StoreClock::new(settings.time),
            })),
        }
    }
}

impl MemoryTokens {
    pub(super) fn admit(&self, request: &Request<'_>) -> Result<Duration, StoreError> {
        let Request { purpose, recipient, network, per_recipient, per_network } = *request;
        let recipient = self.digests.digest(purpose.number(), recipient.as_bytes());
        let network = network.map(|address| {
            let address = Key::address(address);
            self.digests.digest(b'n', address.as_bytes())
        });
        let rates = [Some((recipient, per_recipient)), network.zip(Some(per_network))];
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let mut paces = rates.map(|rate| rate.map(|(key, rate)| (key, rate, requests.get(key))));
        let mut waits = paces.iter_mut().flatten().map(|(_, rate, pace)| pace.wait(rate, now));
        if let Some(wait) = waits.find(|wait| *wait > 0) {
            return Ok(Duration::from_millis(wait));
        }
        for (key, rate, mut pace) in paces.into_iter().flatten() {
            pace.take(rate, now);
            requests.put(key, pace, now);
        }
        Ok(Duration::ZERO)
    }

    pub(super) fn put(&self, put: &Put<'_>) -> Result<(), StoreError> {
        let now = self.clock.now();
        for former in put.former {
            self.remove(former);
        }
        let mut shard = self.shard(put.slot);
        self.sweep(&mut shard, put.purpose, now);
        let record = TokenRecord {
            digest: *put.digest,
            proof: *put.proof,
            found: Found { subject: put.subject.into(), data: put.data.into() },
            expires_at: now.saturating_add(millis(put.lifetime)),
            tries: 0,
        };
        match shard.by_slot.entry(*put.slot) {
            Entry::Occupied(mut occupied) => {
                // A slot is of one purpose.
                occupied.insert((put.purpose, record));
            }
            Entry::Vacant(vacant) => {
                if !self.has_room(put.purpose) {
                    return Err(StoreError::new(StoreErrorKind::Unavailable)
                        .with_source("there are as many tokens as the store's capacity allows"));
                }
                vacant.insert((put.purpose, record));
                self.count(put.purpose).fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    pub(super) fn find(&self, slot: &Slot, digest: &[u8; 32]) -> Result<Option<Found>, StoreError> {
        let now = self.clock.now();
        let shard = self.shard(slot);
        let record = shard.by_slot.get(slot).filter(|(_, record)| record.is(digest, now));
        Ok(record.map(|(_, record)| record.found.clone()))
    }

    pub(super) fn take(
        &self,
        slot: &Slot,
        digest: &[u8; 32],
        proof: &[u8; 32],
    ) -> Result<Taken, StoreError> {
        let now = self.clock.now();
        Ok(self.decide(slot, |record| record.take(digest, proof, now)))
    }

    pub(super) fn guess(
        &self,
        slot: &Slot,
        digest: &[u8; 32],
        proof: &[u8; 32],
        tries: u32,
    ) -> Result<Taken, StoreError> {
        let now = self.clock.now();
        Ok(self.decide(slot, |record| record.guess(digest, proof, tries, now)))
    }

    #[expect(clippy::unnecessary_wraps, reason = "the same shape as a remote store")]
    pub(super) fn void(&self, slot: &Slot) -> Result<(), StoreError> {
        self.remove(slot);
        Ok(())
    }

    /// Decides about the record of a slot, and removes it unless it is unknown.
    fn decide(&self, slot: &Slot, decide: impl FnOnce(&mut TokenRecord) -> Taken) -> Taken {
        let mut shard = self.shard(slot);
        let Entry::Occupied(mut entry) = shard.by_slot.entry(*slot) else { return Taken::Unknown };
        let taken = decide(&mut entry.get_mut().1);
        if taken != Taken::Unknown {
            self.count(entry.remove().0).fetch_sub(1, Ordering::Relaxed);
        }
        taken
    }

    fn remove(&self, slot: &Slot) {
        if let Some((purpose, _)) = self.shard(slot).by_slot.remove(slot) {
            self.count(purpose).fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn sweep(&self, shard: &mut Shard, purpose: Purpose, now: u64) {
        if now < shard.next_sweep && self.has_room(purpose) {
            return;
        }
        shard.next_sweep = now.saturating_add(SWEEP);
        shard.by_slot.retain(|_, (purpose, record)| {
            let is_alive = now < record.expires_at;
            if !is_alive {
                self.count(*purpose).fetch_sub(1, Ordering::Relaxed);
            }
            is_alive
        });
    }

    /// Whether the store has room for one more token of this purpose.
    fn has_room(&self, purpose: Purpose) -> bool {
        let all: usize = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        let own = self.count(purpose).load(Ordering::Relaxed);
        all < self.capacity && own < self.capacity.div_ceil(2)
    }

    fn count(&self, purpose: Purpose) -> &AtomicUsize {
        let [code, verification, magic, reset] = &self.counts;
        match purpose {
            Purpose::Code => code,
            Purpose::EmailVerification => verification,
            Purpose::MagicLink => magic,
            Purpose::PasswordReset => reset,
        }
    }

    fn shard(&self, slot: &Slot) -> MutexGuard<'_, Shard> {
        // A slot is a digest under a secret key, so its first byte is evenly spread.
        let index = usize::from(slot[0]) % SHARDS;
        let Some(shard) = self.shards.get(index) else { unreachable!("a remainder") };
        // No code panics while it is held.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
