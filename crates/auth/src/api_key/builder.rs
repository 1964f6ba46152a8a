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
    copy::Ages,
    keys::Inner,
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
