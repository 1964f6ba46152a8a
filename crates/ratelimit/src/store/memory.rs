//! Buckets in this process.

use std::{
    fmt,
    future::Ready,
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
};

use hardpoint_core::{Answer, Clock, Key, Mono, SystemClock};

use super::{Batch, Digest, Entry, Store, StoreError, StoreErrorKind, Verdicts, table::Table};
use crate::gcra::{self, State};

/// Buckets in the memory of this process: bounded, without a background task, and always answering
/// at once.
///
/// All memory is allocated when the store is made. When a table is full, the key that owes least is
/// forgotten, and counted in [`evictions`](Self::evictions): a flood of keys that come once pushes
/// itself out and leaves the keys that have reached their limit where they are.
///
/// Keys are digested with a hash function that is keyed at random when the store is made, so that
/// nobody can pick keys that collide. Two keys share a bucket with a probability of 2⁻⁶⁴ a pair.
///
/// A process counts for itself: behind a balancer over `n` processes, a client gets up to `n` times
/// the quota.
#[derive(Clone)]
pub struct MemoryStore<C = SystemClock> {
    shared: Arc<Shared>,
    clock: C,
}

struct Shared {
    tables: Box<[Table]>,
    hasher: RandomState,
}

impl<C: Clock> MemoryStore<C> {
    /// A store with one table a policy, each for as many keys in debt at the same time as given.
    /// A key costs 21 bytes; 0 is taken as 1.
    #[must_use]
    pub fn for_peak(keys: &[usize], clock: C) -> Self {
        let tables = keys.iter().map(|&keys| Table::for_peak(keys)).collect();
        Self { shared: Arc::new(Shared { tables, hasher: RandomState::new() }), clock }
    }

    /// How many keys in debt were forgotten because a table was full. If it grows, more callers come
    /// than [`Policy::peak_keys`](crate::Policy::peak_keys) has room for.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.shared.tables.iter().map(Table::evictions).sum()
    }

    /// The bytes that the tables take, now and for ever.
    #[must_use]
    pub fn size(&self) -> usize {
        self.shared.tables.iter().map(Table::size).sum()
    }

    fn verdicts(&self, batch: &Batch) -> Result<Verdicts, StoreError> {
        let now = self.clock.now();
        match batch.entries() {
            [] => Ok(Verdicts::NONE),
            [entry] => {
                let (debt, allowed) = self.table(entry)?.take(entry, now);
                Ok(Verdicts::one(debt, allowed))
            }
            entries => self.all_or_nothing(entries, now),
        }
    }

    /// Looks at every bucket first, since most refusals are seen there, then takes from one after
    /// the other; whoever finds one emptied meanwhile gives back what it took.
    fn all_or_nothing(&self, entries: &[Entry], now: Mono) -> Result<Verdicts, StoreError> {
        let mut debts = [0; Batch::MAX];
        let mut allowed = true;
        for (entry, debt) in entries.iter().zip(&mut debts) {
            *debt = self.table(entry)?.debt(entry, now);
            allowed &= gcra::charge(entry.quota, *debt, entry.cost).is_some();
        }
        let mut taken = 0;
        while allowed && taken < entries.len() {
            let entry = &entries[taken];
            (debts[taken], allowed) = self.table(entry)?.take(entry, now);
            taken += usize::from(allowed);
        }
        if !allowed {
            for entry in &entries[..taken] {
                self.table(entry)?.give_back(entry, now);
            }
        }
        Ok(Verdicts::new(&debts, allowed))
    }

    fn table(&self, entry: &Entry) -> Result<Buckets<'_>, StoreError> {
        // A batch made for another limiter may name a policy that this store has no table for.
        let table = self.shared.tables.get(usize::from(entry.policy));
        table.map(Buckets).ok_or(StoreError::new(StoreErrorKind::Corrupt))
    }
}

/// A table, read as buckets.
struct Buckets<'a>(&'a Table);

impl Buckets<'_> {
    /// Consumes the entry's cost if there is room for it. The debt before, and whether there was.
    fn take(&self, entry: &Entry, now: Mono) -> (u64, bool) {
        let change = self.0.change(id(entry.key), now.as_nanos(), |state| {
            let debt = State::from_nanos(state).debt(entry.quota, now);
            let debt = gcra::charge(entry.quota, debt, entry.cost)?;
            (entry.cost > 0).then(|| gcra::after(now, debt).as_nanos())
        });
        let debt = State::from_nanos(change.before).debt(entry.quota, now);
        (debt, change.stored || (entry.cost == 0))
    }

    fn debt(&self, entry: &Entry, now: Mono) -> u64 {
        State::from_nanos(self.0.read(id(entry.key))).debt(entry.quota, now)
    }

    fn give_back(&self, entry: &Entry, now: Mono) {
        let price = entry.quota.interval_nanos().saturating_mul(u64::from(entry.cost));
        // A key that is not there owes nothing, so there is nothing to give back to it.
        self.0.change(id(entry.key), now.as_nanos(), |state| {
            (state > 0).then(|| state.saturating_sub(price))
        });
    }
}

/// The bits that tell keys apart in a table.
fn id(digest: Digest) -> u64 {
    u64::try_from(digest.to_bits() & u128::from(u64::MAX)).unwrap_or_default()
}

impl<C: Clock> Store for MemoryStore<C> {
    type Pending = Ready<Result<Verdicts, StoreError>>;

    fn digest(&self, key: &Key<'_>) -> Digest {
        let mut hasher = self.shared.hasher.build_hasher();
        hasher.write(key.as_bytes());
        Digest::from_bits(hasher.finish().into())
    }

    fn decide(&self, batch: &Batch) -> Answer<Result<Verdicts, StoreError>, Self::Pending> {
        Answer::Now(self.verdicts(batch))
    }
}

impl<C> fmt::Debug for MemoryStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("tables", &self.shared.tables.len())
            .finish_non_exhaustive()
    }
}
