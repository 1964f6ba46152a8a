//! A table of bucket states: fixed size, no lock for a known key, nothing to sweep.
//!
//! A line is one cache line of four slots; a key is in one of the two lines that its digest names. A
//! slot is a tag (the key's digest) and a state (when the bucket is full). A state that has passed
//! equals none, so the next key can have its slot and nothing is lost.
//!
//! When both lines are full, the key that owes the smallest share of its burst is forgotten, in whole
//! cells. Of keys that owe as many cells, the one that came last is: if a flood of new keys displaced
//! the oldest, a client that reached its limit could send the flood to be forgotten. Buckets of
//! different sizes may share a line, so the lowest bits of a digest hold the bucket's size: the binary
//! logarithm of its burst in nanoseconds, or 0 for the size of the policy's own quota. Among buckets
//! of one size the order is exact, between sizes within a factor of two, and debts of other sizes are
//! not rounded to cells.
//!
//! # The protocol
//! - A *known* key is changed by one compare-and-swap of its state. The tag is read before and after
//!   the state, so a state is never taken for another key's.
//! - An *unknown* key is inserted under a lock picked by its digest, so that two threads that meet
//!   one key for the first time never give it two slots. The slot is claimed by swapping its tag for
//!   [`CLAIMED`], then its state, then the new tag is published. A thread that changed the state in
//!   between wins: the claim is undone.
//! - A thread that inserts, or looks for a key that is not there, waits while a slot is claimed: the
//!   key may be in it.
//! - After a quota was shortened, [`Table::cut`] shortens every state once, by compare-and-swap.
//!
//! This file has only atomics and locks: loom explores it.

use std::cmp::Reverse;

use sync::{AtomicU8, AtomicU64, Mutex, MutexGuard, Ordering};

use crate::Quota;

/// Slots of a line: 16 bytes each, together one cache line.
const SLOTS: usize = 4;
/// The share of slots that is filled when as many keys are live as were announced: 3 of 4. Beyond
/// it keys start to push each other out.
const FILL: (usize, usize) = (3, 4);
/// More keys than this need more memory than machines have.
const MAX_KEYS: usize = u32::MAX as usize;
/// Locks for insertion. More of them than threads that insert at the same time.
const STRIPES: usize = 64;

/// How many bits of a digest hold a bucket's size.
pub(super) const SIZE_BITS: u32 = 6;
/// Those bits.
pub(super) const SIZE_MASK: u64 = (1 << SIZE_BITS) - 1;

/// The tag of a slot that was never used.
const EMPTY: u64 = 0;
/// The tag of a slot that is changing hands.
const CLAIMED: u64 = 1;

/// The states of the keys of one policy, each the nanosecond at which a bucket is full.
pub(super) struct Table {
    lines: Box<[Line]>,
    stripes: Box<[Mutex<()>]>,
    /// The size and the cell of buckets whose digests name none.
    usual_size: AtomicU8,
    usual_cell: AtomicU64,
    evictions: AtomicU64,
}

/// What a table knows of a bucket's quota.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// The binary logarithm of the burst in nanoseconds.
    pub(super) size: u8,
    /// Nanoseconds of a cell, above 0.
    pub(super) cell: u64,
}

impl Shape {
    #[inline]
    pub(super) const fn new(quota: Quota) -> Self {
        Self { size: quota.size(), cell: quota.interval_nanos() }
    }
}

/// The result of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The state that was decided about; 0 for a key that is not in the table.
    pub(super) before: u64,
    /// Whether a new state was stored.
    pub(super) stored: bool,
}

#[repr(C, align(64))]
struct Line {
    slots: [Slot; SLOTS],
}

struct Slot {
    tag: AtomicU64,
    state: AtomicU64,
}

impl Table {
    /// A table in which `keys` keys may be in debt at the same time.
    pub(super) fn for_peak(keys: usize) -> Self {
        let lines = slots_for_peak(keys).div_ceil(SLOTS);
        Self {
            lines: (0..lines).map(|_| Line::new()).collect(),
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            usual_size: AtomicU8::new(0),
            usual_cell: AtomicU64::new(1),
            evictions: AtomicU64::new(0),
        }
    }

    /// The key's state; 0 if it is not in the table.
    #[cfg(test)]
    pub(super) fn read(&self, digest: u64) -> u64 {
        self.change(digest, Shape { size: 0, cell: 1 }, 0, |_| None).before
    }

