//! One-time tokens in the memory of this process.

use std::{
    collections::hash_map::Entry,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hardpoint_core::{Key, event::StoreErrorKind};

use super::{Found, Purpose, Put, Request, Slot, Taken, TokenRecord, TokenStore, store::Kept};
use crate::{
    InMemory,
    rate::Pace,
    shards::Shards,
    store::{StoreClock, StoreError, millis},
    table::{Digests, Table},
};

/// One-time tokens in the memory of this process.
pub(super) struct MemoryTokens {
    by_slot: Shards<Slot, (Purpose, TokenRecord)>,
    requests: Mutex<Table<Pace>>,
    digests: Digests,
    /// The number of tokens of each purpose.
    counts: [AtomicUsize; PURPOSES],
    capacity: usize,
    clock: StoreClock,
}

debug_only!(MemoryTokens { counts, capacity });

const PURPOSES: usize = 4;

/// The paces of requests that are remembered.
const REQUESTS: usize = 65_536;

impl From<InMemory> for TokenStore {
    fn from(settings: InMemory) -> Self {
        Self {
            kept: Kept::Memory(Arc::new(MemoryTokens {
                by_slot: Shards::new(),
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
        let now = self.clock.now();
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, rate) in rates.into_iter().flatten() {
            let before = requests.get(key);
            let mut pace = before;
            let wait = pace.wait(rate, now);
            // Cut: another rate may have counted it.
            if pace != before {
                requests.put(key, pace, now);
            }
            if wait > 0 {
                return Ok(Duration::from_millis(wait));
            }
        }
        for (key, rate) in rates.into_iter().flatten() {
            let mut pace = requests.get(key);
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
        let mut shard = self.by_slot.lock(put.slot);
        shard.sweep(now, self.has_room(put.purpose), |(purpose, record)| {
            let is_over = now >= record.expires_at;
            self.count(*purpose).fetch_sub(usize::from(is_over), Ordering::Relaxed);
            is_over
        });
        let record = TokenRecord {
            digest: *put.digest,
            proof: *put.proof,
            found: Found { subject: put.subject.into(), data: put.data.into() },
            expires_at: now.saturating_add(millis(put.lifetime)),
            tries: 0,
        };
        match shard.entries.entry(*put.slot) {
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
        let shard = self.by_slot.lock(slot);
        let record = shard.entries.get(slot).filter(|(_, record)| record.is(digest, now));
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
        let mut shard = self.by_slot.lock(slot);
        let Entry::Occupied(mut entry) = shard.entries.entry(*slot) else { return Taken::Unknown };
        let taken = decide(&mut entry.get_mut().1);
        if taken != Taken::Unknown {
            self.count(entry.remove().0).fetch_sub(1, Ordering::Relaxed);
        }
        taken
    }

    fn remove(&self, slot: &Slot) {
        if let Some((purpose, _)) = self.by_slot.lock(slot).entries.remove(slot) {
            self.count(purpose).fetch_sub(1, Ordering::Relaxed);
        }
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
}
