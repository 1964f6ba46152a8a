//! A map in shards, each under a lock of its own.

use std::{
    array,
    borrow::Borrow,
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Entries in 64 shards, so that a sweep of one keeps only a few callers waiting.
pub(crate) struct Shards<K, V> {
    shards: [Mutex<Shard<K, V>>; SHARDS],
    hasher: RandomState,
}

pub(crate) struct Shard<K, V> {
    pub(crate) entries: HashMap<K, V>,
    next_sweep: u64,
}

pub(crate) const SHARDS: usize = 64;
/// How often a shard is searched for what has expired, in milliseconds.
const SWEEP: u64 = 60_000;

impl<K: Eq + Hash, V> Shards<K, V> {
    pub(crate) fn new() -> Self {
        let shard = || Shard { entries: HashMap::new(), next_sweep: 0 };
        Self { shards: array::from_fn(|_| Mutex::new(shard())), hasher: RandomState::new() }
    }

    /// The shard that has the entry of this key. Callers must leave it consistent at each step, since a
    /// poisoned lock is ignored.
    pub(crate) fn lock<Q>(&self, key: &Q) -> MutexGuard<'_, Shard<K, V>>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
    {
        let index = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or_default();
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, V> Shards<K, V> {
    /// Visits all shards, each under its lock.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&mut Shard<K, V>)) {
        for shard in &self.shards {
            visit(&mut shard.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl<K: Eq + Hash, V> Shard<K, V> {
    /// Removes the entries that are over, if the last sweep was a minute ago or there is no room. Returns
    /// their number.
    pub(crate) fn sweep(
        &mut self,
        now: u64,
        has_room: bool,
        mut is_over: impl FnMut(&mut V) -> bool,
    ) -> usize {
        if now < self.next_sweep && has_room {
            return 0;
        }
        self.next_sweep = now.saturating_add(SWEEP);
        let before = self.entries.len();
        self.entries.retain(|_, entry| !is_over(entry));
        before - self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_swept_once_a_minute_and_when_there_is_no_room() {
        let shards = Shards::<&str, u64>::new();
        let mut shard = shards.lock("a");
        shard.entries.extend([("a", 10), ("b", 20), ("c", 30)]);
        let mut sweep = |now, has_room| shard.sweep(now, has_room, |until| *until <= now);
        assert_eq!(sweep(10, true), 1, "the first one is due");
        assert_eq!(sweep(20, true), 0);
        assert_eq!(sweep(20, false), 1, "there is no room");
        assert_eq!(sweep(20 + SWEEP - 1, true), 0);
        assert_eq!(sweep(20 + SWEEP, true), 1, "a minute later");
    }
}
