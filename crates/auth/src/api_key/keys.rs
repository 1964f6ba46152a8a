//! Making, verifying and ending API keys.

use std::{
    num::NonZeroU32,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hardpoint_core::{
    Identity, Rejection, Secret, Telemetry, Time,
    event::{ApiKeyErrorKind, ApiKeyVerified, StoreFailed, StoreKind},
};
use http::HeaderName;

use super::{
    ApiKeyError, ApiKeyId, ApiKeyOwner, ApiKeyRecord, ApiKeyStore, PutApiKey,
    copy::Ages,
    lookup::{self, Found, Lookup, Lookups, NotFound, Settings},
    store::Kept,
    text::{Prefix, Presented, digest},
};
use crate::{
    Attempt, AuthRejection, Authenticator, ConfigError, Credential, Scopes,
    rate::Rate,
    store::{StoreClock, StoreError, millis},
};

/// Makes API keys, and authenticates the callers who present them. See the [module docs](super).
///
/// Clones share the keys and the copies.
#[derive(Clone)]
pub struct ApiKeys {
    inner: Arc<Inner>,
}

struct Inner {
    prefix: Prefix,
    store: ApiKeyStore,
    lookups: Option<Arc<Lookups>>,
    header: HeaderName,
    scheme: &'static str,
    max_per_owner: NonZeroU32,
    time: Time,
    telemetry: Arc<OnceLock<Telemetry>>,
}

debug_only!(Inner { prefix, store, lookups, header, scheme, max_per_owner });
debug_only!(ApiKeys { inner });

/// Sets up [`ApiKeys`].
///
/// | setting | default |
/// |---|---|
/// | [`header`](Self::header) | `x-api-key` |
/// | [`scheme`](Self::scheme) | `ApiKey` |
/// | [`max_per_owner`](Self::max_per_owner) | 20 |
/// | [`fresh_for`](Self::fresh_for) | 10 s |
/// | [`stale_if_error`](Self::stale_if_error) | 60 s |
/// | [`capacity`](Self::capacity) | 10 000 keys |
/// | [`unknown_keys`](Self::unknown_keys) | 60 a minute for each network |
/// | [`time`](Self::time) | the system's clocks |
/// | [`telemetry`](Self::telemetry) | the observer of the stack |
#[must_use]
pub struct ApiKeysBuilder {
    prefix: String,
    store: ApiKeyStore,
    header: HeaderName,
    scheme: &'static str,
    max_per_owner: NonZeroU32,
    fresh_for: Duration,
    stale_if_error: Duration,
    capacity: usize,
    unknown_keys: Rate,
    time: Time,
    telemetry: Arc<OnceLock<Telemetry>>,
}

debug_only!(ApiKeysBuilder { prefix, store, header, scheme, max_per_owner });

impl ApiKeysBuilder {
    /// The header field that carries a key. Default: `x-api-key`.
    pub fn header(mut self, header: HeaderName) -> Self {
        self.header = header;
        self
    }

    /// The scheme of a key in `Authorization`, and of the challenge. Default: `ApiKey`.
    ///
    /// With `Bearer`, clients send keys as they send tokens. Add the keys to the
    /// [`AuthLayer`](crate::AuthLayer) before a [`TokenVerifier`](crate::TokenVerifier), which takes
    /// every credential that it is asked about; the keys take only what begins with their prefix.
    pub const fn scheme(mut self, scheme: &'static str) -> Self {
        self.scheme = scheme;
        self
    }

    /// How many keys an owner may have. Default: 20, which is enough to have one for each client and to
    /// rotate it. More keys take more memory and hide unused ones.
    pub const fn max_per_owner(mut self, most: NonZeroU32) -> Self {
        self.max_per_owner = most;
        self
    }

    /// How long a copy of what a remote store answered is used. Default: 10 s.
    ///
    /// A key that another instance ended is accepted here for at most this long. A longer time saves the
    /// store questions: it is asked about twice in this time for each key in use. With 0 every request
    /// waits for the store; requests with the same key at the same time share one question.
    pub const fn fresh_for(mut self, fresh_for: Duration) -> Self {
        self.fresh_for = fresh_for;
        self
    }

    /// How long after that a copy is still used if the store does not answer. Default: 60 s, the length
    /// of a restart. Then the answer is 503. A longer time survives a longer outage, in which ended keys
    /// are accepted; with 0 the first failure is visible.
    pub const fn stale_if_error(mut self, stale_if_error: Duration) -> Self {
        self.stale_if_error = stale_if_error;
        self
    }

    /// How many copies of keys are kept, and a quarter as many copies of the fact that a key does not
    /// exist. Default: 10 000, about 4 MiB. The copy that was read longest ago goes first; a key without
    /// a copy costs a question.
    pub const fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// How many unknown keys a network of clients may present until it has to wait, so that made-up keys
    /// do not flood the store. Default: 60 a minute. An unknown key counts once in
    /// [`fresh_for`](Self::fresh_for). Keys that have a copy are not affected.
    pub const fn unknown_keys(mut self, rate: Rate) -> Self {
        self.unknown_keys = rate;
        self
    }

    /// Reads the time from this handle. Default: the system's clocks.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.time = time.into();
        self
    }

    /// Reports each verification to this observer. Default: to the observer of the stack.
    pub fn telemetry(self, telemetry: &Telemetry) -> Self {
        telemetry.fill(&self.telemetry);
        self
    }

    /// The keys.
    ///
    /// # Errors
    /// [`ConfigError::ApiKeyPrefix`] if the prefix is not 2 to 32 of `a-z`, `0-9` and `_`, from a letter
    /// to a letter or digit.
    pub fn build(self) -> Result<ApiKeys, ConfigError> {
        let prefix = Prefix::new(&self.prefix);
        let prefix = prefix.ok_or(ConfigError::ApiKeyPrefix(self.prefix))?;
        let ages =
            Ages { fresh: millis(self.fresh_for), stale_if_error: millis(self.stale_if_error) };
        let settings = Settings { ages, capacity: self.capacity, unknown: self.unknown_keys };
        let lookups = match &self.store.kept {
            Kept::Memory(_) => None,
            Kept::Remote(store) => {
                let (clock, telemetry) =
                    (StoreClock::new(self.time.clone()), Arc::clone(&self.telemetry));
                Some(Arc::new(Lookups::new(Arc::clone(store), settings, clock, telemetry)))
            }
        };
        Ok(ApiKeys {
            inner: Arc::new(Inner {
                prefix,
                store: self.store,
                lookups,
                header: self.header,
                scheme: self.scheme,
                max_per_owner: self.max_per_owner,
                time: self.time,
                telemetry: self.telemetry,
            }),
        })
    }
}

