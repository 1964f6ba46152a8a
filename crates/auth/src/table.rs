//! A table of fixed size for small states under keyed digests.

use std::{
    array,
    hash::{BuildHasher, RandomState},
};

/// Makes the digests that name the states of a [`Table`], under a random key. So no client can choose
/// the bucket of a state.
pub(crate) struct Digests([RandomState; 2]);

impl Digests {
    pub(crate) fn new() -> Self {
        Self(array::from_fn(|_| RandomState::new()))
    }

    /// The digest of an account, a network, or another thing. Kinds of things differ in their first byte.
    pub(crate) fn digest(&self, kind: u8, name: &[u8]) -> u128 {
        let [first, second] = self.0.each_ref().map(|hasher| hasher.hash_one((kind, name)));
        u128::from(first) << 64 | u128::from(second)
    }
}

/// A state that a [`Table`] keeps.
pub(crate) trait Kept: Copy + Default {
    /// How much would be lost with this state. The table forgets the least.
    fn rank(&self, now: u64) -> (u32, u64);
}

/// States in buckets of eight. A full bucket forgets the state that is worth least, so that a flood of
/// new keys with one attempt each cannot push out a key with more.
pub(crate) struct Table<S> {
    buckets: Box<[Bucket<S>]>,
}

type Bucket<S> = [Option<(u128, S)>; WIDTH];

const WIDTH: usize = 8;

impl<S: Kept> Table<S> {
    /// A table for at least this many states.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { buckets: vec![[None; WIDTH]; capacity.div_ceil(WIDTH).max(1)].into() }
    }

    /// The state with this digest, or a new one.
    pub(crate) fn get(&self, digest: u128) -> S {
        let mut slots = self.buckets[self.index(digest)].iter().flatten();
        slots.find(|(own, _)| *own == digest).map_or_else(S::default, |(_, state)| *state)
    }

    /// Keeps a state under this digest.
    pub(crate) fn put(&mut self, digest: u128, state: S, now: u64) {
        let index = self.index(digest);
        let place = self.buckets[index].iter_mut().min_by_key(|slot| match slot {
            Some((own, _)) if *own == digest => (0, (0, 0)),
            None => (1, (0, 0)),
            Some((_, other)) => (2, other.rank(now)),
        });
        if let Some(slot) = place {
            *slot = Some((digest, state));
        }
    }

    fn index(&self, digest: u128) -> usize {
        // Below the length of a slice.
        usize::try_from(digest % self.buckets.len() as u128).unwrap_or_default()
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
        let (mut table, digests) = (Table::<Count>::new(64), Digests::new());
        let victim = digests.digest(b'a', b"victim");
        table.put(victim, Count(5), 0);
        for number in 0..100_000_u32 {
            let key = digests.digest(b'a', &number.to_be_bytes());
            let count = table.get(key);
            table.put(key, Count(count.0 + 1), 0);
        }
        assert_eq!(table.get(victim).0, 5);
    }

    #[test]
    fn keys_do_not_share_states() {
        let (mut table, digests) = (Table::<Count>::new(1_000), Digests::new());
        let key = |number: u32| digests.digest(b'a', &number.to_be_bytes());
        for number in 0..100 {
            table.put(key(number), Count(number), 0);
        }
        for number in 0..100 {
            assert_eq!(table.get(key(number)).0, number);
        }
        assert_ne!(digests.digest(b'a', b"x"), digests.digest(b'd', b"x"));
    }
}
