//! A table of fixed size, in buckets that know which of their tokens come again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{
    super::Verified,
    digest::{Id, Kept},
};

/// Tokens of a bucket.
const WAYS: usize = 8;
/// How many of them are new ones, which have yet to come again.
const NEW: usize = 2;
/// How often a token that came again is passed over before it is pushed out.
const MAX_HITS: u8 = 3;

/// Each bucket has a lock of its own: it is held for a few nanoseconds, by requests whose tokens fall
/// into the same of a thousand buckets.
pub(super) struct Table {
    buckets: Box<[Mutex<Bucket>]>,
    /// The most bytes of a bucket.
    bytes: usize,
}

#[derive(Default)]
struct Bucket {
    /// The hashes of the entries, beside each other: 0 is none.
    hashes: [u64; WAYS],
    /// The first places are those of new tokens.
    entries: [Option<Box<Entry>>; WAYS],
    next_new: usize,
    next_old: usize,
}

struct Entry {
    kept: Kept,
    verified: Verified,
    hits: u8,
    size: usize,
}

impl Table {
    pub(super) fn new(entries: usize, bytes: usize) -> Self {
        let buckets = entries.div_ceil(WAYS);
        let bytes = bytes.checked_div(buckets).unwrap_or_default();
        Self { buckets: (0..buckets).map(|_| Mutex::default()).collect(), bytes }
    }

    pub(super) fn find(&self, id: &Id<'_>) -> Option<Verified> {
        let mut bucket = self.bucket(id.hash())?;
        let place = bucket.place(id)?;
        let entry = bucket.entries.get_mut(place)?.as_mut()?;
        entry.hits = (entry.hits + 1).min(MAX_HITS);
        Some(entry.verified.clone())
    }

    pub(super) fn insert(&self, id: &Id<'_>, verified: &Verified) {
        let kept = id.to_kept();
        let size = size_of::<Entry>() + kept.size() + verified.size();
        let entry = Entry { kept, verified: verified.clone(), hits: 0, size };
        let entry = Box::new(entry);
        // What is pushed out is dropped after the lock.
        let _dropped = self.bucket(id.hash()).map(|mut bucket| {
            let replaced = match bucket.place(id) {
                Some(place) => bucket.put(place, id.hash(), entry),
                None => bucket.push(id.hash(), entry),
            };
            (replaced, bucket.shrink_to(self.bytes))
        });
    }

    pub(super) fn remove(&self, id: &Id<'_>) {
        let _dropped = self.bucket(id.hash()).and_then(|mut bucket| {
            let place = bucket.place(id)?;
            bucket.take(place)
        });
    }

    fn bucket(&self, hash: u64) -> Option<MutexGuard<'_, Bucket>> {
        let count = u64::try_from(self.buckets.len()).ok()?;
        let index = usize::try_from(hash.checked_rem(count)?).ok()?;
        // A bucket is whole after each step, so that of a thread that panicked is too.
        Some(self.buckets.get(index)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[cfg(test)]
    pub(super) fn bytes_in_use(&self) -> usize {
        let size = |bucket: &Mutex<Bucket>| bucket.lock().unwrap().size();
        self.buckets.iter().map(size).sum()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let count =
            |bucket: &Mutex<Bucket>| bucket.lock().unwrap().entries.iter().flatten().count();
        self.buckets.iter().map(count).sum()
    }
}

impl Bucket {
    /// Where a token stands, by every byte of it.
    fn place(&self, id: &Id<'_>) -> Option<usize> {
        let hash = id.hash().max(1);
        self.hashes.iter().zip(&self.entries).position(|(own, entry)| {
            *own == hash && entry.as_ref().is_some_and(|entry| entry.kept.is(id))
        })
    }

    fn put(&mut self, place: usize, hash: u64, entry: Box<Entry>) -> Option<Box<Entry>> {
        if let Some(own) = self.hashes.get_mut(place) {
            *own = hash.max(1);
        }
        self.entries.get_mut(place)?.replace(entry)
    }

    fn take(&mut self, place: usize) -> Option<Box<Entry>> {
        if let Some(own) = self.hashes.get_mut(place) {
            *own = 0;
        }
        self.entries.get_mut(place)?.take()
    }

    /// A new token takes the place of the older of the new ones, which moves to the old ones if it came
    /// again, and is pushed out otherwise.
    fn push(&mut self, hash: u64, entry: Box<Entry>) -> Option<Box<Entry>> {
        let free = self.entries.iter().take(NEW).position(Option::is_none);
        let place = free.unwrap_or(self.next_new);
        self.next_new = (place + 1) % NEW;
        let old_hash = self.hashes.get(place).copied().unwrap_or_default();
        let pushed = self.put(place, hash, entry)?;
        if pushed.hits == 0 { Some(pushed) } else { self.promote(old_hash, pushed) }
    }

    /// Takes the place of the first old token, in turn, that did not come again lately.
    fn promote(&mut self, hash: u64, mut entry: Box<Entry>) -> Option<Box<Entry>> {
        entry.hits = 0;
        let free = self.entries.iter().skip(NEW).position(Option::is_none);
        if let Some(free) = free {
            return self.put(free + NEW, hash, entry);
        }
        // Each turn takes one from each, so that it ends.
        loop {
            let place = NEW + self.next_old;
            self.next_old = (self.next_old + 1) % (WAYS - NEW);
            match self.entries.get_mut(place) {
                Some(Some(old)) if old.hits > 0 => old.hits -= 1,
                _ => return self.put(place, hash, entry),
            }
        }
    }

    fn size(&self) -> usize {
        self.entries.iter().flatten().map(|entry| entry.size).sum()
    }

    /// Takes out entries until the rest fits, or only one is left: new ones first.
    fn shrink_to(&mut self, bytes: usize) -> [Option<Box<Entry>>; WAYS] {
        let mut dropped = [const { None }; WAYS];
        let newest = (self.next_new + NEW - 1) % NEW;
        let places = (0..WAYS).filter(|place| *place != newest);
        for (place, slot) in places.zip(&mut dropped) {
            if self.size() <= bytes {
                break;
            }
            *slot = self.take(place);
        }
        dropped
    }
}
