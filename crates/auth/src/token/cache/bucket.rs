//! A bucket of the cache. Finding a token writes nothing that other threads read, except the count of the
//! token's own `Arc` and, until it has come a few times, the count of its hits. Writers take turns.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;

use super::VerifiedToken;

/// Tokens of a bucket.
pub(super) const WAYS: usize = 8;
/// How many of them may belong to one subject before its next token replaces one of its own.
const SHARE: usize = 2;
/// How often a token that came again is passed over before it is evicted.
const MAX_HITS: u8 = 3;

#[derive(Default)]
pub(super) struct Bucket {
    /// Parts of the tags of the entries, adjacent in memory: 0 is none.
    marks: [AtomicU32; WAYS],
    /// How often each came again recently.
    hits: [AtomicU8; WAYS],
    entries: [ArcSwapOption<Entry>; WAYS],
    /// Held by the writer: where the search for a token to evict begins.
    next: Mutex<usize>,
}

/// What a token is found by.
pub(super) struct Id<'a> {
    /// Header and payload.
    pub(super) signed: &'a str,
    /// A keyed tag of the signature.
    pub(super) tag: (u64, u64),
}

pub(super) struct Entry {
    signed: Box<str>,
    tag: (u64, u64),
    token: VerifiedToken,
    /// From its verification until the next one, since 1970. A calendar that was set back is before it.
    fresh: Range<Duration>,
    /// A hash of its subject.
    subject: u64,
    pub(super) size: usize,
}

impl Entry {
    pub(super) fn new(
        id: &Id<'_>,
        token: &VerifiedToken,
        fresh: Range<Duration>,
        subject: u64,
    ) -> Self {
        let size = size_of::<Self>() + id.signed.len() + token.size();
        Self { signed: id.signed.into(), tag: id.tag, token: token.clone(), fresh, subject, size }
    }

    fn is(&self, id: &Id<'_>) -> bool {
        self.tag == id.tag && *self.signed == *id.signed
    }
}

impl Bucket {
    pub(super) fn find(&self, id: &Id<'_>, now: Duration) -> Option<VerifiedToken> {
        let mark = mark(id.tag.0);
        for place in 0..WAYS {
            if self.marks[place].load(Ordering::Acquire) != mark {
                continue;
            }
            let entry = self.entries[place].load();
            // Another token may have the same mark.
            let Some(entry) = entry.as_ref().filter(|entry| entry.is(id)) else { continue };
            if !entry.fresh.contains(&now) {
                self.remove(id);
                return None;
            }
            // Two at once count as one, since the count is a hint.
            let hits = self.hits[place].load(Ordering::Relaxed);
            if hits < MAX_HITS {
                self.hits[place].store(hits + 1, Ordering::Relaxed);
            }
            return Some(entry.token.clone());
        }
        None
    }

    /// Puts a token where it is already, or where the loss is smallest, and evicts others until the
    /// bucket fits into `bytes`.
    pub(super) fn insert(&self, id: &Id<'_>, entry: Entry, bytes: usize) {
        // A bucket is consistent after each step, so a panic elsewhere does not harm it.
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        self.clear_stale(entry.fresh.start);
        let place = self.place(id).unwrap_or_else(|| {
            let place = self.victim(&entry, &mut next);
            self.hits[place].store(0, Ordering::Relaxed);
            place
        });
        self.entries[place].store(Some(Arc::new(entry)));
        self.marks[place].store(mark(id.tag.0), Ordering::Release);
        self.shrink_to(bytes, place);
    }

    pub(super) fn remove(&self, id: &Id<'_>) {
        let _turn = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = self.place(id) {
            self.clear(place);
        }
    }

    /// How many places are free or stale.
    pub(super) fn room(&self, now: Duration) -> usize {
        WAYS - self.entries().filter(|(_, entry)| entry.fresh.contains(&now)).count()
    }

    /// The places that are taken, and their entries.
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, Arc<Entry>)> {
        let entries = self.entries.iter().map(ArcSwapOption::load_full);
        entries.enumerate().filter_map(|(place, entry)| Some((place, entry?)))
    }

    /// The place of a token.
    pub(super) fn place(&self, id: &Id<'_>) -> Option<usize> {
        self.entries().find(|(_, entry)| entry.is(id)).map(|(place, _)| place)
    }

    /// The place that a token takes: a free one; or, if its subject has its share of the bucket, the
    /// one of the subject's tokens that came least; or the next that did not come again.
    ///
    /// So tokens that come once evict each other, one subject's first its own, and those that come
    /// again and again stay.
    fn victim(&self, newcomer: &Entry, next: &mut usize) -> usize {
        if let Some(place) = self.entries.iter().position(|entry| entry.load().is_none()) {
            return place;
        }
        let hits = |place: &usize| self.hits[*place].load(Ordering::Relaxed);
        let own = self.entries().filter(|(_, entry)| entry.subject == newcomer.subject);
        let own: Vec<_> = own.map(|(place, _)| place).collect();
        if own.len() >= SHARE
            && let Some(place) = own.into_iter().min_by_key(hits)
        {
            return place;
        }
        // Each round takes one hit from each. Meanwhile they may get new ones, but not for ever.
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

    /// Drops stale tokens.
    fn clear_stale(&self, now: Duration) {
        let stale = self.entries().filter(|(_, entry)| !entry.fresh.contains(&now));
        stale.for_each(|(place, _)| self.clear(place));
    }

    fn clear(&self, place: usize) {
        self.marks[place].store(0, Ordering::Release);
        self.hits[place].store(0, Ordering::Relaxed);
        self.entries[place].store(None);
    }

    pub(super) fn size(&self) -> usize {
        self.entries().map(|(_, entry)| entry.size).sum()
    }

    /// Evicts entries until the rest fits, those that came least first, and never `newest`.
    fn shrink_to(&self, bytes: usize, newest: usize) {
        while self.size() > bytes {
            let others = self.entries().map(|(place, _)| place).filter(|place| *place != newest);
            let least = others.min_by_key(|place| self.hits[*place].load(Ordering::Relaxed));
            let Some(place) = least else { break };
            self.clear(place);
        }
    }
}

/// A part of the tag that hardly influences the bucket; never 0.
#[expect(clippy::cast_possible_truncation, reason = "the lower half")]
const fn mark(hash: u64) -> u32 {
    hash as u32 | 1
}
