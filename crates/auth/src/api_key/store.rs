//! Where API keys are kept.

use std::{sync::Arc, time::Duration};

use super::{ApiKeyId, ApiKeyOwner, ApiKeyRecord, memory::MemoryApiKeys};
use crate::{
    InMemory,
    store::{BoxFuture, StoreError},
};

/// Where API keys are kept: in the memory of this process, or in a store that several instances share.
/// Clones share the keys.
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

/// A key that is to be kept.
#[derive(Clone, Copy)]
pub struct PutApiKey<'a> {
    /// Its id. No other key has it.
    pub id: ApiKeyId,
    /// The SHA-256 digest of its text.
    pub digest: &'a [u8; 32],
    /// Who owns it.
    pub owner: ApiKeyOwner<'a>,
    /// What its owner calls it.
    pub name: &'a str,
    /// The scopes that it is granted, separated by spaces.
    pub scope: &'a str,
    /// How long it lives; `None` if it does not expire.
    pub lifetime: Option<Duration>,
    /// How many keys the owner may have, this one included.
    pub most: u32,
    /// The key in whose place it is made, and after how long that one expires, unless it expires before.
    pub former: Option<(ApiKeyId, Duration)>,
}

debug_only!(PutApiKey<'_> { id, lifetime, most, former });

/// What became of a key that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It is kept, and the former one expires.
    Kept,
    /// Nothing has changed: the owner does not have the former key.
    NoFormer,
    /// Nothing has changed: the owner has as many keys as it may have.
    TooMany,
}

/// Keeps API keys outside of this process, so that several instances share them: a table of the
/// application's database, or a Redis server.
///
/// Implementations answer within a deadline of their own: requests wait for them.
///
/// # Semantics
/// 1. Each method is one atomic step of the store, by its own clock. It submits its command before it
///    returns; the future only carries the answer.
/// 2. A key that has expired is as if it did not exist.
/// 3. The store keeps the digest of a key, and never its text.
/// 4. The suite in `tests/it/api_keys` of this crate checks a store against a model.
pub trait RemoteApiKeys: Send + Sync + 'static {
    /// Keeps a key, and lets the former one expire. The former one is looked for first, and counts.
    fn put(&self, put: &PutApiKey<'_>) -> BoxFuture<Placed>;

    /// The key with this id.
    fn find(&self, id: ApiKeyId) -> BoxFuture<Option<ApiKeyRecord>>;

    /// The keys of an owner, the newest first.
    fn list(&self, owner: ApiKeyOwner<'_>) -> BoxFuture<Vec<ApiKeyRecord>>;

    /// Makes a key of this owner expire after this time, unless it expires before; removes it if the
    /// time is zero. Returns whether the owner has such a key.
    fn expire(&self, owner: ApiKeyOwner<'_>, id: ApiKeyId, after: Duration) -> BoxFuture<bool>;
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

    /// Keeps a key: see [`RemoteApiKeys::put`].
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

    /// Makes a key expire: see [`RemoteApiKeys::expire`].
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    pub async fn expire(
        &self,
        owner: ApiKeyOwner<'_>,
        id: ApiKeyId,
        after: Duration,
    ) -> Result<bool, StoreError> {
        match &self.kept {
            Kept::Memory(keys) => Ok(keys.expire(owner, id, after)),
            Kept::Remote(store) => store.expire(owner, id, after).await,
        }
    }
}
