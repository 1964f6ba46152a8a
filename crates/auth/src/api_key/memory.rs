//! API keys in the memory of this process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hardpoint_core::event::StoreErrorKind;

use super::{ApiKeyId, ApiKeyOwner, ApiKeyRecord, ApiKeyStore, Placed, PutApiKey, store::Kept};
use crate::{
    InMemory,
    shards::Shards,
    store::{StoreClock, StoreError, millis},
    table::Digests,
};

/// API keys in the memory of this process.
///
/// The lock of an owner is taken before those of keys.
pub(super) struct MemoryApiKeys {
    by_id: Shards<ApiKeyId, Arc<ApiKeyRecord>>,
    by_owner: Shards<u128, Vec<ApiKeyId>>,
    digests: Digests,
    count: AtomicUsize,
    capacity: usize,
    clock: StoreClock,
}

debug_only!(MemoryApiKeys { count, capacity });

impl From<InMemory> for ApiKeyStore {
    fn from(settings: InMemory) -> Self {
        Self {
            kept: Kept::Memory(Arc::new(MemoryApiKeys {
                by_id: Shards::new(),
                by_owner: Shards::new(),
                digests: Digests::new(),
                count: AtomicUsize::new(0),
                capacity: settings.capacity.unwrap_or(100_000),
                clock: StoreClock::new(settings.time),
            })),
        }
    }
}

impl MemoryApiKeys {
    pub(super) fn put(&self, put: &PutApiKey<'_>) -> Result<Placed, StoreError> {
        let (owner, now) = (self.digest(put.owner), self.clock.now());
        let mut owners = self.by_owner.lock(&owner);
        owners.sweep(now, true, |own| {
            self.drop_ended(own);
            own.is_empty()
        });
        let own = owners.entries.entry(owner).or_default();
        self.drop_ended(own);
        if put.former.is_some_and(|(former, _)| !own.contains(&former)) {
            return Ok(Placed::NoFormer);
        }
        if own.len() >= usize::try_from(put.most).unwrap_or(usize::MAX) {
            return Ok(Placed::TooMany);
        }
        let mut keys = self.by_id.lock(&put.id);
        let ended = keys.sweep(now, self.has_room(), |record| record.is_over(time(now)));
        self.count.fetch_sub(ended, Ordering::Relaxed);
        if !self.has_room() {
            return Err(StoreError::new(StoreErrorKind::Unavailable)
                .with_source("there are as many API keys as the store's capacity allows"));
        }
        let record = ApiKeyRecord {
            id: put.id,
            digest: *put.digest,
            issuer: put.owner.issuer.map(Arc::from),
            subject: put.owner.subject.into(),
            name: put.name.into(),
            scope: put.scope.into(),
            created: time(now),
            expires: put.lifetime.map(|lifetime| time(now.saturating_add(millis(lifetime)))),
        };
        keys.entries.insert(put.id, Arc::new(record));
        drop(keys);
        own.push(put.id);
        self.count.fetch_add(1, Ordering::Relaxed);
        if let Some((former, after)) = put.former {
            self.expire(put.owner, former, after);
        }
        Ok(Placed::Kept)
    }

    pub(super) fn find(&self, id: ApiKeyId) -> Option<Arc<ApiKeyRecord>> {
        let record = self.by_id.lock(&id).entries.get(&id).cloned();
        record.filter(|record| !record.is_over(time(self.clock.now())))
    }

    pub(super) fn list(&self, owner: ApiKeyOwner<'_>) -> Vec<Arc<ApiKeyRecord>> {
        let owner = self.digest(owner);
        let owners = self.by_owner.lock(&owner);
        let own = owners.entries.get(&owner).into_iter().flatten();
        // The newest was added last.
        own.rev().filter_map(|id| self.find(*id)).collect()
    }

    pub(super) fn expire(&self, owner: ApiKeyOwner<'_>, id: ApiKeyId, after: Duration) -> bool {
        let now = self.clock.now();
        let mut keys = self.by_id.lock(&id);
        let Some(record) = keys.entries.get_mut(&id) else { return false };
        if record.owner() != owner || record.is_over(time(now)) {
            return false;
        }
        if after.is_zero() {
            keys.entries.remove(&id);
            self.count.fetch_sub(1, Ordering::Relaxed);
        } else {
            Arc::make_mut(record).expire(time(now.saturating_add(millis(after))));
        }
        true
    }

    /// Drops the ids of an owner's keys that have ended.
    fn drop_ended(&self, own: &mut Vec<ApiKeyId>) {
        own.retain(|id| self.find(*id).is_some());
    }

    fn digest(&self, owner: ApiKeyOwner<'_>) -> u128 {
        self.digests.digest(b'o', &owner.to_bytes())
    }

    fn has_room(&self) -> bool {
        self.count.load(Ordering::Relaxed) < self.capacity
    }
}

/// A time of the store's clock.
fn time(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
