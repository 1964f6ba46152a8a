//! Issuing, verifying, rotating and revoking API keys.

use std::{
    num::NonZeroU32,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hardpoint_core::{
    Identity, Rejection, Telemetry, Time,
    event::{ApiKeyErrorKind, ApiKeyVerified, StoreErrorKind, StoreFailed, StoreKind},
};
use http::HeaderName;

use super::{
    ApiKeyError, ApiKeyId, ApiKeyOwner, ApiKeyRecord, ApiKeyStore, ApiKeysBuilder, IssuedApiKey,
    NewApiKey, Placed, PutApiKey, Replaced,
    lookup::{self, Looked, Lookup, LookupError, Lookups},
    memory::MemoryApiKeys,
    text::{ParsedKey, Prefix, digest},
};
use crate::{Attempt, AuthRejection, Authenticator, Credential, store::StoreError};

/// Issues API keys, and authenticates the callers who present them. See the [module docs](super).
///
/// Clones share the keys and the cache.
#[derive(Clone)]
pub struct ApiKeys {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) prefix: Prefix,
    pub(super) store: ApiKeyStore,
    pub(super) source: Source,
    pub(super) header: HeaderName,
    pub(super) scheme: &'static str,
    pub(super) max_per_owner: NonZeroU32,
    pub(super) time: Time,
    pub(super) telemetry: Arc<OnceLock<Telemetry>>,
}

/// Where presented keys are looked up.
pub(super) enum Source {
    Memory(Arc<MemoryApiKeys>),
    Remote(Arc<Lookups>),
}

debug_only!(Inner { prefix, store, header, scheme, max_per_owner });
debug_only!(ApiKeys { inner });

/// The longest name, in bytes.
const MAX_NAME: usize = 100;

impl ApiKeys {
    /// Keeps keys in `store`. All of them begin with `prefix` and an underscore, such as
    /// `acme_live_…`, so that people and secret scanners recognize them.
    pub fn builder(prefix: impl Into<String>, store: ApiKeyStore) -> ApiKeysBuilder {
        ApiKeysBuilder::new(prefix.into(), store)
    }

    /// Issues a key.
    ///
    /// # Cancellation
    /// If the future is dropped, the store may have inserted the key, whose text is then lost. The list
    /// contains it.
    ///
    /// # Errors
    /// [`ApiKeyError::Name`], [`ApiKeyError::TooMany`], [`ApiKeyError::Randomness`], or
    /// [`ApiKeyError::Store`] if the store did not answer or is full.
    pub async fn issue(&self, new: NewApiKey<'_>) -> Result<IssuedApiKey, ApiKeyError> {
        match self.put(&new, None).await? {
            (Placed::Kept, issued) => Ok(issued),
            (Placed::TooMany, _) => Err(self.too_many()),
            // It was not asked to replace a key.
            (Placed::NothingToReplace, _) => {
                Err(self.failed(StoreError::new(StoreErrorKind::Corrupt)))
            }
        }
    }

    /// The keys of an owner that are neither revoked nor expired, the newest first.
    ///
    /// # Errors
    /// [`ApiKeyError::Store`] if the store did not answer.
    pub async fn list(&self, owner: ApiKeyOwner<'_>) -> Result<Vec<ApiKeyRecord>, ApiKeyError> {
        self.inner.store.list(owner).await.map_err(|error| self.failed(error))
    }

    /// Revokes a key of this owner, and returns whether the owner had it. If it had, this instance refuses
    /// it from now on, others after at most [`fresh_for`](ApiKeysBuilder::fresh_for) while the store answers.
    ///
    /// # Cancellation
    /// The command is submitted at the first poll. If the future is dropped after that, the key is still
    /// revoked unless the store is down.
    ///
    /// # Errors
    /// [`ApiKeyError::Store`] if the store did not answer. The key may have been revoked.
    pub async fn revoke(&self, owner: ApiKeyOwner<'_>, id: ApiKeyId) -> Result<bool, ApiKeyError> {
        let mut forgets = self.forget_after(owner, Forgets::One(id));
        let revoked = self.inner.store.expire_after(owner, id, Duration::ZERO).await;
        if matches!(revoked, Ok(false)) {
            forgets.which = Forgets::Known(id);
        }
        revoked.map_err(|error| self.failed(error))
    }

