//! A table that is read at each request, and written at a log-out.

use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwap;

/// Numbers by name, until a time.
///
/// A name is kept as its keyed hash of 64 bits, so a name is taken for another with a probability of
/// one in 2^64 for each entry. Readers take
/// no lock: a writer copies the shard, of which there are 64, and replaces it.
pub(super) struct Table {
    shards: Box<[ArcSwap<Shard>]>,
    hasher: RandomState,
    count: AtomicUsize,
    /// The most entries of a shard.
    room: usize,
    turn: Mutex<()>,
}

type Shard = HashMap<u64, Kept, BuildHasherDefault<Identity>>;

#[derive(Clone, Copy)]
struct Kept {
    value: u64,
    /// Until when, in seconds since 1970.
    until: u64,
}

const SHARDS: usize = 64;

impl Table {
    /// A table of about `capacity` entries.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| ArcSwap::default()).collect(),
            hasher: RandomState::new(),
            count: AtomicUsize::new(0),
            room: capacity.div_ceil(SHARDS),
            turn: Mutex::default(),
        }
    }

    /// The number with this name.
    #[inline]
    pub(super) fn get(&self, name: &str) -> Option<u64> {
        // Most services have revoked nothing in the last minutes.
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let hash = self.hash(name);
        self.shard(hash).load().get(&hash).map(|kept| kept.value)
    }

    /// Keeps the larger number, and for the longer time. If there was no room, it drops the entry that
    /// would have expired first, and returns when it would have.
    pub(super) fn raise(&self, name: &str, value: u64, until: u64, now: u64) -> Option<u64> {
        let hash = self.hash(name);
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let shard = self.shard(hash);
        let mut next = Shard::clone(&shard.load());
        let before = next.len();
        let kept = next.entry(hash).or_insert(Kept { value, until });
        (kept.value, kept.until) = (kept.value.max(value), kept.until.max(until));
        let mut dropped = None;
        // A sweep of each doubling, so that its cost is spread over the entries that caused it.
        if next.len() > before && (next.len().is_power_of_two() || next.len() > self.room) {
            next.retain(|_, kept| kept.until > now);
        }
        if next.len() > self.room {
            let first = next.iter().min_by_key(|(_, kept)| kept.until);
            if let Some((hash, until)) = first.map(|(hash, kept)| (*hash, kept.until)) {
                next.remove(&hash);
                dropped = Some(until);
            }
        }
        let after = next.len();
        shard.store(Arc::new(next));
        let count = self.count.load(Ordering::Relaxed);
        self.count.store(count.saturating_add(after).saturating_sub(before), Ordering::Release);
        dropped
    }

    /// Drops what has expired.
    pub(super) fn sweep(&self, now: u64) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = 0;
        for shard in &self.shards {
            let current = shard.load();
            let mut left = current.len();
            if current.values().any(|kept| kept.until <= now) {
                let mut next = Shard::clone(&current);
                next.retain(|_, kept| kept.until > now);
                left = next.len();
                shard.store(Arc::new(next));
            }
            count += left;
        }
        self.count.store(count, Ordering::Release);
    }

    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn hash(&self, name: &str) -> u64 {
        self.hasher.hash_one(name)
    }

    fn shard(&self, hash: u64) -> &ArcSwap<Shard> {
        // The top bits, which the map uses least.
        let index = usize::try_from(hash >> 58).unwrap_or_default();
        let Some(shard) = self.shards.get(index) else { unreachable!("6 bits are below 64") };
        shard
    }
}

/// Passes a hash on.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        // The map takes a group from the low bits and a tag from the top 7, which are the same in
        // all entries of a shard.
        self.0 << 7
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_never_become_smaller_and_are_kept_for_the_longest_time() {
        let table = Table::new(1_000);
        assert_eq!(table.get("a"), None);
        for (value, until) in [(5, 100), (3, 200), (4, 50)] {
            assert_eq!(table.raise("a", value, until, 0), None);
            assert_eq!(table.get("a"), Some(5));
        }
        table.sweep(199);
        assert_eq!(table.get("a"), Some(5));
        table.sweep(200);
        assert_eq!((table.get("a"), table.len()), (None, 0));
    }

    #[test]
    fn many_names_are_kept_apart() {
        let table = Table::new(1 << 20);
        for number in 0..10_000 {
            assert_eq!(table.raise(&number.to_string(), number, 10, 0), None);
        }
        assert_eq!(table.len(), 10_000);
        for number in 0..10_000 {
            assert_eq!(table.get(&number.to_string()), Some(number));
        }
        assert_eq!(table.get("10000"), None);
    }

    #[test]
    fn a_full_shard_drops_what_has_expired_and_reports_what_has_not() {
        let table = Table::new(SHARDS);
        let names: Vec<String> = (0..).map(|n: u32| n.to_string()).take(2_000).collect();
        let mut dropped = 0;
        for (until, name) in names.iter().enumerate() {
            dropped += usize::from(table.raise(name, 1, until as u64 + 1, 0).is_some());
        }
        assert_eq!(table.len(), SHARDS);
        assert_eq!(dropped, names.len() - SHARDS);
        for name in &names {
            assert_eq!(table.raise(name, 1, 9_999, 5_000), None, "the others have expired");
            table.sweep(9_999);
        }
    }

    #[test]
    fn readers_and_writers_may_race() {
        let table = Table::new(1 << 16);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let table = &table;
                scope.spawn(move || {
                    for number in 0..500 {
                        let name = format!("{thread} {number}");
                        assert_eq!(table.raise(&name, number, 10, 0), None);
                        assert_eq!(table.get(&name), Some(number), "read your writes");
                        table.raise("shared", number, 10, 0);
                        assert!(table.get("shared") >= Some(number));
                    }
                });
            }
        });
        assert_eq!(table.len(), 2_001);
        assert_eq!(table.get("shared"), Some(499));
    }
}
