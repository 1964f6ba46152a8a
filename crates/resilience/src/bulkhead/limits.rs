//! A concurrency limit for each key.

use std::{fmt, sync::Arc};

use hardpoint_core::{Head, Key, KeyExtractor, Mono, Telemetry};

use super::{BulkheadLayer, ConcurrencyLimit, builder::Settings};
use crate::keyed::Keyed;

/// A [`ConcurrencyLimit`] for each host, route or tenant, in bounded memory, with the same settings.
///
/// The first call with a key copies the list of limits, which takes a few microseconds; later calls
/// find theirs without a lock. When there are as many keys as allowed, a new key takes the place of a
/// limit without a call. It looks for one among 64 limits, the next new key among the next 64. If it
/// finds none, it shares one limit with all keys that came too late and with calls that have no key:
/// [`shared`](Self::shared).
#[derive(Clone)]
pub struct ConcurrencyLimits {
    inner: Arc<Inner>,
}

struct Inner {
    keyed: Keyed<ConcurrencyLimit>,
    settings: Arc<Settings>,
}

impl ConcurrencyLimits {
    pub(super) fn new(
        settings: Arc<Settings>,
        key: Arc<dyn KeyExtractor>,
        max_keys: usize,
    ) -> Self {
        let keyed = Keyed::new(ConcurrencyLimit::from_settings(&settings), key, max_keys);
        Self { inner: Arc::new(Inner { keyed, settings }) }
    }

    /// The layer whose calls these limits bound. Layers of the same limits share their permits.
    pub fn layer(&self) -> BulkheadLayer {
        BulkheadLayer::keyed(self.clone())
    }

    /// The limit of a key, if a call had it. `None` also if it made room for another key.
    #[must_use]
    pub fn find(&self, key: &Key<'_>) -> Option<ConcurrencyLimit> {
        self.inner.keyed.find(key)
    }

    /// The limit of calls that have no key, and of keys that found no room.
    #[must_use]
    pub fn shared(&self) -> &ConcurrencyLimit {
        self.inner.keyed.rest()
    }

    /// Calls `read` with each key and its limit, in no particular order. Keys may be personal: they
    /// do not belong into logs.
    pub fn for_each(&self, read: impl FnMut(&Key<'_>, &ConcurrencyLimit)) {
        self.inner.keyed.for_each(read);
    }

    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.keyed.len()
    }

    /// Whether no call had a key yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn report_to(&self, telemetry: &Telemetry) {
        telemetry.fill(&self.inner.settings.telemetry);
    }

    /// Uses the limit of a request.
    #[inline]
    pub(super) fn with<R>(
        &self,
        head: Head<'_>,
        use_limit: impl FnOnce(&ConcurrencyLimit) -> R,
    ) -> R {
        let Inner { keyed, settings } = &*self.inner;
        // A limit is idle or not at any time.
        let now = || Mono::ZERO;
        keyed.with(head, now, || ConcurrencyLimit::from_settings(settings), use_limit)
    }
}

impl fmt::Debug for ConcurrencyLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyLimits")
            .field("name", &self.inner.settings.name)
            .field("keyed", &self.inner.keyed)
            .finish()
    }
}
