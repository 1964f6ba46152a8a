//! Policies by key: one value for each destination, route or tenant, in bounded memory.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use hardpoint_core::{Head, Key, KeyExtractor, Mono};

use crate::error::Mistakes;

/// The most keys that a registry may hold: a new key copies the map, 4 µs a thousand.
const MOST_KEYS: usize = 10_000;

/// A policy of one key. Clones share its state.
pub(crate) trait Policy: Clone {
    /// Whether nothing would be lost with it.
    fn is_idle(&self, now: Mono) -> bool;
}

/// The policies of the keys seen so far.
///
/// A known key is found without a lock. A new key copies the map, under a lock that only new keys
/// take. When the map is full, an idle policy makes room. If none is idle, the key shares one policy
/// with all others that came too late, and with the requests that have no key.
pub(crate) struct Keyed<T> {
    policies: ArcSwap<HashMap<Box<[u8]>, T>>,
    adding: Mutex<()>,
    rest: T,
    key: Arc<dyn KeyExtractor>,
    max_keys: usize,
}

impl<T: Policy> Keyed<T> {
    pub(crate) fn new(rest: T, key: Arc<dyn KeyExtractor>, max_keys: usize) -> Self {
        let policies = ArcSwap::from_pointee(HashMap::new());
        Self { policies, adding: Mutex::new(()), rest, key, max_keys }
    }

    /// Uses the policy of a request, which `make` creates for a new key.
    pub(crate) fn with<R>(
        &self,
        head: Head<'_>,
        now: impl FnOnce() -> Mono,
        make: impl FnOnce() -> T,
        use_policy: impl FnOnce(&T) -> R,
    ) -> R {
        let Ok(key) = self.key.key(head) else { return use_policy(&self.rest) };
        if let Some(policy) = self.policies.load().get(key.as_bytes()) {
            return use_policy(policy);
        }
        use_policy(&self.add(&key, now(), make))
    }

    #[cold]
    fn add(&self, key: &Key<'_>, now: Mono, make: impl FnOnce() -> T) -> T {
        // The lock guards no data: the map is replaced in one step, or not at all.
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.policies.load_full();
        if let Some(policy) = current.get(key.as_bytes()) {
            return policy.clone();
        }
        let mut policies = HashMap::clone(&current);
        if policies.len() >= self.max_keys {
            let idle = policies.iter().find(|(_, policy)| policy.is_idle(now));
            let Some(idle) = idle.map(|(key, _)| key.clone()) else { return self.rest.clone() };
            policies.remove(&idle);
        }
        let policy = make();
        policies.insert(key.as_bytes().into(), policy.clone());
        self.policies.store(Arc::new(policies));
        policy
    }

    /// The policy of a key, if it was used and has not made room.
    pub(crate) fn find(&self, key: &Key<'_>) -> Option<T> {
        self.policies.load().get(key.as_bytes()).cloned()
    }

    /// The policy of requests without a key of their own.
    pub(crate) const fn rest(&self) -> &T {
        &self.rest
    }

    /// Calls `read` with each key and its policy, in no particular order.
    pub(crate) fn for_each(&self, mut read: impl FnMut(&Key<'_>, &T)) {
        for (key, policy) in self.policies.load().iter() {
            read(&Key::borrowed(key), policy);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.policies.load().len()
    }
}

impl<T> fmt::Debug for Keyed<T> {
    /// Shows no key: it may be a tenant's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("keys", &self.policies.load().len())
            .field("max_keys", &self.max_keys)
            .finish_non_exhaustive()
    }
}

/// Finds a number of keys that can never work.
pub(crate) fn check_max_keys(setting: &'static str, max_keys: usize, mistakes: &mut Mistakes) {
    mistakes.expect((1..=MOST_KEYS).contains(&max_keys), setting, || {
        format!("is {max_keys}; write 1 to {MOST_KEYS}")
    });
}
