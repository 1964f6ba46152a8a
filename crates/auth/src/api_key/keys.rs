//! Making, verifying and ending API keys.

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
    NewApiKey, Placed, PutApiKey,
    lookup::{self, Found, Lookup, Lookups, NotFound},
    store::Kept,
    text::{Prefix, Presented, digest},
};
use crate::{Attempt, AuthRejection, Authenticator, Credential, store::StoreError};

/// Makes API keys, and authenticates the callers who present them. See the [module docs](super).
///
/// Clones share the keys and the copies.
#[derive(Clone)]
pub struct ApiKeys {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) prefix: Prefix,
    pub(super) store: ApiKeyStore,
    /// Copies of what a remote store answered; `None` for one in memory.
    pub(super) lookups: Option<Arc<Lookups>>,
    pub(super) header: HeaderName,
    pub(super) scheme: &'static str,
    pub(super) max_per_owner: NonZeroU32,
    pub(super) time: Time,
    pub(super) telemetry: Arc<OnceLock<Telemetry>>,
}

debug_only!(Inner { prefix, store, lookups, header, scheme, max_per_owner });
debug_only!(ApiKeys { inner });

/// The longest name, in bytes.
const MAX_NAME: usize = 100;

impl ApiKeys {
    /// Keeps keys in `store`. All of them begin with `prefix` and an underscore, such as
    /// `acme_live_…`, so that people and scanners recognize them.
    pub fn builder(prefix: impl Into<String>, store: ApiKeyStore) -> ApiKeysBuilder {
        ApiKeysBuilder::new(prefix.into(), store)
    }

    /// Makes a key.
    ///
    /// # Errors
    /// [`ApiKeyError::Name`], [`ApiKeyError::TooMany`], [`ApiKeyError::Randomness`], or
    /// [`ApiKeyError::Store`] if the store did not answer or is full.
    pub async fn issue(&self, new: NewApiKey<'_>) -> Result<IssuedApiKey, ApiKeyError> {
        let issued = self.put(&new, None).await?;
        // A store that was not asked for a former key misses none.
        issued.ok_or_else(|| ApiKeyError::Store(StoreError::new(StoreErrorKind::Corrupt)))
    }

    /// The keys of an owner that have not ended, the newest first.
    ///
    /// # Errors
    /// [`ApiKeyError::Store`] if the store did not answer.
    pub async fn list(&self, owner: ApiKeyOwner<'_>) -> Result<Vec<ApiKeyRecord>, ApiKeyError> {
        self.inner.store.list(owner).await.map_err(|error| self.failed(error))
    }

    /// Ends a key of this owner, and returns whether the owner had it. This instance refuses it from now
    /// on, others within [`fresh_for`](ApiKeysBuilder::fresh_for).
    ///
    /// # Cancellation
    /// The store is told before anything is awaited. If the future is dropped, the key ends, unless the
    /// store is down.
    ///
    /// # Errors
    /// [`ApiKeyError::Store`] if the store did not answer. The key may have ended.
    pub async fn revoke(&self, owner: ApiKeyOwner<'_>, id: ApiKeyId) -> Result<bool, ApiKeyError> {
        let mut forgets = self.forget_after(owner, id);
        let expired = self.inner.store.expire(owner, id, Duration::ZERO).await;
        if matches!(expired, Ok(false)) {
            // A stranger who names the id does not make its owner wait for the store.
            forgets.lookups = None;
        }
        expired.map_err(|error| self.failed(error))
    }

    /// Ends all keys of this owner, for example after its password was stolen, and returns their number.
    ///
    /// # Errors
    /// [`ApiKeyError::Store`] if the store did not answer. Some of the keys may have ended.
    pub async fn revoke_all(&self, owner: ApiKeyOwner<'_>) -> Result<usize, ApiKeyError> {
        let mut ended = 0;
        loop {
            let keys = self.list(owner).await?;
            if keys.is_empty() {
                return Ok(ended);
            }
            for key in keys {
                ended += usize::from(self.revoke(owner, key.id).await?);
            }
        }
    }

