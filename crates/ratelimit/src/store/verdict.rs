//! What a store answers: owned, inline, and without allocation.

use std::{cmp::Reverse, time::Duration};

use hardpoint_core::event::Decider;

use super::{Batch, EntryMode, Question, Questions, Receipt};
use crate::{Quota, gcra};

/// The answers to a [`Batch`], entry by entry, and who gave them.
#[derive(Clone, Copy, Debug)]
#[must_use = "a store may have refused the request"]
pub struct Verdicts {
    debts: [u64; Questions::MAX],
    receipt: Receipt,
    /// A bit for each entry that had no room.
    full: u8,
    allowed: bool,
    decider: Decider,
}

impl Verdicts {
    /// Nothing was asked, so nothing was refused.
    pub(crate) const NONE: Self = Self {
        debts: [0; Questions::MAX],
        receipt: Receipt::NONE,
        full: 0,
        allowed: true,
        decider: Decider::Memory,
    };

    /// The verdicts on `batch`: for each entry, in order, the debt of its key before the decision,
    /// in nanoseconds with held cells included, and whether there was room. The request is refused
    /// if an enforced entry had no room or has no answer.
    ///
    /// The limiter hands `receipt` back when it settles what the batch holds.
    pub fn new(
        batch: &Batch<'_>,
        receipt: Receipt,
        answers: impl IntoIterator<Item = (u64, bool)>,
    ) -> Self {
        let mut verdicts = Self { receipt, decider: Decider::Store, ..Self::NONE };
        let answers = answers.into_iter().map(Some).chain(std::iter::repeat(None));
        for ((index, question), answer) in batch.questions().iter().enumerate().zip(answers) {
            let (debt, room) = answer.unwrap_or((0, false));
            verdicts.set(index, question.mode, debt, room);
        }
        verdicts
    }

    /// The same verdicts, as those of a cache in front of the store.
    pub fn by_cache(mut self) -> Self {
        self.decider = Decider::Cache;
        self
    }

    /// The same verdicts, as those of a decider.
    pub(crate) fn by(mut self, decider: Decider) -> Self {
        self.decider = decider;
        self
    }

    /// The same verdicts, as those of the store.
    #[cfg(feature = "redis")]
    pub(crate) fn by_store(mut self, receipt: Receipt) -> Self {
        self.receipt = receipt;
        self.by(Decider::Store)
    }

    /// The verdict on a single question.
    #[inline]
    pub(crate) fn one(question: &Question, debt: u64, room: bool) -> Self {
        let mut verdicts = Self::NONE;
        verdicts.set(0, question.mode, debt, room);
        verdicts
    }

    #[inline]
    pub(crate) fn set(&mut self, index: usize, mode: EntryMode, debt: u64, room: bool) {
        if let Some(slot) = self.debts.get_mut(index) {
            *slot = debt;
            let bit = 1 << index;
            self.full = if room { self.full & !bit } else { self.full | bit };
            self.allowed &= room || !mode.is_enforced();
        }
    }

    /// Whether the request may proceed: every enforced entry had room, and all were consumed.
    #[must_use]
    pub const fn allowed(&self) -> bool {
        self.allowed
    }

    /// Who decided.
    #[must_use]
    pub const fn decider(&self) -> Decider {
        self.decider
    }

    pub(crate) const fn receipt(&self) -> Receipt {
        self.receipt
    }

    /// The verdict on the only question of a batch.
    pub(crate) fn first(&self, question: &Question) -> Verdict {
        Verdict::new(question, self.debts[0], self.full & 1 == 0)
    }

    /// The verdict on each question of the batch that was decided.
    pub(crate) fn each<'a>(
        &'a self,
        questions: &'a Questions,
    ) -> impl Iterator<Item = (&'a Question, Verdict)> {
        let questions = questions.as_slice().iter().zip(self.debts).zip(0_u8..);
        questions.map(|((question, debt), index)| {
            let room = self.full >> index & 1 == 0;
            (question, Verdict::within(question, debt, room, room && self.allowed))
        })
    }
}

/// The answer to one question. Its figures are computed when they are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    pub(crate) quota: Quota,
    /// The key's debt now, in nanoseconds.
    pub(crate) debt: u64,
    pub(crate) cost: u32,
    /// Whether this policy had room; others may not.
    pub(crate) room: bool,
    /// Whether the cells were taken.
    pub(crate) consumed: bool,
}

impl Verdict {
    /// The verdict on a question that was decided by itself: the debt before, and whether there was
    /// room.
    #[inline]
    pub(crate) fn new(question: &Question, debt: u64, room: bool) -> Self {
        Self::within(question, debt, room, room)
    }

    #[inline]
    fn within(question: &Question, debt_before: u64, room: bool, consumed: bool) -> Self {
        let Question { quota, cost, mode, .. } = *question;
        let changed = consumed || !mode.asks();
        let debt = if changed { question.after(debt_before) } else { None };
        Self { quota, debt: debt.unwrap_or(debt_before), cost, room, consumed }
    }

    /// Cells that are left now.
    pub(crate) fn remaining(&self) -> u32 {
        gcra::remaining(self.quota, self.debt)
    }

    /// The smaller, the nearer to its bound: a refusal before any admission, and of those the one
    /// that lasts longest.
    pub(crate) fn nearness(&self) -> (bool, Reverse<Duration>, u32) {
        let lasts = if self.room { None } else { Some(self.retry_after()) };
        let lasts = lasts.map_or(Duration::ZERO, |wait| wait.unwrap_or(Duration::MAX));
        (self.room, Reverse(lasts), self.remaining())
    }

    /// The time after which the same cost is admitted, as clients are told; `None` if there was
    /// room, or if it exceeds the burst.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        if self.room {
            return None;
        }
        gcra::retry_after(self.quota, self.debt, self.cost).map(|wait| self.within_window(wait))
    }

    /// The time after which a refused request is admitted, or else there is one cell more.
    pub(crate) fn wait(&self) -> Duration {
        self.retry_after().unwrap_or_else(|| self.within_window(self.next_cell_after()))
    }

    /// No client is told to wait for longer than the window that it is told: the interval of a cell
    /// is rounded up to nanoseconds, and a whole bucket of them may be some nanoseconds longer than
    /// the window. No client can return within those.
    fn within_window(&self, wait: Duration) -> Duration {
        let rounding = u64::from(self.quota.capacity());
        let surely_within = self.quota.tolerance().saturating_sub(rounding);
        if wait <= Duration::from_nanos(surely_within) {
            return wait;
        }
        wait.min(Duration::from_secs(self.quota.window_seconds()))
    }

    /// The time after which there is one cell more than now; zero if the bucket is full.
    pub(crate) fn next_cell_after(&self) -> Duration {
        let interval = self.quota.interval_nanos();
        Duration::from_nanos(if self.debt == 0 { 0 } else { (self.debt - 1) % interval + 1 })
    }

    /// The time after which the bucket is full, as clients are told.
    pub(crate) fn full_after(&self) -> Duration {
        self.within_window(Duration::from_nanos(self.debt))
    }
}
