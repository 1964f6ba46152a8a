//! A table of fixed size, in buckets that know which of their tokens come again.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    super::Verified,
    digest::{Id, Kept},
};

/// Tokens of a bucket.
const WAYS: usize = 8;
/// How many of them may be one subject's before its next one takes the place of one of its own.
const SHARE: usize = 2;
/// How often a token that came again is passed over before it is pushed out.
const MAX_HITS: u8 = 3;

/// Each bucket has a lock of its own: it is held for a few nanoseconds, by requests whose tokens fall
/// into the same of a thousand buckets.
pub(super) struct Table {
    buckets: Box<[Mutex<Bucket>]>,
    limits: Limits,
}

/// What a bucket may hold.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// The most bytes of a bucket.
    pub(super) bytes: usize,
    /// How long a token is known.
    pub(super) time_to_live: Duration,
}

/// In this order what a hit writes to, the lock before it included, is one line of the processor's
/// cache: threads that find tokens take that from each other, and no more.
#[derive(Default)]
#[repr(C)]
struct Bucket {
    /// How often each came again lately.
    hits: [u8; WAYS],
    /// Parts of the hashes of the entries, beside each other: 0 is none.
    marks: [u32; WAYS],
    /// Where the search for a token to push out begins.
    next: usize,
    entries: [Option<Box<Entry>>; WAYS],
}

pub(super) struct Entry {
    pub(super) kept: Kept,
    pub(super) verified: Verified,
    /// When it was verified, since 1970.
    pub(super) since: Duration,
    /// A hash of its subject.
    pub(super) subject: u64,
    pub(super) size: usize,
}

impl Entry {
    /// Whether it is still to be known. A calendar that was set back makes it old.
    fn is_fresh(&self, now: Duration, time_to_live: Duration) -> bool {
        now.checked_sub(self.since).is_some_and(|age| age < time_to_live)
    }
}

impl Table {
    pub(super) fn new(entries: usize, bytes: usize, time_to_live: Duration) -> Self {
        let buckets = entries.div_ceil(WAYS);
        let bytes = bytes.checked_div(buckets).unwrap_or_default();
        let buckets = (0..buckets).map(|_| Mutex::default()).collect();
        Self { buckets, limits: Limits { bytes, time_to_live } }
    }

    pub(super) fn find(&self, id: &Id<'_>, now: Duration) -> Option<Verified> {
        let mut bucket = self.bucket(id.hash())?;
        let place = bucket.place(id)?;
        let entry = bucket.entries.get(place)?.as_ref()?;
        if !entry.is_fresh(now, self.limits.time_to_live) {
            return None;
        }
        let verified = entry.verified.clone();
        if let Some(hits) = bucket.hits.get_mut(place) {
            *hits = (*hits + 1).min(MAX_HITS);
        }
        Some(verified)
    }

    pub(super) fn insert(&self, id: &Id<'_>, entry: Box<Entry>) {
        // What is pushed out is dropped after the lock.
        let _dropped =
            self.bucket(id.hash()).map(|mut bucket| bucket.insert(id, entry, self.limits));
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
        let mark = mark(id.hash());
        self.marks.iter().zip(&self.entries).position(|(own, entry)| {
            *own == mark && entry.as_ref().is_some_and(|entry| entry.kept.is(id))
        })
    }

    /// Puts a token where it stands already, or where there is least to lose. What had to go.
    fn insert(
        &mut self,
        id: &Id<'_>,
        entry: Box<Entry>,
        limits: Limits,
    ) -> [Option<Box<Entry>>; WAYS] {
        let place = match self.place(id) {
            Some(place) => place,
            None => {
                let place = self.victim(&entry, limits);
                self.hits[place] = 0;
                place
            }
        };
        self.marks[place] = mark(id.hash());
        let replaced = self.entries[place].replace(entry);
        let mut dropped = self.shrink_to(limits.bytes, place);
        dropped[place] = replaced;
        dropped
    }

    /// The place that a token takes: a free one; or one whose token is known too long; or, if its
    /// subject has its share of the bucket, that of the subject which came least; or the next that
    /// did not come again.
    ///
    /// So tokens that come once push out each other, one subject's at first its own, and those that
    /// come again and again stay.
    fn victim(&mut self, newcomer: &Entry, limits: Limits) -> usize {
        let is_fresh = |entry: &Entry| entry.is_fresh(newcomer.since, limits.time_to_live);
        let is_free = |entry: &Option<Box<Entry>>| !entry.as_deref().is_some_and(is_fresh);
        if let Some(place) = self.entries.iter().position(is_free) {
            return place;
        }
        let is_own = |entry: &Option<Box<Entry>>| {
            entry.as_ref().is_some_and(|entry| entry.subject == newcomer.subject)
        };
        let own = self.entries.iter().enumerate().filter(|(_, entry)| is_own(entry));
        if own.clone().count() >= SHARE
            && let Some((place, _)) = own.min_by_key(|(place, _)| self.hits[*place])
        {
            return place;
        }
        // Each round takes one from each, so that it ends.
        loop {
            let mut places = (self.next..WAYS).chain(0..self.next);
            if let Some(place) = places.find(|place| self.hits[*place] == 0) {
                self.next = (place + 1) % WAYS;
                return place;
            }
            self.hits.iter_mut().for_each(|hits| *hits -= 1);
        }
    }

    fn take(&mut self, place: usize) -> Option<Box<Entry>> {
        self.marks[place] = 0;
        self.hits[place] = 0;
        self.entries[place].take()
    }

    fn size(&self) -> usize {
        self.entries.iter().flatten().map(|entry| entry.size).sum()
    }

    /// Takes out entries until the rest fits, those that came least first, or only `newest` is left.
    fn shrink_to(&mut self, bytes: usize, newest: usize) -> [Option<Box<Entry>>; WAYS] {
        let mut dropped = [const { None }; WAYS];
        while self.size() > bytes {
            let others = (0..WAYS).filter(|place| *place != newest);
            let there = others.filter(|place| self.entries[*place].is_some());
            let Some(place) = there.min_by_key(|place| self.hits[*place]) else { break };
            dropped[place] = self.take(place);
        }
        dropped
    }
}

/// A part of the hash that does not choose the bucket; never 0.
const fn mark(hash: u64) -> u32 {
    (hash >> 32) as u32 | 1
}
