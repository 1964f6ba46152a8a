//! The settings of API keys.

use std::{
    num::NonZeroU32,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hardpoint_core::{Telemetry, Time};
use http::HeaderName;

use super::{
    ApiKeyStore, ApiKeys,
    cached::Ages,
    keys::{Inner, Source},
    lookup::{Lookups, Settings},
    store::Kept,
    text::Prefix,
};
use crate::{
    ConfigError,
    rate::Rate,
    store::{StoreClock, millis},
};

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
/// | [`unknown_keys`](Self::unknown_keys) | 60 a minute for each client network |
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
    pub(super) fn new(prefix: String, store: ApiKeyStore) -> Self {
        const SIXTY: NonZeroU32 = NonZeroU32::new(60).unwrap();
        const TWENTY: NonZeroU32 = NonZeroU32::new(20).unwrap();

        Self {
            prefix,
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

    /// The header field that carries a key. Default: `x-api-key`. Name another one to
    /// `HttpsLayer::add_credential` of `hardpoint-edge`, too.
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

    /// How many keys an owner may have. Default: 20, enough for one key for each program and a rotation.
    /// More keys take more memory and hide unused ones.
    pub const fn max_per_owner(mut self, max: NonZeroU32) -> Self {
        self.max_per_owner = max;
        self
    }

    /// How long an answer from a remote store is cached. Default: 10 s.
    ///
    /// A key that another instance revoked is accepted here for at most this long while the store
    /// answers. A longer time means fewer lookups: a key in use causes about two in each `fresh_for`. With 0
    /// every request waits for the store; concurrent requests with the same key share one lookup.
    pub const fn fresh_for(mut self, fresh_for: Duration) -> Self {
        self.fresh_for = fresh_for;
        self
    }

    /// How much longer a cached answer is used while the store does not answer. Default: 60 s, enough for
    /// a restart. After that, requests get 503. With a longer time keys survive a longer outage, and so do
    /// revoked ones; with 0 a failure shows once [`fresh_for`](Self::fresh_for) is over.
    pub const fn stale_if_error(mut self, stale_if_error: Duration) -> Self {
        self.stale_if_error = stale_if_error;
        self
    }

    /// How many keys are cached, plus a quarter as many negative answers (keys that do not exist).
    /// Default: 10 000, about 5 MB. The least recently refreshed entry is evicted first. A key that is not
    /// cached costs a lookup; 0 caches none.
    pub const fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// How many unknown keys one client network may present before it is refused with 429, so that
    /// invented keys reach the store only in bounded numbers. Default: 60 a minute. An unknown key counts once in each
    /// [`fresh_for`](Self::fresh_for). Keys that are cached are not affected.
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

    /// Builds the [`ApiKeys`].
    ///
    /// # Errors
    /// [`ConfigError::ApiKeyPrefix`] if the prefix is not 2 to 32 characters of `a-z`, `0-9` and `_` that
    /// start with a letter and do not end with `_`.
    pub fn build(self) -> Result<ApiKeys, ConfigError> {
        let prefix = Prefix::new(&self.prefix);
        let prefix = prefix.ok_or(ConfigError::ApiKeyPrefix(self.prefix))?;
        let ages =
            Ages { fresh: millis(self.fresh_for), stale_if_error: millis(self.stale_if_error) };
        let settings = Settings { ages, capacity: self.capacity, unknown: self.unknown_keys };
        let source = match &self.store.kept {
            Kept::Memory(keys) => Source::Memory(Arc::clone(keys)),
            Kept::Remote(store) => {
                let clock = StoreClock::new(self.time.clone());
                let (store, telemetry) = (Arc::clone(store), Arc::clone(&self.telemetry));
                Source::Remote(Arc::new(Lookups::new(store, settings, clock, telemetry)))
            }
        };
        Ok(ApiKeys {
            inner: Arc::new(Inner {
                prefix,
                store: self.store,
                source,
                header: self.header,
                scheme: self.scheme,
                max_per_owner: self.max_per_owner,
                time: self.time,
                telemetry: self.telemetry,
            }),
        })
    }
}
