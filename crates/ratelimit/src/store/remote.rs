//! The contract of stores outside of this process.

use std::{fmt, pin::Pin};

use hardpoint_core::{Key, Mono, StoreError, Telemetry};

use super::{Digest, EntryMode, Question, Questions, Verdicts};
use crate::{ConfigError, Policy, Quota, limiter::Rules};

/// A future that a store answers with.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A decision that is either there or still under way.
#[must_use = "a dropped decision may refuse the request"]
pub enum Decided<T> {
    /// It is there: from a deny cache, or because a breaker is open.
    Now(T),
    /// The store was asked.
    Later(BoxFuture<T>),
}

impl<T: fmt::Debug> fmt::Debug for Decided<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(answer) => f.debug_tuple("Now").field(answer).finish(),
            Self::Later(_) => f.write_str("Later(..)"),
        }
    }
}

/// Keeps the state of limits outside of this process, so that several instances share it.
///
/// Implementations answer within a deadline of their own: requests wait for them.
///
/// # Semantics
/// 1. [`decide`](Self::decide) decides all entries of a batch or none, atomically. Concurrent
///    batches never admit more than the same batches one after another.
/// 2. `decide` submits the batch before it returns. The future only carries the answer, so
///    dropping it never loses a command.
/// 3. The store decides by its own clock and knows policies by their names, which are the same on
///    every instance; numbers are not.
/// 4. An entry with [`EntryMode::Hold`] holds its cells as [`gcra::Holding`](crate::gcra::Holding)
///    describes: they do not replenish until [`settle`](Self::settle), and become charged after a
///    time-out.
/// 5. The suite in `tests/it/conformance` of this crate checks a store against the pure model. A
///    store that does not pass it is not a store.
pub trait RemoteStore: Send + Sync + 'static {
    /// The digest of a key: what the store keeps in place of it.
    ///
    /// It is keyed, and the same on every instance. A reader of digests learns nothing of the keys,
    /// and a client cannot craft keys that collide.
    fn digest(&self, key: &Key<'_>) -> Digest;

    /// Decides a batch, now or later.
    fn decide(&self, batch: &Batch<'_>) -> Decided<Result<Verdicts, StoreError>>;

    /// Settles the cells that an earlier decision holds.
    ///
    /// It queues and returns: it never delays a response. The queue is bounded. A settlement is
    /// sent at most once, and one that could not be queued or sent is counted and reported as
    /// [`SettlementsLost`](hardpoint_core::event::SettlementsLost); its cells become charged by the
    /// time-out.
    fn settle(&self, settlement: &Settlement<'_>);

    /// Checks that the store can serve these policies, and learns their names. The limiter calls it
    /// when it is built and again before policies are replaced.
    ///
    /// # Errors
    /// [`ConfigError::Store`] if the store cannot do what a policy asks for. Default: it can.
    fn prepare(&self, policies: &[Policy]) -> Result<(), ConfigError> {
        let _ = policies;
        Ok(())
    }

    /// Hands over the limiter's observer, once it is known. Default: does nothing.
    fn telemetry(&self, telemetry: &Telemetry) {
        let _ = telemetry;
    }
}

/// What a store is asked about one request: at most [`MAX`](Self::MAX) entries.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    rules: &'a Rules,
    questions: &'a Questions,
}

impl<'a> Batch<'a> {
    /// The most entries of a batch, and the most policies of a limiter.
    pub const MAX: usize = Questions::MAX;

    pub(crate) const fn new(rules: &'a Rules, questions: &'a Questions) -> Self {
        Self { rules, questions }
    }

    pub(super) fn questions(&self) -> &'a [Question] {
        self.questions.as_slice()
    }

    /// The questions, each with its policy.
    #[cfg(feature = "redis")]
    pub(crate) fn questions_by_policy(
        &self,
    ) -> impl Iterator<Item = (Option<&'a Policy>, &'a Question)> + Clone + use<'a> {
        let rules = self.rules;
        self.questions().iter().map(move |question| (rules.policy(question.policy), question))
    }

    /// The entries, in the order in which their answers are expected.
    #[must_use]
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Entry<'a>> {
        let rules = self.rules;
        self.questions().iter().map(move |question| Entry {
            policy: rules.policy(question.policy).map_or("", Policy::name),
            key: question.key,
            quota: question.quota,
            cost: question.cost,
            mode: question.mode,
        })
    }
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries()).finish()
    }
}

/// What one policy asks about one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry<'a> {
    /// The policy's name. Limiters that share a store share the buckets of policies of one name.
    pub policy: &'a str,
    /// The key, whose bucket it is about.
    pub key: Digest,
    /// How much the key may consume. Keys with a quota of their own have digests of their own.
    pub quota: Quota,
    /// The cells. 0 looks without consuming.
    pub cost: u32,
    /// What is done with them.
    pub mode: EntryMode,
}

/// Who decided a batch, and when by the store's clock: opaque to the limiter, which hands it back
/// with the [`Settlement`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Who decided, in the store's own numbering: the server, or a cache in front of it.
    pub decider: u32,
    /// When, by the clock of the decider.
    pub at: Mono,
}

impl Receipt {
    pub(crate) const NONE: Self = Self { decider: 0, at: Mono::ZERO };
}

/// The end of what one batch holds.
#[derive(Clone, Copy, Debug)]
pub struct Settlement<'a> {
    entries: &'a [Settled<'a>],
    receipt: Receipt,
}

impl<'a> Settlement<'a> {
    pub(crate) const fn new(entries: &'a [Settled<'a>], receipt: Receipt) -> Self {
        Self { entries, receipt }
    }

    /// What the decision's [`Verdicts`] were made with.
    #[must_use]
    pub const fn receipt(&self) -> Receipt {
        self.receipt
    }

    /// The entries that are settled.
    #[must_use]
    pub const fn entries(&self) -> &'a [Settled<'a>] {
        self.entries
    }
}

/// The end of one hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settled<'a> {
    /// The policy's name.
    pub policy: &'a str,
    /// The key.
    pub key: Digest,
    /// The quota that the cells were held under: their price.
    pub held_under: Quota,
    /// The quota now: the bound of the key's debt.
    pub quota: Quota,
    /// The cells that are held.
    pub cost: u32,
    /// The cells that are charged. If they are more than `cost`, the rest is taken whether or not
    /// it fits.
    pub charged: u32,
}
