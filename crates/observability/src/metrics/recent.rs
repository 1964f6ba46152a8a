//! The series that a thread looked up last, so that most look-ups take no lock.

use std::{cell::RefCell, sync::Arc};

use super::family::Series;

/// A series that this thread looked up.
pub(super) struct Recent {
    pub(super) hash: u64,
    pub(super) family: u64,
    pub(super) key: Box<[u8]>,
    pub(super) series: Arc<Series>,
}

/// The series that a thread remembers: more than most services have routes.
const ENTRIES: usize = 256;
/// Those of them that a key can be among.
const SET: usize = 4;

thread_local! {
    static RECENT: RefCell<Vec<Option<Recent>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `then` with the series of this key of a family, if this thread remembers it.
#[inline]
pub(super) fn recall<T>(
    hash: u64,
    family: u64,
    key: &[u8],
    then: impl FnOnce(&Arc<Series>) -> T,
) -> Option<T> {
    let known = RECENT.try_with(|recent| {
        let recent = recent.try_borrow().ok()?;
        let is =
            |entry: &Recent| entry.hash == hash && entry.family == family && *entry.key == *key;
        let entry = set(&recent, hash)?.iter().flatten().find(|entry| is(entry))?;
        Some(then(&entry.series))
    });
    known.ok().flatten()
}

/// Puts an entry in the place of the oldest of its set. A thread that is ending remembers nothing.
pub(super) fn remember(entry: Recent) {
    let _remembered = RECENT.try_with(|recent| {
        let mut recent = recent.try_borrow_mut().ok()?;
        if recent.is_empty() {
            recent.resize_with(ENTRIES, || None);
        }
        let set = recent.get_mut(first_of_set(entry.hash)..)?.first_chunk_mut::<SET>()?;
        set.rotate_right(1);
        set.first_mut()?.replace(entry)
    });
}

#[inline]
fn set(recent: &[Option<Recent>], hash: u64) -> Option<&[Option<Recent>; SET]> {
    recent.get(first_of_set(hash)..)?.first_chunk()
}

#[inline]
fn first_of_set(hash: u64) -> usize {
    // The highest bits are the best mixed ones.
    (hash >> 58) as usize * SET
}
