//! Where the state of buckets is kept: in this process, or in a [`RemoteStore`].
//!
//! A store decides whole batches: it never gets and then sets. One call decides all entries of a
//! [`Batch`] or none, in one atomic step, and a refused batch consumes nothing.

mod holding;
mod memory;
mod question;
mod remote;
mod table;
mod verdict;

use std::fmt;

use crate::Quota;

pub(crate) use self::{
    memory::{Ended, Memory},
    question::{Question, Questions},
    verdict::Verdict,
};
pub use self::{
    question::EntryMode,
    remote::{Batch, BoxFuture, Decided, Entry, Receipt, RemoteStore, Settled, Settlement},
    verdict::Verdicts,
};

/// A key as a store keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest {
    // Not an array: that goes through memory from a function to its caller.
    low: u64,
    high: u64,
}

impl Digest {
    /// A digest of these bits.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the halves, one after the other")]
    pub const fn from_bits(bits: u128) -> Self {
        Self { low: bits as u64, high: (bits >> 64) as u64 }
    }

    /// The bits.
    #[must_use]
    pub const fn to_bits(self) -> u128 {
        (self.high as u128) << 64 | self.low as u128
    }

    /// The digest of a key with this hash.
    #[cfg(feature = "redis")]
    pub(crate) const fn of_hash(hash: u128) -> Self {
        Self::from_bits(hash & !(table::SIZE_MASK as u128))
    }

    /// The digest of the same key under a quota of its own: buckets of different quotas are
    /// different buckets. Its lowest bits are the bucket's size, by which a table compares debts.
    pub(crate) fn under(self, quota: Quota) -> Self {
        let mark = quota.interval_nanos() ^ u64::from(quota.capacity()).rotate_left(40);
        let mark = mark.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let low = (self.low ^ mark) & !table::SIZE_MASK | u64::from(quota.size().max(1));
        Self { low, high: self.high ^ mark.rotate_left(29) }
    }

    /// A digest that differs from every key's: of requests that lack the key.
    pub(crate) const fn without_key(self) -> Self {
        Self { low: self.low ^ !table::SIZE_MASK, high: !self.high }
    }

    /// The lower half: enough to distinguish keys in one process.
    #[inline]
    pub(crate) const fn low(self) -> u64 {
        self.low
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}
