//! A table of fixed size, in buckets that know which of their tokens come again.
//!
//! A token stands in one of two buckets that its hash names. With a third more places than tokens are to
//! be known, hardly one of those is pushed out by chance, where one bucket alone would lose a seventh.
//!
//! Finding a token writes to nothing that others read, but for the count of the token's own `Arc` and,
//! until it has come a few times, the note that it did. Whoever puts one in takes turns with the others
//! of the same bucket.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;

use super::{
    super::Verified,
    digest::{Id, Kept},
};

/// Tokens of a bucket.
const WAYS: usize = 8;
/// The share of places that is filled when as many tokens are known as were announced: 3 of 4.
const FILL: (usize, usize) = (3, 4);
/// How many of them may be one subject's before its next one takes the place of one of its own.
const SHARE: usize = 2;
/// How often a token that came again is passed over before it is pushed out.
const MAX_HITS: u8 = 3;

pub(super) struct Table {
    buckets: Box<[Bucket]>,
    limits: Limits,
}

/// What a bucket may hold.
#[derive(Clone, Copy)]
struct Limits {
    /// The most bytes.
    bytes: usize,
    /// How long a token is known.
    time_to_live: Duration,
}

#[derive(Default)]
struct Bucket {
    /// Parts of the hashes of the entries, beside each other: 0 is none.
    marks: [AtomicU32; WAYS],
    /// How often each came again lately.
    hits: [AtomicU8; WAYS],
    entries: [ArcSwapOption<Entry>; WAYS],
    /// Held by whoever changes what stands here: where the search for a token to push out begins.
    next: Mutex<usize>,
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
        let (full, of) = FILL;
        let buckets = entries.saturating_mul(of).div_ceil(full).div_ceil(WAYS);
        let bytes = bytes.checked_div(buckets).unwrap_or_default();
        let buckets = (0..buckets).map(|_| Bucket::default()).collect();
        Self { buckets, limits: Limits { bytes, time_to_live } }
    }

    pub(super) fn find(&self, id: &Id<'_>, now: Duration) -> Option<Verified> {
        let home = self.home(id)?;
        home.into_iter().find_map(|bucket| bucket.find(id, now, self.limits.time_to_live))
    }

    /// Puts a token where it stands already, or into the bucket that has more room.
    pub(super) fn insert(&self, id: &Id<'_>, entry: Entry) {
        let Some([first, second]) = self.home(id).filter(|_| entry.size <= self.limits.bytes)
        else {
            return;
        };
        let room = |bucket: &Bucket| bucket.room(entry.since, self.limits.time_to_live);
        let prefers_second = !first.holds(id) && (second.holds(id) || room(second) > room(first));
        let bucket = if prefers_second { second } else { first };
        bucket.insert(id, entry, self.limits);
    }

    pub(super) fn remove(&self, id: &Id<'_>) {
        self.home(id).into_iter().flatten().for_each(|bucket| bucket.remove(id));
    }

    /// The two buckets that a token may stand in.
    fn home(&self, id: &Id<'_>) -> Option<[&Bucket; 2]> {
        let hash = id.hash();
        // An odd multiplier of 64 random bits: the second choice is independent of the first.
        let second = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
        Some([self.bucket(hash)?, self.bucket(second)?])
    }

    /// The bucket at the share of the table that `point` is of all 64-bit numbers.
    fn bucket(&self, point: u64) -> Option<&Bucket> {
        let index = (u128::from(point) * self.buckets.len() as u128) >> 64;
        self.buckets.get(usize::try_from(index).ok()?)
    }

    #[cfg(test)]
    pub(super) fn bytes_in_use(&self) -> usize {
        self.buckets.iter().map(Bucket::size).sum()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.buckets
            .iter()
            .flat_map(|bucket| (0..WAYS).filter_map(|place| bucket.at(place)))
            .count()
    }
}

impl Bucket {
    fn find(&self, id: &Id<'_>, now: Duration, time_to_live: Duration) -> Option<Verified> {
        let mark = mark(id.hash());
        for place in 0..WAYS {
            if self.marks[place].load(Ordering::Acquire) != mark {
                continue;
            }
            let entry = self.entries[place].load();
            // By every byte of it: the mark was of another token, if it does not fit the entry.
            let Some(entry) = entry.as_ref().filter(|entry| entry.kept.is(id)) else { continue };
            if !entry.is_fresh(now, time_to_live) {
                self.remove(id);
                return None;
            }
            // Two at once count as one: it is a hint.
            let hits = self.hits[place].load(Ordering::Relaxed);
            if hits < MAX_HITS {
                self.hits[place].store(hits + 1, Ordering::Relaxed);
            }
            return Some(entry.verified.clone());
        }
        None
    }