    /// Revokes all keys of this owner, for example after its password was stolen, and returns their
    /// number.
    ///
    /// # Cancellation
    /// As for [`revoke`](Self::revoke).
    ///
    /// # Errors
    /// [`ApiKeyError::Store`] if the store did not answer. The keys may have been revoked.
    pub async fn revoke_all(&self, owner: ApiKeyOwner<'_>) -> Result<usize, ApiKeyError> {
        let _forgets = self.forget_after(owner, Forgets::All);
        let revoked = self.inner.store.revoke_all(owner).await;
        revoked.map(|ids| ids.len()).map_err(|error| self.failed(error))
    }

    /// Issues a replacement for a key of this owner, with the same name, scopes and lifetime. Both keys
    /// work for `overlap`, so that clients can switch; then the old one expires. Another instance that has the
    /// old key cached learns of it as of a revocation. `None` if the owner has no
    /// such key.
    ///
    /// Before calling this, check that the owner still has the key's scopes (see [`list`](Self::list)).
    /// For the overlap the owner may have one key more than
    /// [`max_per_owner`](ApiKeysBuilder::max_per_owner).
    ///
    /// # Cancellation
    /// As for [`issue`](Self::issue).
    ///
    /// # Errors
    /// As for [`issue`](Self::issue). If the store did not answer, the new key may exist: it is in the list,
    /// and can be rotated in turn.
    pub async fn rotate(
        &self,
        owner: ApiKeyOwner<'_>,
        id: ApiKeyId,
        overlap: Duration,
    ) -> Result<Option<IssuedApiKey>, ApiKeyError> {
        let record = self.inner.store.find(id).await.map_err(|error| self.failed(error))?;
        let Some(record) = record.filter(|record| record.owner() == owner) else { return Ok(None) };
        let new = NewApiKey {
            owner,
            name: &record.name,
            scope: Arc::clone(&record.scope),
            lifetime: record.lifetime,
        };
        // The cached answer does not know yet when the old key expires.
        let _forgets = self.forget_after(owner, Forgets::One(id));
        match self.put(&new, Some(Replaced { id, overlap })).await? {
            (Placed::Kept, issued) => Ok(Some(issued)),
            (Placed::NothingToReplace, _) => Ok(None),
            (Placed::TooMany, _) => Err(self.too_many()),
        }
    }

    async fn put(
        &self,
        new: &NewApiKey<'_>,
        replaces: Option<Replaced>,
    ) -> Result<(Placed, IssuedApiKey), ApiKeyError> {
        if new.name.is_empty() || new.name.len() > MAX_NAME {
            return Err(ApiKeyError::Name { max: MAX_NAME });
        }
        let (id, text) = self.inner.prefix.generate().ok_or(ApiKeyError::Randomness)?;
        let put = PutApiKey {
            id,
            digest: &digest(text.expose()),
            owner: new.owner,
            name: new.name,
            scope: &new.scope,
            lifetime: new.lifetime,
            max_keys: self.inner.max_per_owner.get().saturating_add(replaces.is_some().into()),
            replaces,
        };
        let placed = self.inner.store.put(&put).await.map_err(|error| self.failed(error))?;
        Ok((placed, IssuedApiKey { id, text }))
    }

    fn too_many(&self) -> ApiKeyError {
        ApiKeyError::TooMany { max: self.inner.max_per_owner.get() }
    }

    fn failed(&self, error: StoreError) -> ApiKeyError {
        if let Some(telemetry) = self.inner.telemetry.get() {
            telemetry.on(&StoreFailed::new(StoreKind::ApiKey, error.kind()).into());
        }
        ApiKeyError::Store(error)
    }

    /// When dropped, forgets what is cached. By then the command that revokes has been submitted, whether
    /// or not the store answered or the caller waited.
    fn forget_after<'a>(&'a self, owner: ApiKeyOwner<'a>, which: Forgets) -> ForgetAfter<'a> {
        ForgetAfter { keys: self, owner, which }
    }
}

/// See [`ApiKeys::forget_after`].
struct ForgetAfter<'a> {
    keys: &'a ApiKeys,
    owner: ApiKeyOwner<'a>,
    which: Forgets,
}