    /// Replaces the key's state by the result of `next`, unless that is `None`.
    ///
    /// `next` may be called several times, each time with a newer state; 0 is the state of a key
    /// that is not in the table. Slots whose state is at or before `now` are free. `shape` is the
    /// bucket's; the digest holds its size too if it is not the policy's own.
    #[inline]
    pub(super) fn change(
        &self,
        digest: u64,
        shape: Shape,
        now: u64,
        next: impl Fn(u64) -> Option<u64>,
    ) -> Change {
        let tag = tag(digest);
        let home = self.home(tag);
        loop {
            let Some(slot) = find(home, tag) else {
                let stored = match next(0) {
                    // A slot that is changing hands may be this key's.
                    None if is_changing_hands(home) => {
                        sync::pause();
                        continue;
                    }
                    None => false,
                    Some(state) if self.insert(home, (tag, shape), state, now) => true,
                    Some(_) => continue,
                };
                return Change { before: 0, stored };
            };
            let Some(before) = slot.state_of(tag) else {
                continue;
            };
            let Some(after) = next(before) else {
                return Change { before, stored: false };
            };
            if slot.swap_state(before, after) {
                return Change { before, stored: true };
            }
        }
    }

    /// Cuts every state of a bucket of the usual size to `latest`, by compare-and-swap, so deciders
    /// need not wait. A claim that meets the change is undone.
    pub(super) fn cut(&self, latest: u64) {
        for slot in self.lines.iter().flat_map(|line| &line.slots) {
            let tag = slot.tag.load(Ordering::Acquire);
            if tag <= CLAIMED || size_in(tag) != 0 {
                continue;
            }
            // A decider that changes the state meanwhile has cut it, or knows the old quota only.
            while let Some(state) = slot.state_of(tag).filter(|state| *state > latest) {
                if slot.swap_state(state, latest) {
                    break;
                }
            }
        }
    }

    /// How many live keys were forgotten for others since the table was made.
    pub(super) fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    /// The bytes that the slots take.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.lines)
    }

    /// The two lines that a key may live in.
    #[inline]
    fn home(&self, tag: u64) -> [&Line; 2] {
        // An odd multiplier of 64 random bits: the second choice is independent of the first.
        let second = tag.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
        [self.line(tag), self.line(second)]
    }

    /// The line at the share of the table that `point` is of all 64-bit numbers: the number of lines
    /// need not be a power of two.
    #[inline]
    fn line(&self, point: u64) -> &Line {
        let count = self.lines.len();
        let index = (u128::from(point) * count as u128) >> 64;
        &self.lines[usize::try_from(index).unwrap_or_default()]
    }

    /// Gives the key a slot. `false` if it has one already.
    fn insert(&self, home: [&Line; 2], (tag, shape): (u64, Shape), state: u64, now: u64) -> bool {
        let _turn = self.turn(tag);
        if size_in(tag) == 0 && self.usual_cell.load(Ordering::Relaxed) != shape.cell {
            self.usual_cell.store(shape.cell, Ordering::Relaxed);
        }
        if size_in(tag) == 0 && self.usual_size.load(Ordering::Relaxed) != shape.size {
            self.usual_size.store(shape.size, Ordering::Relaxed);
        }
        let usual = Shape {
            size: self.usual_size.load(Ordering::Relaxed),
            cell: self.usual_cell.load(Ordering::Relaxed),
        };
        loop {
            let Some(place) = Place::best(home, tag, now, usual) else {
                sync::pause();
                continue;
            };
            let Place::Free { slot, tag: old_tag, state: old_state } = place else {
                return false;
            };
            if !slot.swap_tag(old_tag, CLAIMED) {
                continue;
            }
            // A state that equals the old one would hide the change of hands from a thread that is
            // about to swap it.
            let state = if state == old_state { state.saturating_add(1) } else { state };
            if slot.swap_state(old_state, state) {
                slot.tag.store(tag, Ordering::Release);
                if old_state > now {
                    self.evictions.fetch_add(1, Ordering::Relaxed);
                }
                return true;
            }
            slot.tag.store(old_tag, Ordering::Release);
        }
    }

    fn turn(&self, tag: u64) -> MutexGuard<'_, ()> {
        let stripe = usize::try_from((tag >> SIZE_BITS) % STRIPES as u64).unwrap_or_default();
        // The lock guards no data, so a panic elsewhere leaves nothing half done.
        self.stripes[stripe].lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Where a key that is about to be inserted belongs.
enum Place<'a> {
    /// It has a slot already.
    Taken,
    /// The slot to claim.
    Free { slot: &'a Slot, tag: u64, state: u64 },
}

