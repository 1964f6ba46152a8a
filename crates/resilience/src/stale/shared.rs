//! The copies that layers share.

use std::{
    borrow::Cow,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hardpoint_core::{
    Head, KeyExtractor, Telemetry, Time, event::StaleCopyResult, event::StaleCopySought,
};
use http::HeaderName;

use super::{
    StaleCopiesBuilder, StaleLayer,
    copies::{Copies, StoredCopy},
    rules,
};
use crate::Classifier;

/// How many counters of removals there are. Targets share them: a removal also discards the
/// recordings of other targets that are being read, one in so many.
const REMOVALS: usize = 256;

/// The last good responses of a destination, in bounded memory. See the [module docs](super). Clones
/// share them.
#[derive(Clone)]
pub struct StaleCopies {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) copies: Mutex<Copies>,
    /// The memory of responses that are being read.
    pub(super) reading: AtomicUsize,
    /// Random, so that a caller cannot choose targets whose hashes are equal.
    targets: RandomState,
    /// How often copies were removed, by the hash of their target. It changes under the lock of the
    /// copies. A response that was asked for before a removal is not kept after it.
    removals: [AtomicU64; REMOVALS],
    pub(super) settings: Settings,
}

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) name: Cow<'static, str>,
    pub(super) max_entries: usize,
    pub(super) max_bytes: usize,
    pub(super) max_body: usize,
    pub(super) max_age: Duration,
    /// Header fields that do not identify a caller, beside those of the rules.
    pub(super) neutral: Vec<HeaderName>,
    pub(super) callers: Option<Arc<dyn KeyExtractor>>,
    pub(super) classifier: Classifier,
    pub(super) time: Time,
    pub(super) telemetry: OnceLock<Telemetry>,
}

impl StaleCopies {
    /// Starts building. `name` appears in events and log lines.
    pub fn builder(name: impl Into<Cow<'static, str>>) -> StaleCopiesBuilder {
        StaleCopiesBuilder::new(name.into())
    }

    pub(super) fn from_settings(settings: Settings) -> Self {
        let copies = Mutex::new(Copies::new(settings.max_entries, settings.max_bytes));
        let shared = Shared {
            copies,
            reading: AtomicUsize::new(0),
            targets: RandomState::new(),
            removals: [const { AtomicU64::new(0) }; REMOVALS],
            settings,
        };
        Self { shared: Arc::new(shared) }
    }

    /// The layer that keeps and serves copies. Layers of the same copies share them.
    pub fn layer(&self) -> StaleLayer {
        StaleLayer::new(self.clone())
    }

    /// Removes all copies. Responses of calls that began before are not kept, even if their bodies are
    /// still being read.
    pub fn clear(&self) {
        self.shared.clear();
    }

    /// The number of copies.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.copies().usage().0
    }

    /// Returns whether the store is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory that the copies take, in bytes, with an allowance for each.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shared.copies().usage().1
    }

    pub(super) fn report_to(&self, telemetry: &Telemetry) {
        telemetry.fill(&self.shared.settings.telemetry);
    }
}

impl Shared {
    pub(super) fn copies(&self) -> MutexGuard<'_, Copies> {
        // No user code runs under the lock.
        self.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The hash of a request's target.
    pub(super) fn target(&self, head: Head<'_>) -> u64 {
        self.targets.hash_one(rules::target(head))
    }

    /// How often copies of this target, and of those that share its counter, were removed.
    pub(super) fn removals(&self, target: u64) -> u64 {
        // Relaxed: a call that reads an older number does not keep its response.
        self.counter(target).load(Ordering::Relaxed)
    }

    fn counter(&self, target: u64) -> &AtomicU64 {
        let ([first, ..], [byte, ..]) = (&self.removals, target.to_ne_bytes());
        // Each byte has a counter.
        self.removals.get(usize::from(byte)).unwrap_or(first)
    }

    /// Keeps a copy, unless copies of its target were removed since its call began.
    pub(super) fn insert(&self, target: u64, removals: u64, key: &[u8], copy: StoredCopy) {
        let mut copies = self.copies();
        if self.removals(target) == removals {
            copies.insert(key, copy);
        }
    }

    /// Removes the copies of a caller's GET and HEAD requests for a target.
    #[cold]
    pub(super) fn remove(&self, target: u64, mut key: Vec<u8>) {
        let mut copies = self.copies();
        self.counter(target).fetch_add(1, Ordering::Relaxed);
        for method in [rules::GET, rules::HEAD] {
            rules::set_method(&mut key, method);
            copies.remove(&key);
        }
    }

    fn clear(&self) {
        let mut copies = self.copies();
        for counter in &self.removals {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        copies.clear();
    }

    /// Removes the copies of a target, for all callers.
    pub(super) fn remove_target(&self, target: u64) {
        let mut copies = self.copies();
        self.counter(target).fetch_add(1, Ordering::Relaxed);
        copies.remove_all(&target.to_ne_bytes());
    }

    /// Takes memory for a response that is being read. It must be given back.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let most = self.settings.max_bytes;
        let take = |reading: usize| reading.checked_add(bytes).filter(|reading| *reading <= most);
        // Relaxed: the number bounds memory, and orders nothing.
        self.reading.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.reading.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Reports that a call failed.
    #[cold]
    pub(super) fn report(&self, result: StaleCopyResult) {
        let Settings { name, telemetry, .. } = &self.settings;
        tracing::debug!(
            target: "hardpoint::resilience::stale",
            copies = &**name,
            result = result.as_str(),
            "a call failed, and its last good response was looked for"
        );
        if let Some(telemetry) = telemetry.get() {
            telemetry.on(&StaleCopySought::new(name, result).into());
        }
    }
}

impl fmt::Debug for StaleCopies {
    /// Shows no key: targets may be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaleCopies")
            .field("name", &self.shared.settings.name)
            .field("len", &self.len())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}
