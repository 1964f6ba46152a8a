//! What a store is asked, and what it answers: both owned, inline, and without allocation.

use std::{error::Error, fmt, slice, time::Duration};

use super::Digest;
use crate::{Quota, gcra};

/// One policy's question about one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The policy's number in its limiter, from 0: states of two policies never meet.
    pub policy: u8,
    /// Whose bucket.
    pub key: Digest,
    /// How much the key may consume.
    pub quota: Quota,
    /// How many cells it is about. 0 looks without consuming.
    pub cost: u32,
    /// What is done with them.
    pub mode: Mode,
}

/// What is done with the cells of an [`Entry`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// They are consumed if every enforced entry of the batch has room, and the batch is refused if
    /// one has not.
    #[default]
    Enforce,
    /// They are consumed whether or not there is room; at most the bucket is empty afterwards.
    Force,
    /// They are consumed if the batch is let in and there is room, and nothing is refused for them.
    Observe,
    /// As [`Enforce`](Self::Enforce), or as [`Observe`](Self::Observe), until [`Settle`](Self::Settle)
    /// says how many of them are charged. It always does: who gives up settles all as charged. A remote
    /// store lets a hold end so by itself after a while.
    Hold {
        /// What it is settled by: no two holds of a process have the same.
        id: u64,
        /// Whether the batch is refused if there is no room.
        enforced: bool,
    },
    /// They are given back; at most the bucket is full afterwards.
    Refund,
    /// They were held, and some of them are charged. The others are given back, but for what time has
    /// replenished since they were taken; if more are charged than were held, the rest is consumed
    /// whether or not there is room.
    Settle {
        /// The id of the hold.
        id: u64,
        /// How many are charged.
        actual: u32,
    },
    /// Whatever was consumed is forgotten: the bucket is full afterwards.
    Reset,
}

impl Mode {
    /// Whether the entry asks for room.
    pub(super) const fn asks(self) -> bool {
        matches!(self, Self::Enforce | Self::Observe | Self::Hold { .. })
    }

    /// Whether the batch is refused if the entry has no room.
    pub(crate) const fn is_enforced(self) -> bool {
        matches!(self, Self::Enforce | Self::Hold { enforced: true, .. })
    }
}

/// The questions of all policies about one request: at most [`Batch::MAX`].
#[derive(Clone, Debug, Default)]
pub struct Batch {
    entries: Entries,
}

/// Most requests are decided by a policy or two: room for more is not even written to for them.
#[derive(Clone, Debug, Default)]
#[expect(clippy::large_enum_variant, reason = "nothing is to be allocated, whatever the number")]
enum Entries {
    #[default]
    None,
    One(Entry),
    Two([Entry; 2]),
    Many([Entry; Batch::MAX], usize),
}

const UNUSED: Entry = Entry {
    policy: 0,
    key: Digest::from_bits(0),
    quota: Quota::per_second(1),
    cost: 0,
    mode: Mode::Enforce,
};

impl Batch {
    /// The most entries that one batch holds.
    pub const MAX: usize = 8;

    /// A batch that asks nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Entries::None }
    }

    /// Adds a question.
    ///
    /// # Errors
    /// [`BatchFull`] if there are [`MAX`](Self::MAX) already.
    #[inline]
    pub fn push(&mut self, entry: Entry) -> Result<(), BatchFull> {
        *self.add()? = entry;
        Ok(())
    }

    /// The place for one more question.
    #[inline]
    pub(crate) fn add(&mut self) -> Result<&mut Entry, BatchFull> {
        if self.is_empty() {
            self.entries = Entries::One(UNUSED);
        } else {
            self.widen()?;
        }
        let last = match &mut self.entries {
            Entries::None => None,
            Entries::One(entry) => Some(entry),
            Entries::Two([_, last]) => Some(last),
            Entries::Many(many, len) => many.get_mut(len.saturating_sub(1)),
        };
        last.ok_or(BatchFull { _private: () })
    }

    #[inline(never)]
    fn widen(&mut self) -> Result<(), BatchFull> {
        match &mut self.entries {
            Entries::Many(_, Self::MAX) => return Err(BatchFull { _private: () }),
            Entries::Many(_, len) => *len += 1,
            Entries::None => self.entries = Entries::One(UNUSED),
            Entries::One(first) => self.entries = Entries::Two([*first, UNUSED]),
            Entries::Two([first, second]) => {
                let mut many = [UNUSED; Self::MAX];
                many[0] = *first;
                many[1] = *second;
                self.entries = Entries::Many(many, 3);
            }
        }
        Ok(())
    }

    /// The questions, in the order of their addition.
    #[inline]
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.entries {
            Entries::None => &[],
            Entries::One(entry) => slice::from_ref(entry),
            Entries::Two(two) => two,
            Entries::Many(many, len) => many.get(..*len).unwrap_or(many),
        }
    }

    /// Whether nothing is asked.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self.entries, Entries::None)
    }
}

impl From<Entry> for Batch {
    #[inline]
    fn from(entry: Entry) -> Self {
        Self { entries: Entries::One(entry) }
    }
}

/// A batch cannot hold another entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchFull {
    _private: (),
}

impl fmt::Display for BatchFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a batch holds at most {} entries", Batch::MAX)
    }
}

impl Error for BatchFull {}

/// The answers to a [`Batch`], entry by entry.
#[derive(Clone, Copy, Debug)]
pub struct Verdicts {
    debts: [u64; Batch::MAX],
    /// A bit for each entry that had no room.
    full: u8,
    allowed: bool,
}