/// A key that is to be made.
#[derive(Clone)]
#[must_use]
pub struct NewApiKey<'a> {
    owner: ApiKeyOwner<'a>,
    name: &'a str,
    scope: Arc<str>,
    lifetime: Option<Duration>,
}

debug_only!(NewApiKey<'_> { lifetime });

impl<'a> NewApiKey<'a> {
    /// A key of this owner that is granted no scope and lives 90 days.
    pub fn new(owner: ApiKeyOwner<'a>) -> Self {
        const DAYS_90: Duration = Duration::from_secs(90 * 24 * 60 * 60);

        Self { owner, name: "API key", scope: "".into(), lifetime: Some(DAYS_90) }
    }

    /// What its owner calls it: 1 to 100 bytes. Default: `API key`.
    pub const fn name(mut self, name: &'a str) -> Self {
        self.name = name;
        self
    }

    /// Grants these scopes. Default: none. Grant no scope that the owner does not have.
    pub fn scopes(mut self, scopes: &Scopes) -> Self {
        self.scope = scopes.as_str().into();
        self
    }

    /// How long it lives. Default: 90 days, so that a forgotten key ends by itself.
    pub const fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Lets it live until it is ended. A copy of it that its owner forgot works for ever.
    pub const fn dangerous_never_expires(mut self) -> Self {
        self.lifetime = None;
        self
    }
}

/// A key that was made. `Debug` hides it.
#[derive(Debug)]
pub struct IssuedApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Its text. Show it to the owner once, and keep it nowhere.
    pub text: Secret<str>,
}

/// The longest name, in bytes.
const MAX_NAME: usize = 100;