    /// Makes a key in place of another one of this owner, with its name, its scopes and its lifetime.
    /// Both work for `overlap`, in which clients change over; then the former one ends. `None` if the
    /// owner has no such key.
    ///
    /// Check before that the owner still has the scopes of the key, which [`list`](Self::list) returns.
    /// For the overlap the owner may have one key more than
    /// [`max_per_owner`](ApiKeysBuilder::max_per_owner).
    ///
    /// # Errors
    /// As [`issue`](Self::issue). If the store did not answer, the new key may exist: it is in the list,
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
            lifetime: record.expires.map(|expires| expires.saturating_sub(record.created)),
        };
        // The copy of the former key does not know yet when it ends.
        let _forgets = self.forget_after(owner, id);
        self.put(&new, Some((id, overlap))).await
    }

    /// Makes a key; `None` if the owner does not have the former one.
    async fn put(
        &self,
        new: &NewApiKey<'_>,
        former: Option<(ApiKeyId, Duration)>,
    ) -> Result<Option<IssuedApiKey>, ApiKeyError> {
        if new.name.is_empty() || new.name.len() > MAX_NAME {
            return Err(ApiKeyError::Name { most: MAX_NAME });
        }
        let (id, text) = self.inner.prefix.generate().ok_or(ApiKeyError::Randomness)?;
        let most = self.inner.max_per_owner.get().saturating_add(former.is_some().into());
        let put = PutApiKey {
            id,
            digest: &digest(text.expose()),
            owner: new.owner,
            name: new.name,
            scope: &new.scope,
            lifetime: new.lifetime,
            most,
            former,
        };
        match self.inner.store.put(&put).await.map_err(|error| self.failed(error))? {
            Placed::Kept => Ok(Some(IssuedApiKey { id, text })),
            Placed::NoFormer => Ok(None),
            Placed::TooMany => Err(ApiKeyError::TooMany { most }),
        }
    }

    /// Forgets the copy of a key when this is dropped: after the store was told to end it, whether it
    /// answered or not, and also if the caller does not wait for the answer.
    fn forget_after<'a>(&'a self, owner: ApiKeyOwner<'a>, id: ApiKeyId) -> ForgetAfter<'a> {
        ForgetAfter { lookups: self.inner.lookups.as_deref(), owner, id }
    }

    fn failed(&self, error: StoreError) -> ApiKeyError {
        if let Some(telemetry) = self.inner.telemetry.get() {
            telemetry.on(&StoreFailed::new(StoreKind::ApiKey, error.kind()).into());
        }
        ApiKeyError::Store(error)
    }
}

/// See [`ApiKeys::forget_after`].
struct ForgetAfter<'a> {
    lookups: Option<&'a Lookups>,
    owner: ApiKeyOwner<'a>,
    id: ApiKeyId,
}

impl Drop for ForgetAfter<'_> {
    fn drop(&mut self) {
        if let Some(lookups) = self.lookups {
            lookups.forget(self.owner, self.id);
        }
    }
}

/// Why a key is not accepted, and for how long.
enum Refused {
    Key(ApiKeyErrorKind),
    TooMany(Duration),
}

impl From<NotFound> for Refused {
    fn from(error: NotFound) -> Self {
        match error {
            NotFound::TooMany(wait) => Self::TooMany(wait),
            NotFound::Unavailable => Self::Key(ApiKeyErrorKind::Unavailable),
        }
    }
}

impl Inner {
    /// The caller who presents a key that was looked up.
    fn admit(
        &self,
        presented: &Presented,
        found: Result<Found, NotFound>,
    ) -> Result<Identity, Refused> {
        let record = found?.ok_or(Refused::Key(ApiKeyErrorKind::Unknown))?;
        // A store in memory has judged by its own clock, and steps of the calendar do not matter to it.
        let is_copy = self.lookups.is_some();
        let now = || if is_copy { self.time.unix() } else { Duration::ZERO };
        record.admit(presented, now).map_err(Refused::Key)
    }

    /// Reports a verification for an authentication layer.
    fn report(&self, answer: Result<Identity, Refused>) -> Result<Identity, Box<dyn Rejection>> {
        let result = match &answer {
            Ok(_) => Ok(()),
            Err(Refused::Key(kind)) => Err(*kind),
            Err(Refused::TooMany(_)) => Err(ApiKeyErrorKind::TooManyUnknown),
        };
        if let Some(telemetry) = self.telemetry.get() {
            telemetry.on(&ApiKeyVerified::new(result).into());
        }
        answer.map_err(|refused| {
            tracing::debug!(
                target: "hardpoint::auth::api_key",
                reason = result.err().map(ApiKeyErrorKind::as_str),
                "API key refused"
            );
            Box::new(match refused {
                Refused::Key(ApiKeyErrorKind::Unavailable) => AuthRejection::ApiKeysUnavailable,
                Refused::Key(kind) => AuthRejection::InvalidApiKey(kind),
                Refused::TooMany(wait) => AuthRejection::TooManyUnknownApiKeys(wait),
            }) as _
        })
    }
}

impl Authenticator for ApiKeys {
    fn authenticate(&self, credential: Credential<'_>) -> Attempt {
        let inner = &self.inner;
        let text = credential.text();
        let presented = match inner.prefix.parse(text) {
            None => return Attempt::NotMine,
            Some(Ok(presented)) => presented,
            Some(Err(_)) => {
                return Attempt::Now(inner.report(Err(Refused::Key(ApiKeyErrorKind::Malformed))));
            }
        };
        let lookup = match (&inner.lookups, &inner.store.kept) {
            (Some(lookups), _) => lookups.find(presented.id, || credential.network()),
            (None, Kept::Memory(keys)) => Lookup::Now(Ok(keys.find(presented.id))),
            // A remote store has look-ups.
            (None, Kept::Remote(_)) => Lookup::Now(Err(NotFound::Unavailable)),
        };
        match lookup {
            Lookup::Now(found) => Attempt::Now(inner.report(inner.admit(&presented, found))),
            Lookup::Later(answer) => {
                let inner = Arc::clone(inner);
                Attempt::Later(Box::pin(async move {
                    let found = lookup::wait_for(answer).await;
                    inner.report(inner.admit(&presented, found))
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
