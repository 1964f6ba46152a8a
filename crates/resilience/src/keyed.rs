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
/// The policies of a full registry that a new key looks at. If all of them are in use, the next new
/// key looks at the next ones.
const LOOKED_AT: usize = 64;

/// A policy of one key. Clones share its state.
pub(crate) trait Policy: Clone {
    /// Whether nothing would be lost with it.
    fn is_idle(&self, now: Mono) -> bool;
}

/// The policies of the keys seen so far.
///
/// A known key is found without a lock. A new key copies the map, under a lock that only new keys
/// take. When the map is full, an idle policy makes room. If none of those that are looked at is
/// idle, the key shares one policy with all others that came too late, and with the requests that
/// have no key.
pub(crate) struct Keyed<T> {
    policies: ArcSwap<HashMap<Box<[u8]>, T>>,
    /// Held while the map is replaced. The place in the map where the search for an idle policy goes
    /// on.
    adding: Mutex<usize>,
    rest: T,
    key: Arc<dyn KeyExtractor>,
    max_keys: usize,
}

impl<T: Policy> Keyed<T> {
    pub(crate) fn new(rest: T, key: Arc<dyn KeyExtractor>, max_keys: usize) -> Self {
        let policies = ArcSwap::from_pointee(HashMap::new());
        Self { policies, adding: Mutex::new(0), rest, key, max_keys }
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
        // The map is replaced in one step, or not at all, and any place will do.
        let mut place = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.policies.load_full();
        if let Some(policy) = current.get(key.as_bytes()) {
            return policy.clone();
        }
        let mut idle = None;
        if current.len() >= self.max_keys {
            // In the map that is shared: the policies of a copy would seem to be in use. And keys
            // that find no room must not cost a copy each.
            let looked_at = LOOKED_AT.min(current.len());
            let mut from_place = current.iter().cycle().skip(*place).take(looked_at);
            *place = (*place + looked_at) % current.len().max(1);
            idle = from_place.find(|(_, policy)| policy.is_idle(now)).map(|(key, _)| key);
            if idle.is_none() {
                return self.rest.clone();
            }
        }
        let mut policies = HashMap::clone(&current);
        if let Some(idle) = idle {
            policies.remove(idle);
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::Request;

    use super::*;
    use crate::key;

    /// Counts its clones.
    struct Counted {
        busy: bool,
        clones: Arc<AtomicUsize>,
    }

    impl Clone for Counted {
        fn clone(&self) -> Self {
            self.clones.fetch_add(1, Ordering::Relaxed);
            Self { busy: self.busy, clones: Arc::clone(&self.clones) }
        }
    }

    impl Policy for Counted {
        fn is_idle(&self, _now: Mono) -> bool {
            !self.busy
        }
    }

    /// A full registry of a thousand policies, all of which are in use except the one of `idle`.
    fn full(idle: Option<usize>) -> (Keyed<Counted>, Arc<AtomicUsize>) {
        let clones = Arc::new(AtomicUsize::new(0));
        let counted = |busy| Counted { busy, clones: Arc::clone(&clones) };
        let keyed = Keyed::new(counted(true), Arc::new(key::host()), 1_000);
        for number in 0..1_000 {
            meet(&keyed, number, || counted(Some(number) != idle));
        }
        assert_eq!(keyed.len(), 1_000);
        (keyed, clones)
    }

    fn meet(keyed: &Keyed<Counted>, number: usize, make: impl FnOnce() -> Counted) {
        let request = Request::builder().uri(format!("http://h{number}/")).body(()).unwrap();
        keyed.with(Head::new(&request), || Mono::ZERO, make, |_| ());
    }

    #[test]
    fn a_key_that_finds_no_room_does_not_copy_the_map() {
        let (keyed, clones) = full(None);
        let before = clones.load(Ordering::Relaxed);
        for number in 1_000..1_100 {
            meet(&keyed, number, || unreachable!("there is no room"));
        }
        assert_eq!(clones.load(Ordering::Relaxed) - before, 100, "the shared policy, each time");
    }

    #[test]
    fn new_keys_find_the_only_idle_policy_wherever_it_is() {
        for idle in [0, 500, 999] {
            let (keyed, clones) = full(Some(idle));
            let mut replaced = None;
            for number in 1_000..1_000 + 1_000_usize.div_ceil(LOOKED_AT) {
                let clones = Arc::clone(&clones);
                meet(&keyed, number, || {
                    replaced = Some(number);
                    Counted { busy: true, clones }
                });
            }
            assert!(replaced.is_some(), "{idle}");
            let key = format!("h{idle}");
            assert!(keyed.find(&Key::borrowed(key.as_bytes())).is_none());
            assert_eq!(keyed.len(), 1_000);
        }
    }
}
