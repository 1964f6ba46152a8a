//! A table of fixed size for small states under keyed digests.

use std::{
    array,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A state that a [`Table`] keeps.
pub(crate) trait Kept: Copy + Default {
    /// How much would be lost with this state. The table forgets the least.
    fn rank(&self, now: u64) -> (u32, u64);
}

/// States in buckets of eight, each under a lock of its own. A full bucket forgets the state that is
/// worth least, so that a flood of new keys with one attempt each cannot push out a key with more.
///
/// A client cannot choose the bucket of a key, since keys are hashed with random numbers.
pub(crate) struct Table<S> {
    buckets: Box<[Mutex<Bucket<S>>]>,
    hashers: [RandomState; 2],
}

type Bucket<S> = [Option<(u128, S)>; WIDTH];

const WIDTH: usize = 8;

impl<S: Kept> Table<S> {
    /// A table for at least this many states.
    pub(crate) fn new(capacity: usize) -> Self {
        let buckets = capacity.div_ceil(WIDTH).max(1);
        Self {
            buckets: (0..buckets).map(|_| Mutex::new([None; WIDTH])).collect(),
            hashers: array::from_fn(|_| RandomState::new()),
        }
    }

    /// Works on the state of a key, under the lock of its bucket.
    pub(crate) fn with<T>(&self, key: &[u8], now: u64, work: impl FnOnce(&mut S) -> T) -> T {
        let [first, second] = self.hashers.each_ref().map(|hasher| hasher.hash_one(key));
        let digest = u128::from(first) << 64 | u128::from(second);
        let mut bucket = self.lock(second);
        let mut found = None;
        let mut cheapest = (0, (u32::MAX, u64::MAX));
        for (index, slot) in bucket.iter().enumerate() {
            let rank = match slot {
                Some((own, _)) if *own == digest => {
                    found = Some(index);
                    break;
                }
                Some((_, state)) => state.rank(now),
                None => (0, 0),
            };
            if rank < cheapest.1 {
                cheapest = (index, rank);
            }
        }
        let index = found.unwrap_or(cheapest.0);
        let Some(slot) = bucket.get_mut(index) else { unreachable!("an index of the bucket") };
        if found.is_none() {
            *slot = Some((digest, S::default()));
        }
        let (_, state) = slot.get_or_insert((digest, S::default()));
        work(state)
    }

    /// Forgets all states.
    pub(crate) fn clear(&self) {
        for bucket in &self.buckets {
            *bucket.lock().unwrap_or_else(PoisonError::into_inner) = [None; WIDTH];
        }
    }

    fn lock(&self, hash: u64) -> MutexGuard<'_, Bucket<S>> {
        let count = self.buckets.len() as u64;
        // Below `count`, which is the length of a slice.
        let index = usize::try_from(hash % count).unwrap_or_default();
        let Some(bucket) = self.buckets.get(index) else { unreachable!("a remainder") };
        // Work on a state leaves it consistent at each step.
        bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Default)]
    struct Count(u32);

    impl Kept for Count {
        fn rank(&self, _now: u64) -> (u32, u64) {
            (self.0, 0)
        }
    }

    #[test]
    fn a_flood_of_new_keys_does_not_push_out_a_key_that_counts() {
        let table = Table::<Count>::new(64);
        table.with(b"victim", 0, |count| count.0 = 5);
        for number in 0..100_000_u32 {
            table.with(&number.to_be_bytes(), 0, |count| count.0 += 1);
        }
        assert_eq!(table.with(b"victim", 0, |count| count.0), 5);
    }

    #[test]
    fn keys_do_not_share_states() {
        let table = Table::<Count>::new(1_000);
        for number in 0..100_u32 {
            table.with(&number.to_be_bytes(), 0, |count| count.0 = number);
        }
        for number in 0..100_u32 {
            assert_eq!(table.with(&number.to_be_bytes(), 0, |count| count.0), number);
        }
    }
}
