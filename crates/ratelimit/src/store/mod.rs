//! Where the state of buckets lies.
//!
//! A store decides; it does not get and set. One call decides all entries of a [`Batch`], or none,
//! in one atomic step, and a refused batch consumes nothing.

mod batch;
mod either;
mod holds;
mod memory;
mod snapshot;
mod table;

use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hardpoint_core::{Answer, Clock, Key, SystemClock};

use crate::{ConfigError, Quota};

pub use self::{
    batch::{Batch, BatchFull, Entry, Mode, Verdict, Verdicts},
    either::{Either, EitherPending},
    memory::MemoryStore,
    snapshot::SnapshotError,
};

/// Decides batches. Clones share the state.
pub trait Store: Clone + Send + Sync + 'static {
    /// Resolves to the verdicts when the store has to ask elsewhere. It borrows nothing.
    type Pending: Future<Output = Result<Verdicts, StoreError>> + Send;

    /// The digest of a key: what the store keeps in place of it.
    ///
    /// It is keyed, so that whoever sees digests learns nothing of the keys, and cannot craft keys
    /// that collide.
    fn digest(&self, key: &Key<'_>) -> Digest;

    /// Decides all entries of the batch, or none, atomically: whatever else is decided at the same
    /// time, never more is let in than if they came one after the other.
    fn decide(&self, batch: &Batch) -> Answer<Result<Verdicts, StoreError>, Self::Pending>;

    /// Decides one entry, as [`decide`](Self::decide) decides a batch of it. A store whose answer is
    /// there at once spares itself the batch.
    fn decide_one(&self, entry: &Entry) -> Answer<Result<Verdict, StoreError>, Self::Pending> {
        match self.decide(&Batch::from(*entry)) {
            Answer::Now(answer) => Answer::Now(answer.map(|verdicts| verdicts.first(entry))),
            Answer::Later(pending) => Answer::Later(pending),
        }
    }

    /// The calendar by which a limiter dates headers. Default: the system's.
    fn unix(&self) -> Duration {
        SystemClock.unix()
    }

    /// Says whether the store can serve a limiter of so many policies; called when it is built.
    ///
    /// # Errors
    /// [`ConfigError`] if it cannot. Default: any store can.
    fn prepare(&self, policies: usize) -> Result<(), ConfigError> {
        let _ = policies;
        Ok(())
    }
}

/// The pending answer of a store that always answers at once: there is none.
#[derive(Debug)]
pub enum NeverPending {}

impl Future for NeverPending {
    type Output = Result<Verdicts, StoreError>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        match *self {}
    }
}

/// A key as a store keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u64; 2]);

impl Digest {
    /// A digest of these bits.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the halves, one after the other")]
    pub const fn from_bits(bits: u128) -> Self {
        Self([bits as u64, (bits >> 64) as u64])
    }

    /// The bits.
    #[must_use]
    pub const fn to_bits(self) -> u128 {
        let [low, high] = self.0;
        (high as u128) << 64 | low as u128
    }

    /// The digest of the same key under a quota of its own: buckets of different sizes are different
    /// buckets. Its lowest bits tell the size, by which a [`Table`](table::Table) compares debts.
    pub(crate) fn under(self, quota: Quota) -> Self {
        let [low, high] = self.0;
        let mark = quota.interval_nanos() ^ u64::from(quota.capacity()).rotate_left(40);
        let mark = mark.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let low = (low ^ mark) & !table::SIZE_MASK | u64::from(quota.size().max(1));
        Self([low, high ^ mark.rotate_left(29)])
    }

    /// A digest that is no key's.
    pub(crate) const fn of_nobody(self) -> Self {
        let [low, high] = self.0;
        Self([low ^ !table::SIZE_MASK, !high])
    }

    /// The lower half: enough to tell keys apart in one process.
    #[inline]
    pub(crate) const fn low(self) -> u64 {
        self.0[0]
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// A store did not decide. What happens then is the limiter's [`OnFailure`](crate::OnFailure).
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// An error of this kind.
    #[must_use]
    pub const fn new(kind: StoreErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// Adds what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl StoreErrorKind {
    /// The kind as one lower-case word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Corrupt => "corrupt",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            StoreErrorKind::Corrupt => "the store's state cannot be read",
            StoreErrorKind::Timeout => "the store did not answer in time",
            StoreErrorKind::Unavailable => "the store cannot be reached",
        })
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}

/// The kinds of [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// What the store holds is not what was put there.
    Corrupt,
    /// It did not answer in time: the batch may have been consumed.
    Timeout,
    /// It cannot be reached: nothing was consumed.
    Unavailable,
}