impl ApiKeys {
    /// Keeps keys in `store`. All of them begin with `prefix` and an underscore, such as
    /// `acme_live_…`, so that people and scanners recognize them.
    pub fn builder(prefix: impl Into<String>, store: ApiKeyStore) -> ApiKeysBuilder {
        const SIXTY: NonZeroU32 = NonZeroU32::new(60).unwrap();
        const TWENTY: NonZeroU32 = NonZeroU32::new(20).unwrap();

        ApiKeysBuilder {
            prefix: prefix.into(),
            store,
            header: HeaderName::from_static("x-api-key"),
            scheme: "ApiKey",
            max_per_owner: TWENTY,
            fresh_for: Duration::from_secs(10),
            stale_if_error: Duration::from_secs(60),
            capacity: 10_000,
            unknown_keys: Rate::new(SIXTY, Duration::from_secs(60)),
            time: Time::system(),
            telemetry: Arc::default(),
        }
    }

    /// Makes a key.
    ///
    /// # Errors
    /// [`ApiKeyError::Name`], [`ApiKeyError::TooMany`], [`ApiKeyError::Randomness`], or
    /// [`ApiKeyError::Store`] if the store did not answer or is full.
    pub async fn issue(&self, new: NewApiKey<'_>) -> Result<IssuedApiKey, ApiKeyError> {
        let most = self.inner.max_per_owner;
        self.put(&new, most).await?.ok_or(ApiKeyError::TooMany { most: most.get() })
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
    /// # Errors
    /// [`ApiKeyError::Store`] if the store did not answer. The key may have ended.
    pub async fn revoke(&self, owner: ApiKeyOwner<'_>, id: ApiKeyId) -> Result<bool, ApiKeyError> {
        self.expire(owner, id, Duration::ZERO).await
    }

    /// Makes a key in place of another one of this owner, with its name, its scopes and its lifetime.
    /// Both work for `overlap`, in which clients change over; then the former one ends. `None` if the
    /// owner has no such key.
    ///
    /// For the overlap the owner may have one key more than
    /// [`max_per_owner`](ApiKeysBuilder::max_per_owner).
    ///
    /// # Cancellation
    /// If the future is dropped, the new key may exist without anyone knowing it. It is in the list.
    ///
    /// # Errors
    /// As [`issue`](Self::issue). If the store fails after the new key was made, neither key ended early.
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
        let most = self.inner.max_per_owner.saturating_add(1);
        let issued = self.put(&new, most).await?;
        let issued = issued.ok_or(ApiKeyError::TooMany { most: most.get() })?;
        self.expire(owner, id, overlap).await?;
        Ok(Some(issued))
    }

    async fn put(
        &self,
        new: &NewApiKey<'_>,
        most: NonZeroU32,
    ) -> Result<Option<IssuedApiKey>, ApiKeyError> {
        if new.name.is_empty() || new.name.len() > MAX_NAME {
            return Err(ApiKeyError::Name { most: MAX_NAME });
        }
        let (id, text) = self.inner.prefix.generate().ok_or(ApiKeyError::Randomness)?;
        let put = PutApiKey {
            id,
            digest: &digest(text.expose()),
            owner: new.owner,
            name: new.name,
            scope: &new.scope,
            lifetime: new.lifetime,
            most: most.get(),
        };
        let is_kept = self.inner.store.put(&put).await.map_err(|error| self.failed(error))?;
        Ok(is_kept.then_some(IssuedApiKey { id, text }))
    }

    async fn expire(
        &self,
        owner: ApiKeyOwner<'_>,
        id: ApiKeyId,
        after: Duration,
    ) -> Result<bool, ApiKeyError> {
        let expired = self.inner.store.expire(owner, id, after).await;
        // Also after an error: the store may have done it.
        if let Some(lookups) = &self.inner.lookups {
            lookups.forget(id);
        }
        expired.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: StoreError) -> ApiKeyError {
        if let Some(telemetry) = self.inner.telemetry.get() {
            telemetry.on(&StoreFailed::new(StoreKind::ApiKey, error.kind()).into());
        }
        ApiKeyError::Store(error)
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
        record.admit(presented, || self.time.unix()).map_err(Refused::Key)
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
