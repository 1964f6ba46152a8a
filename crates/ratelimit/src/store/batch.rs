//! What a store is asked, and what it answers: both owned, inline, and without allocation.

use std::{error::Error, fmt, time::Duration};

use super::Digest;
use crate::{Quota, gcra};

/// One policy's question about one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The policy's number in its limiter, from 0: states of two policies never meet.
    pub policy: u8,
    /// Whose bucket.
    pub key: Digest,
    /// How much the key may consume.
    pub quota: Quota,
    /// How many cells the request consumes. 0 looks without consuming.
    pub cost: u32,
}

/// The questions of all policies about one request: at most [`Batch::MAX`].
#[derive(Clone, Debug)]
pub struct Batch {
    entries: [Entry; Self::MAX],
    len: usize,
}

impl Batch {
    /// The most entries that one batch holds.
    pub const MAX: usize = 8;

    /// A batch that asks nothing.
    #[must_use]
    pub const fn new() -> Self {
        const UNUSED: Entry =
            Entry { policy: 0, key: Digest::from_bits(0), quota: Quota::per_second(1), cost: 0 };
        Self { entries: [UNUSED; Self::MAX], len: 0 }
    }

    /// Adds a question.
    ///
    /// # Errors
    /// [`BatchFull`] if there are [`MAX`](Self::MAX) already.
    pub fn push(&mut self, entry: Entry) -> Result<(), BatchFull> {
        *self.entries.get_mut(self.len).ok_or(BatchFull { _private: () })? = entry;
        self.len += 1;
        Ok(())
    }

    /// The questions, in the order of their addition.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        self.entries.get(..self.len).unwrap_or_default()
    }

    /// Whether nothing is asked.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
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

/// The answers to a [`Batch`], entry by entry: what each key's debt was before the request.
#[derive(Clone, Copy, Debug)]
pub struct Verdicts {
    debts: [u64; Batch::MAX],
    allowed: bool,
}

impl Verdicts {
    /// Nothing was asked, so nothing was refused.
    pub(crate) const NONE: Self = Self { debts: [0; Batch::MAX], allowed: true };

    /// The verdict on a batch of one, whose key had this debt in nanoseconds.
    #[must_use]
    pub const fn one(debt: u64, allowed: bool) -> Self {
        let mut debts = [0; Batch::MAX];
        debts[0] = debt;
        Self { debts, allowed }
    }

    /// The verdicts on a batch whose keys had these debts, in nanoseconds. Debts beyond
    /// [`Batch::MAX`] are ignored.
    #[must_use]
    pub fn new(debts: &[u64], allowed: bool) -> Self {
        let mut verdicts = Self { allowed, ..Self::NONE };
        verdicts.debts.iter_mut().zip(debts).for_each(|(slot, debt)| *slot = *debt);
        verdicts
    }

    /// Whether the request may go on: every entry allowed it, and all were consumed.
    #[must_use]
    pub const fn allowed(&self) -> bool {
        self.allowed
    }

    /// The verdict on each entry of `batch`, which must be the batch that was decided.
    pub fn of<'a>(&'a self, batch: &'a Batch) -> impl Iterator<Item = (&'a Entry, Verdict)> {
        batch.entries().iter().zip(self.debts).map(|(entry, debt)| {
            let consumed = if self.allowed { entry.cost } else { 0 };
            (entry, Verdict { quota: entry.quota, cost: entry.cost, debt, consumed })
        })
    }
}

/// What one policy said about one request. The figures are worked out when they are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    quota: Quota,
    cost: u32,
    debt: u64,
    consumed: u32,
}

impl Verdict {
    /// Whether this policy had room for the request, whatever the others said.
    #[must_use]
    pub const fn allowed(&self) -> bool {
        gcra::charge(self.quota, self.debt, self.cost).is_some()
    }

    /// Cells that are left now.
    #[must_use]
    pub fn remaining(&self) -> u32 {
        gcra::remaining(self.quota, self.debt_now())
    }

    /// The time after which the same request is let in; `None` if there was room for it, or if it
    /// costs more than the whole burst.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        if self.allowed() { None } else { gcra::retry_after(self.quota, self.debt, self.cost) }
    }

    /// The time after which one more cell is there than now; zero if the bucket is full.
    #[must_use]
    pub fn next_cell_after(&self) -> Duration {
        let debt = self.debt_now();
        let interval = self.quota.interval_nanos();
        Duration::from_nanos(if debt == 0 { 0 } else { (debt - 1) % interval + 1 })
    }

    /// The time after which the bucket is full.
    #[must_use]
    pub fn full_after(&self) -> Duration {
        Duration::from_nanos(self.debt_now())
    }

    fn debt_now(&self) -> u64 {
        gcra::charge(self.quota, self.debt, self.consumed).unwrap_or(self.debt)
    }
}
