//! Where API keys are kept.

use std::{sync::Arc, time::Duration};

use super::{ApiKeyId, ApiKeyOwner, ApiKeyRecord, memory::MemoryApiKeys};
use crate::{
    InMemory,
    store::{BoxFuture, StoreError},
};

/// Where API keys are kept: in the memory of this process, or in a store that several instances
/// share. Clones share the keys.
#[derive(Clone, Debug)]
pub struct ApiKeyStore {
    pub(super) kept: Kept,
}

#[derive(Clone)]
pub(super) enum Kept {
    Memory(Arc<MemoryApiKeys>),
    Remote(Arc<dyn RemoteApiKeys>),
}

debug_only!(Kept {});

/// A key to insert.
#[derive(Clone, Copy)]
pub struct PutApiKey<'a> {
    /// Its id. No other key has it.
    pub id: ApiKeyId,
    /// The SHA-256 digest of its text.
    pub digest: &'a [u8; 32],
    /// Its owner.
    pub owner: ApiKeyOwner<'a>,
    /// The owner's name for it.
    pub name: &'a str,
    /// The scopes that it is granted, separated by spaces.
    pub scope: &'a str,
    /// How long it lives; `None` if it never expires.
    pub lifetime: Option<Duration>,
    /// How many keys the owner may have, this one included.
    pub max_keys: u32,
    /// The key that it replaces.
    pub replaces: Option<Replaced>,
}

debug_only!(PutApiKey<'_> { id, lifetime, max_keys, replaces });

/// A key that another one replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Its id.
    pub id: ApiKeyId,
    /// How much longer it is valid, at most until it would have expired anyway.
    pub overlap: Duration,
}

/// The result of [`RemoteApiKeys::put`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// The key was inserted, and the lifetime of the replaced one shortened.
    Kept,
    /// Nothing has changed: the owner does not have the key to replace.
    NothingToReplace,
    /// Nothing has changed: the owner has as many keys as it may have.
    TooMany,
}

/// Keeps API keys outside of this process, so that several instances share them: a table of the
/// application's database, or a Redis server.
///
/// Implementations answer within a deadline of their own: requests wait for them.
///
/// # Semantics
/// 1. Each method is one atomic step of the store, by its own clock. It submits its command before
///    it returns; the future only carries the answer.
/// 2. A key that has expired is as if it did not exist.
/// 3. The store keeps the digest of a key, and never its text.
/// 4. The suite in `tests/it/api_keys` of this crate checks a store against a model.
pub trait RemoteApiKeys: Send + Sync + 'static {
    /// Inserts a key, and shortens the lifetime of the replaced one. Checks for the replaced key
    /// first, and counts it towards `max_keys`.
    fn put(&self, put: &PutApiKey<'_>) -> BoxFuture<Placed>;

    /// The key with this id.
    fn find(&self, id: ApiKeyId) -> BoxFuture<Option<ApiKeyRecord>>;

    /// The keys of an owner, the newest first.
    fn list(&self, owner: ApiKeyOwner<'_>) -> BoxFuture<Vec<ApiKeyRecord>>;

    /// Makes a key of this owner expire after this time, unless it expires before; removes it if
    /// the time is zero. Returns whether the owner has such a key.
    fn expire_after(
        &self,
        owner: ApiKeyOwner<'_>,
        id: ApiKeyId,
        after: Duration,
    ) -> BoxFuture<bool>;

    /// Removes all keys of an owner, and returns their ids.
    fn revoke_all(&self, owner: ApiKeyOwner<'_>) -> BoxFuture<Vec<ApiKeyId>>;
}

impl ApiKeyStore {
    /// Keeps keys in the memory of this process, with the default bounds and the system's clocks
    /// ([`InMemory`]). They end with the process: for tests, and for a service on one machine that
    /// issues its keys anew at each start.
    #[must_use]
    pub fn memory() -> Self {
        InMemory::new().into()
    }

    /// Keeps keys in a remote store.
    #[must_use]
    pub fn remote(store: Arc<dyn RemoteApiKeys>) -> Self {
        Self { kept: Kept::Remote(store) }
    }

    /// Inserts a key: see [`RemoteApiKeys::put`].
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer, or is full.
    pub async fn put(&self, put: &PutApiKey<'_>) -> Result<Placed, StoreError> {
        match &self.kept {
            Kept::Memory(keys) => keys.put(put),
            Kept::Remote(store) => store.put(put).await,
        }
    }

    /// The key with this id: see [`RemoteApiKeys::find`].
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    pub async fn find(&self, id: ApiKeyId) -> Result<Option<ApiKeyRecord>, StoreError> {
        match &self.kept {
            Kept::Memory(keys) => Ok(keys.find(id).map(Arc::unwrap_or_clone)),
            Kept::Remote(store) => store.find(id).await,
        }
    }

    /// The keys of an owner: see [`RemoteApiKeys::list`].
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    pub async fn list(&self, owner: ApiKeyOwner<'_>) -> Result<Vec<ApiKeyRecord>, StoreError> {
        match &self.kept {
            Kept::Memory(keys) => {
                Ok(keys.list(owner).into_iter().map(Arc::unwrap_or_clone).collect())
            }
            Kept::Remote(store) => store.list(owner).await,
        }
    }

    /// Makes a key expire: see [`RemoteApiKeys::expire_after`].
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    pub async fn expire_after(
        &self,
        owner: ApiKeyOwner<'_>,
        id: ApiKeyId,
        after: Duration,
    ) -> Result<bool, StoreError> {
        match &self.kept {
            Kept::Memory(keys) => Ok(keys.expire_after(owner, id, after)),
            Kept::Remote(store) => store.expire_after(owner, id, after).await,
        }
    }

    /// Removes all keys of an owner: see [`RemoteApiKeys::revoke_all`].
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    pub async fn revoke_all(&self, owner: ApiKeyOwner<'_>) -> Result<Vec<ApiKeyId>, StoreError> {
        match &self.kept {
            Kept::Memory(keys) => Ok(keys.revoke_all(owner)),
            Kept::Remote(store) => store.revoke_all(owner).await,
        }
    }
}