/// Which keys of an owner are forgotten.
#[derive(Clone, Copy)]
enum Forgets {
    All,
    /// This one, if it is known as one of the owner.
    Known(ApiKeyId),
    /// This one, and what a lookup in flight answers about it.
    One(ApiKeyId),
}

impl Drop for ForgetAfter<'_> {
    fn drop(&mut self) {
        let Source::Remote(lookups) = &self.keys.inner.source else { return };
        match self.which {
            Forgets::All => lookups.forget_all(self.owner),
            Forgets::Known(id) => lookups.forget_known(self.owner, id),
            Forgets::One(id) => lookups.forget(self.owner, id),
        }
    }
}

/// Why a key is not accepted, and until when.
enum NotAccepted {
    Key(ApiKeyErrorKind),
    TooMany(Duration),
}

impl Inner {
    /// The caller who presents a key that was looked up.
    fn admit(&self, key: &ParsedKey, looked: Looked) -> Result<Identity, NotAccepted> {
        let record = looked.map_err(|error| match error {
            LookupError::TooMany(wait) => NotAccepted::TooMany(wait),
            LookupError::Unavailable => NotAccepted::Key(ApiKeyErrorKind::Unavailable),
        })?;
        let record = record.ok_or(NotAccepted::Key(ApiKeyErrorKind::Unknown))?;
        let now = || match self.source {
            // It has judged by its own clock, for which steps of the calendar do not matter.
            Source::Memory(_) => Duration::ZERO,
            Source::Remote(_) => self.time.unix(),
        };
        record.admit(key, now).map_err(NotAccepted::Key)
    }

    /// Reports a verification for an authentication layer.
    fn report(
        &self,
        answer: Result<Identity, NotAccepted>,
    ) -> Result<Identity, Box<dyn Rejection>> {
        let result = match &answer {
            Ok(_) => Ok(()),
            Err(NotAccepted::Key(kind)) => Err(*kind),
            Err(NotAccepted::TooMany(_)) => Err(ApiKeyErrorKind::TooManyUnknown),
        };
        if let Some(telemetry) = self.telemetry.get() {
            telemetry.on(&ApiKeyVerified::new(result).into());
        }
        answer.map_err(|error| {
            tracing::debug!(
                target: "hardpoint::auth::api_key",
                reason = result.err().map(ApiKeyErrorKind::as_str),
                "API key refused"
            );
            Box::new(match error {
                NotAccepted::Key(ApiKeyErrorKind::Unavailable) => AuthRejection::ApiKeysUnavailable,
                NotAccepted::Key(kind) => AuthRejection::InvalidApiKey(kind),
                NotAccepted::TooMany(wait) => AuthRejection::TooManyUnknownApiKeys(wait),
            }) as _
        })
    }
}

impl Authenticator for ApiKeys {
    fn authenticate(&self, credential: Credential<'_>) -> Attempt {
        let inner = &self.inner;
        let key = match inner.prefix.parse(credential.text()) {
            None => return Attempt::NotMine,
            Some(Ok(key)) => key,
            Some(Err(_)) => {
                let malformed = NotAccepted::Key(ApiKeyErrorKind::Malformed);
                return Attempt::Now(inner.report(Err(malformed)));
            }
        };
        let lookup = match &inner.source {
            Source::Memory(keys) => Lookup::Now(Ok(keys.find(key.id))),
            Source::Remote(lookups) => lookups.find(key.id, || credential.network()),
        };
        match lookup {
            Lookup::Now(looked) => Attempt::Now(inner.report(inner.admit(&key, looked))),
            Lookup::Later(pending) => {
                let inner = Arc::clone(inner);
                Attempt::Later(Box::pin(async move {
                    let looked = lookup::wait_for(pending).await;
                    inner.report(inner.admit(&key, looked))
                }))
            }
        }
    }

    fn scheme(&self) -> &'static str {
        self.inner.scheme
    }

    fn header(&self) -> Option<HeaderName> {
        Some(self.inner.header.clone())
    }

    fn telemetry(&self, telemetry: &Telemetry) {
        telemetry.fill(&self.inner.telemetry);
    }
}
