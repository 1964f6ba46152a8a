//! What a store is asked about one request: owned, inline, and without allocation.

use std::slice;

use super::Digest;
use crate::{
    Quota,
    gcra::{self, Since},
};

/// What one policy asks about one key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    /// The policy's number in its limiter, from 0.
    pub(crate) policy: u8,
    pub(crate) key: Digest,
    pub(crate) quota: Quota,
    /// 0 looks without consuming.
    pub(crate) cost: u32,
    pub(crate) mode: EntryMode,
    /// When memory began to hold the cells; the decision writes it.
    pub(crate) since: Since,
}

/// What is done with the cells of an [`Entry`](super::Entry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryMode {
    /// They are consumed if every enforced entry of the batch has room. If one has not, the batch
    /// is refused.
    Enforce,
    /// They are consumed whether or not there is room; the bucket is at most empty afterwards.
    Force,
    /// As [`Enforce`](Self::Enforce), or as [`Observe`](Self::Observe), but the cells are held
    /// until [`RemoteStore::settle`](super::RemoteStore::settle). Cells that are held for too long
    /// become charged.
    Hold {
        /// Whether the batch is refused for want of room.
        enforced: bool,
    },
    /// They are consumed if the batch is admitted and there is room. Nothing is refused for them.
    Observe,
    /// They are given back; the bucket is at most full afterwards.
    Refund,
    /// The bucket is full afterwards and forgets the cells it holds.
    Reset,
}

impl EntryMode {
    /// Whether the entry asks for room.
    #[inline]
    pub(crate) const fn asks(self) -> bool {
        matches!(self, Self::Enforce | Self::Observe | Self::Hold { .. })
    }

    /// Whether the batch is refused if the entry has no room.
    #[inline]
    pub(crate) const fn is_enforced(self) -> bool {
        matches!(self, Self::Enforce | Self::Hold { enforced: true })
    }

    #[inline]
    pub(crate) const fn is_hold(self) -> bool {
        matches!(self, Self::Hold { .. })
    }
}

impl Question {
    pub(crate) const UNUSED: Self =
        Self::new(0, Digest::from_bits(0), Quota::per_second(1), 0, EntryMode::Enforce);

    #[inline]
    pub(crate) const fn new(
        policy: u8,
        key: Digest,
        quota: Quota,
        cost: u32,
        mode: EntryMode,
    ) -> Self {
        Self { policy, key, quota, cost, mode, since: Since::NEVER }
    }

    /// The debt of the key after this is done; `None` if it changes nothing, for want of room.
    #[inline]
    pub(crate) fn after(&self, debt: u64) -> Option<u64> {
        let Self { quota, cost, mode, .. } = *self;
        match mode {
            EntryMode::Enforce | EntryMode::Observe | EntryMode::Hold { .. } => {
                gcra::charge(quota, debt, cost)
            }
            EntryMode::Force => Some(gcra::force(quota, debt, cost)),
            EntryMode::Refund => Some(gcra::refund(quota, debt, cost)),
            EntryMode::Reset => Some(0),
        }
    }
}

/// What all policies ask about one request: at most [`Questions::MAX`].
#[derive(Clone, Debug)]
pub(crate) struct Questions {
    list: List,
}

/// Most requests are decided by one policy or two: for them, the room for more is not even written
/// to.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "no number of questions allocates")]
enum List {
    None,
    One(Question),
    Two([Question; 2]),
    Many([Question; Questions::MAX], usize),
}

impl Questions {
    pub(crate) const MAX: usize = 8;

    #[inline]
    pub(crate) const fn new() -> Self {
        Self { list: List::None }
    }

    #[inline]
    pub(crate) const fn one(question: Question) -> Self {
        Self { list: List::One(question) }
    }

    /// Adds a question. A limiter has at most [`MAX`](Self::MAX) policies; one more is not added.
    #[inline]
    pub(crate) fn push(&mut self, question: Question) {
        if let List::None = self.list {
            self.list = List::One(question);
        } else {
            self.widen(question);
        }
    }

    #[inline(never)]
    fn widen(&mut self, question: Question) {
        match &mut self.list {
            List::None => self.list = List::One(question),
            List::One(first) => self.list = List::Two([*first, question]),
            List::Two([first, second]) => {
                let mut many = [Question::UNUSED; Self::MAX];
                many[..3].copy_from_slice(&[*first, *second, question]);
                self.list = List::Many(many, 3);
            }
            List::Many(many, len) => {
                if let Some(place) = many.get_mut(*len) {
                    *place = question;
                    *len += 1;
                }
            }
        }
    }

    /// The questions, in the order of their addition.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[Question] {
        match &self.list {
            List::None => &[],
            List::One(question) => slice::from_ref(question),
            List::Two(two) => two,
            List::Many(many, len) => many.get(..*len).unwrap_or(many),
        }
    }

    #[inline]
    pub(crate) fn as_mut_slice(&mut self) -> &mut [Question] {
        match &mut self.list {
            List::None => &mut [],
            List::One(question) => slice::from_mut(question),
            List::Two(two) => two,
            List::Many(many, len) => {
                let len = (*len).min(many.len());
                &mut many[..len]
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }
}