impl Verdicts {
    /// Nothing was asked, so nothing was refused.
    pub(crate) const NONE: Self = Self { debts: [0; Batch::MAX], full: 0, allowed: true };

    /// The verdict on a batch of one: what its key's debt was before, in nanoseconds, and whether
    /// there was room.
    #[inline]
    #[must_use]
    pub fn one(entry: &Entry, debt: u64, room: bool) -> Self {
        let mut verdicts = Self::NONE;
        verdicts.set(0, entry, debt, room);
        verdicts
    }

    /// The verdicts on a batch: for each entry what its key's debt was before, in nanoseconds, and
    /// whether there was room. The request is refused if an enforced entry had none.
    #[must_use]
    pub fn new(batch: &Batch, answers: impl IntoIterator<Item = (u64, bool)>) -> Self {
        let mut verdicts = Self::NONE;
        let entries = batch.entries().iter().zip(answers);
        for (index, (entry, (debt, room))) in entries.enumerate() {
            verdicts.set(index, entry, debt, room);
        }
        verdicts
    }

    #[inline]
    fn set(&mut self, index: usize, entry: &Entry, debt: u64, room: bool) {
        if let Some(slot) = self.debts.get_mut(index) {
            *slot = debt;
            self.full |= u8::from(!room) << index;
            self.allowed &= room || !entry.mode.is_enforced();
        }
    }

    /// Whether the request may go on: every enforced entry had room, and all were consumed.
    #[must_use]
    pub const fn allowed(&self) -> bool {
        self.allowed
    }

    /// The verdict on the only entry of a batch of one.
    pub(crate) fn first(&self, entry: &Entry) -> Verdict {
        Verdict::new(entry, self.debts[0], self.full & 1 == 0)
    }

    /// The verdict on each entry of `batch`, which must be the batch that was decided.
    pub fn of<'a>(&'a self, batch: &'a Batch) -> impl Iterator<Item = (&'a Entry, Verdict)> {
        let entries = batch.entries().iter().zip(self.debts).zip(0_u8..);
        entries.map(|((entry, debt), index)| {
            let room = self.full >> index & 1 == 0;
            (entry, Verdict::of(entry, debt, room, room && self.allowed))
        })
    }
}

/// What one policy said about one request. The figures are worked out when they are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    quota: Quota,
    /// The key's debt now, in nanoseconds.
    debt: u64,
    cost: u32,
    allowed: bool,
    consumed: bool,
    observed: bool,
}

impl Verdict {
    /// The verdict on an entry that was decided alone: what its key's debt was before, in nanoseconds,
    /// and whether there was room.
    #[inline]
    #[must_use]
    pub fn new(entry: &Entry, debt: u64, room: bool) -> Self {
        Self::of(entry, debt, room, room)
    }

    #[inline]
    fn of(entry: &Entry, debt_before: u64, allowed: bool, consumed: bool) -> Self {
        let Entry { quota, cost, mode, .. } = *entry;
        let changed = consumed || !mode.asks();
        let debt = if changed { after(entry, debt_before) } else { None };
        let debt = debt.unwrap_or(debt_before);
        let observed = mode.asks() && !mode.is_enforced();
        Self { quota, debt, cost, allowed, consumed, observed }
    }

    /// Whether this policy had room, whatever the others said.
    #[must_use]
    pub const fn allowed(&self) -> bool {
        self.allowed
    }

    /// Whether the cells were taken.
    pub(crate) const fn consumed(&self) -> bool {
        self.consumed
    }

    /// The cells that were asked for.
    pub(crate) const fn cost(&self) -> u32 {
        self.cost
    }

    /// Whether nothing is refused for them.
    pub(crate) const fn is_observed(&self) -> bool {
        self.observed
    }

    /// The same of a policy that refuses nothing.
    pub(crate) const fn let_in(mut self) -> Self {
        self.allowed = true;
        self
    }

    /// The quota that was applied.
    #[must_use]
    pub const fn quota(&self) -> Quota {
        self.quota
    }

    /// Cells that are left now.
    #[must_use]
    pub fn remaining(&self) -> u32 {
        gcra::remaining(self.quota, self.debt)
    }

    /// The smaller, the nearer to its bound: a refusal before any admission.
    pub(crate) fn nearness(&self) -> (bool, u32) {
        (self.allowed, self.remaining())
    }

    /// The time after which the same request is let in; `None` if there was room for it, or if it
    /// costs more than the whole burst.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        if self.allowed {
            return None;
        }
        gcra::retry_after(self.quota, self.debt, self.cost)
    }

    /// The time after which one more cell is there than now; zero if the bucket is full.
    #[must_use]
    pub fn next_cell_after(&self) -> Duration {
        let interval = self.quota.interval_nanos();
        Duration::from_nanos(if self.debt == 0 { 0 } else { (self.debt - 1) % interval + 1 })
    }

    /// The time after which the bucket is full.
    #[must_use]
    pub const fn full_after(&self) -> Duration {
        Duration::from_nanos(self.debt)
    }
}

/// The debt of a key after what an entry does; `None` if it changes nothing, for want of room.
#[inline]
pub(super) fn after(entry: &Entry, debt: u64) -> Option<u64> {
    let Entry { quota, cost, mode, .. } = *entry;
    match mode {
        Mode::Enforce | Mode::Observe | Mode::Hold { .. } => gcra::charge(quota, debt, cost),
        Mode::Force => Some(gcra::force(quota, debt, cost)),
        Mode::Refund => Some(gcra::refund(quota, debt, cost)),
        // What a hold is worth is the store's to know: the debt is that after it.
        Mode::Settle { .. } => Some(debt),
        Mode::Reset => Some(0),
    }
}