impl<'a> Place<'a> {
    /// The slot to claim: a free one in the line that has more of them, or else the one whose debt
    /// is the smallest share. `None` if a slot is changing hands and must be waited for.
    fn best(home: [&'a Line; 2], tag: u64, now: u64, usual: Shape) -> Option<Self> {
        let mut best: Option<(Rank, Self)> = None;
        for line in home {
            let free =
                line.slots.iter().filter(|slot| slot.state.load(Ordering::Relaxed) <= now).count();
            for slot in &line.slots {
                let found = slot.tag.load(Ordering::Acquire);
                if found == CLAIMED {
                    return None;
                }
                if found == tag {
                    return Some(Self::Taken);
                }
                // The claim swaps the very state that was ranked, so a key that is charged in
                // between keeps its slot.
                let state = slot.state.load(Ordering::Acquire);
                let live = state > now;
                let owed = owed(state.saturating_sub(now), found, usual);
                // Of one size and as many cells, the later state was charged later.
                let rank = (live, SLOTS - free, owed, Reverse(state));
                if best.as_ref().is_none_or(|(least, _)| rank < *least) {
                    best = Some((rank, Self::Free { slot, tag: found, state }));
                }
            }
        }
        best.map(|(_, place)| place)
    }
}

/// Free before live; in the line with more room before the other; a smaller share before a larger;
/// the later before the earlier.
type Rank = (bool, usize, u64, Reverse<u64>);

impl Line {
    fn new() -> Self {
        Self {
            slots: std::array::from_fn(|_| Slot {
                tag: AtomicU64::new(EMPTY),
                state: AtomicU64::new(0),
            }),
        }
    }
}

impl Slot {
    /// The state, if the slot belongs to `tag` before and after it was read.
    #[inline]
    fn state_of(&self, tag: u64) -> Option<u64> {
        let state = self.state.load(Ordering::Acquire);
        (self.tag.load(Ordering::Acquire) == tag).then_some(state)
    }

    #[inline]
    fn swap_state(&self, from: u64, to: u64) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn swap_tag(&self, from: u64, to: u64) -> bool {
        self.tag.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// Reads all eight tags even after a match, so that neither line waits for the other to arrive from
/// memory.
#[inline]
fn find(home: [&Line; 2], tag: u64) -> Option<&Slot> {
    let slots = home.map(|line| &line.slots);
    let mut found = None;
    for line in slots {
        for slot in line {
            if slot.tag.load(Ordering::Acquire) == tag {
                found = Some(slot);
            }
        }
    }
    found
}

fn is_changing_hands(home: [&Line; 2]) -> bool {
    let mut slots = home.into_iter().flat_map(|line| &line.slots);
    slots.any(|slot| slot.tag.load(Ordering::Acquire) == CLAIMED)
}

/// The slots of a table in which `keys` keys may be in debt at the same time.
pub(super) fn slots_for_peak(keys: usize) -> usize {
    let (full, of) = FILL;
    keys.clamp(1, MAX_KEYS).saturating_mul(of).div_ceil(full)
}

/// The digest, except for the two values that have another meaning.
#[inline]
pub(super) const fn tag(digest: u64) -> u64 {
    if digest <= CLAIMED { digest | 1 << 63 } else { digest }
}

/// The size in the lowest bits of a digest; 0 is the usual size.
pub(super) const fn size_in(tag: u64) -> u8 {
    (tag & SIZE_MASK) as u8
}

/// The share of its burst that a bucket with this tag owes: in whole cells, if it is of the usual
/// shape.
pub(super) fn owed(debt: u64, tag: u64, usual: Shape) -> u64 {
    match size_in(tag) {
        0 => {
            let cells = debt.div_ceil(usual.cell.max(1));
            share(cells.saturating_mul(usual.cell), usual.size)
        }
        size => share(debt, size),
    }
}

/// A debt as a share of a bucket of a size: 2^62 is a burst of exactly that size. Larger shares
/// saturate.
pub(super) const fn share(debt: u64, size: u8) -> u64 {
    match 62_u32.checked_sub(size as u32) {
        Some(up) if up <= debt.leading_zeros() => debt << up,
        Some(_) => u64::MAX,
        None => debt >> 1,
    }
}

#[cfg(not(hardpoint_loom))]
mod sync {
    pub(super) use std::{
        sync::{
            Mutex, MutexGuard,
            atomic::{AtomicU8, AtomicU64, Ordering},
        },
        thread::yield_now as pause,
    };
}

#[cfg(hardpoint_loom)]
mod sync {
    pub(super) use loom::{
        sync::{
            Mutex, MutexGuard,
            atomic::{AtomicU8, AtomicU64, Ordering},
        },
        thread::yield_now as pause,
    };
}

#[cfg(test)]
mod tests;
