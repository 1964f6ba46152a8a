//! API keys in the memory of this process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hardpoint_core::event::StoreErrorKind;

use super::{
    ApiKeyId, ApiKeyOwner, ApiKeyRecord, ApiKeyStore, Placed, PutApiKey, Replaced, store::Kept,
};
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
            self.drop_expired(own);
            own.is_empty()
        });
        let own = owners.entries.entry(owner).or_default();
        self.drop_expired(own);
        if put.replaces.is_some_and(|replaced| !own.contains(&replaced.id)) {
            return Ok(Placed::NothingToReplace);
        }
        if own.len() >= usize::try_from(put.max_keys).unwrap_or(usize::MAX) {
            return Ok(Placed::TooMany);
        }
        self.insert(put, now)?;
        own.push(put.id);
        if let Some(Replaced { id, overlap }) = put.replaces {
            self.expire_after(put.owner, id, overlap);
        }
        Ok(Placed::Kept)
    }

    fn insert(&self, put: &PutApiKey<'_>, now: u64) -> Result<(), StoreError> {
        let mut keys = self.by_id.lock(&put.id);
        let expired = keys.sweep(now, self.has_room(), |record| record.is_expired(time(now)));
        self.count.fetch_sub(expired, Ordering::Relaxed);
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
            lifetime: put.lifetime,
            expires: put.lifetime.map(|lifetime| time(now.saturating_add(millis(lifetime)))),
        };
        keys.entries.insert(put.id, Arc::new(record));
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn find(&self, id: ApiKeyId) -> Option<Arc<ApiKeyRecord>> {
        let record = self.by_id.lock(&id).entries.get(&id).cloned();
        record.filter(|record| !record.is_expired(time(self.clock.now())))
    }

    pub(super) fn list(&self, owner: ApiKeyOwner<'_>) -> Vec<Arc<ApiKeyRecord>> {
        let owner = self.digest(owner);
        let owners = self.by_owner.lock(&owner);
        let own = owners.entries.get(&owner).into_iter().flatten();
        // The newest was added last.
        own.rev().filter_map(|id| self.find(*id)).collect()
    }

    pub(super) fn expire_after(
        &self,
        owner: ApiKeyOwner<'_>,
        id: ApiKeyId,
        after: Duration,
    ) -> bool {
        let now = self.clock.now();
        let mut keys = self.by_id.lock(&id);
        let Some(record) = keys.entries.get_mut(&id) else { return false };
        if record.owner() != owner || record.is_expired(time(now)) {
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

    pub(super) fn revoke_all(&self, owner: ApiKeyOwner<'_>) -> Vec<ApiKeyId> {
        let digest = self.digest(owner);
        let mut owners = self.by_owner.lock(&digest);
        let mut own = owners.entries.remove(&digest).unwrap_or_default();
        own.retain(|id| self.expire_after(owner, *id, Duration::ZERO));
        own
    }

    /// Drops the ids of an owner's keys that were revoked or have expired.
    fn drop_expired(&self, own: &mut Vec<ApiKeyId>) {
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