    /// Puts a token where it stands already, or where there is least to lose.
    fn insert(&self, id: &Id<'_>, entry: Entry, limits: Limits) {
        // A bucket is whole after each step, so that of a thread that panicked is too.
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        self.clear_stale(entry.since, limits.time_to_live);
        let place = self.place(id).unwrap_or_else(|| {
            let place = self.victim(&entry, &mut next);
            self.hits[place].store(0, Ordering::Relaxed);
            place
        });
        self.entries[place].store(Some(Arc::new(entry)));
        self.marks[place].store(mark(id.hash()), Ordering::Release);
        self.shrink_to(limits.bytes, place);
    }

    fn remove(&self, id: &Id<'_>) {
        let _turn = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = self.place(id) {
            self.clear(place);
        }
    }

    fn holds(&self, id: &Id<'_>) -> bool {
        self.place(id).is_some()
    }

    /// How many places are free, or of tokens that are known too long.
    fn room(&self, now: Duration, time_to_live: Duration) -> usize {
        let is_fresh = |entry: Arc<Entry>| entry.is_fresh(now, time_to_live);
        (0..WAYS).filter(|place| !self.at(*place).is_some_and(is_fresh)).count()
    }

    fn at(&self, place: usize) -> Option<Arc<Entry>> {
        self.entries[place].load_full()
    }

    /// Where a token stands.
    fn place(&self, id: &Id<'_>) -> Option<usize> {
        (0..WAYS).find(|place| self.at(*place).is_some_and(|entry| entry.kept.is(id)))
    }

    /// The place that a token takes: a free one; or, if its subject has its share of the bucket, that of
    /// the subject which came least; or the next that did not come again.
    ///
    /// So tokens that come once push out each other, one subject's at first its own, and those that
    /// come again and again stay.
    fn victim(&self, newcomer: &Entry, next: &mut usize) -> usize {
        if let Some(place) = (0..WAYS).find(|place| self.at(*place).is_none()) {
            return place;
        }
        let is_own =
            |place: &usize| self.at(*place).is_some_and(|entry| entry.subject == newcomer.subject);
        let hits = |place: &usize| self.hits[*place].load(Ordering::Relaxed);
        let own = (0..WAYS).filter(is_own);
        if own.clone().count() >= SHARE
            && let Some(place) = own.min_by_key(hits)
        {
            return place;
        }
        // Each round takes one from each; they may be asked for meanwhile, but not for ever.
        for _ in 0..=MAX_HITS {
            let mut places = (*next..WAYS).chain(0..*next);
            if let Some(place) = places.find(|place| hits(place) == 0) {
                *next = (place + 1) % WAYS;
                return place;
            }
            for hits in &self.hits {
                hits.store(hits.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
            }
        }
        let place = *next;
        *next = (place + 1) % WAYS;
        place
    }

    /// Forgets what is known for too long.
    fn clear_stale(&self, now: Duration, time_to_live: Duration) {
        let is_stale = |entry: Arc<Entry>| !entry.is_fresh(now, time_to_live);
        (0..WAYS)
            .filter(|place| self.at(*place).is_some_and(is_stale))
            .for_each(|place| self.clear(place));
    }

    fn clear(&self, place: usize) {
        self.marks[place].store(0, Ordering::Release);
        self.hits[place].store(0, Ordering::Relaxed);
        self.entries[place].store(None);
    }

    fn size(&self) -> usize {
        (0..WAYS).filter_map(|place| self.at(place)).map(|entry| entry.size).sum()
    }

    /// Takes out entries until the rest fits, those that came least first, and never `newest`.
    fn shrink_to(&self, bytes: usize, newest: usize) {
        while self.size() > bytes {
            let others = (0..WAYS).filter(|place| *place != newest);
            let there = others.filter(|place| self.at(*place).is_some());
            let least = there.min_by_key(|place| self.hits[*place].load(Ordering::Relaxed));
            let Some(place) = least else { break };
            self.clear(place);
        }
    }
}

/// A part of the hash that hardly chooses the bucket; never 0.
#[expect(clippy::cast_possible_truncation, reason = "the lower half")]
const fn mark(hash: u64) -> u32 {
    hash as u32 | 1
}
