//! Buckets in this process.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hardpoint_core::{Answer, Clock, Key, Mono};
use siphasher::sip::SipHasher13;

use super::{
    Batch, Digest, Entry, Mode, NeverPending, SnapshotError, Store, StoreError, StoreErrorKind,
    Verdict, Verdicts,
    batch::after,
    snapshot::Snapshot,
    table::{SIZE_MASK, Table},
};
use crate::{
    ConfigError, CounterClock,
    gcra::{self, State},
};

/// Buckets in the memory of this process: bounded, without a background task, and always answering
/// at once.
///
/// All memory is allocated when the store is made. When both places of a key are full, the key there
/// that owes the smallest share of its burst is forgotten, and counted in
/// [`evictions`](Self::evictions): a flood of keys that come once pushes itself out and leaves the keys
/// that have reached their limit where they are. Keys of one policy whose bursts differ
/// ([`Policy::quota_with`](crate::Policy::quota_with)) are compared to within a factor of two.
///
/// Keys are digested with a hash function that is keyed at random when the store is made, so that
/// nobody can pick keys that collide. Two keys share a bucket with a probability of 2⁻⁵⁸ a pair: in
/// a table of a million keys some pair does once in 600 000 starts.
///
/// A process counts for itself: behind a balancer over `n` processes, a client gets up to `n` times
/// the quota.
#[derive(Clone)]
pub struct MemoryStore<C = CounterClock> {
    shared: Arc<Shared>,
    clock: C,
}

struct Shared {
    tables: Box<[Table]>,
    hasher: SipHasher13,
    /// Whether a limiter has been built on it: its policies are numbered, and so are the tables.
    taken: AtomicBool,
}

impl<C: Clock> MemoryStore<C> {
    /// A store with one table a policy, each for as many keys in debt at the same time as given.
    /// A key costs 21 bytes; 0 is taken as 1.
    #[must_use]
    pub fn for_peak(keys: &[usize], clock: C) -> Self {
        // The standard library's own keys are as random as the system makes them.
        let random = RandomState::new();
        let hash_key = u128::from(random.hash_one(0)) << 64 | u128::from(random.hash_one(1));
        Self::with_key(keys, clock, hash_key.to_le_bytes())
    }

    /// The same with a key for the digests that somebody may know: for measurements that repeat.
    ///
    /// Whoever knows it can make keys that share a bucket with another's.
    #[must_use]
    pub fn insecure_for_peak_with_hash_key(keys: &[usize], clock: C, hash_key: [u8; 16]) -> Self {
        Self::with_key(keys, clock, hash_key)
    }

    fn with_key(keys: &[usize], clock: C, hash_key: [u8; 16]) -> Self {
        let tables = keys.iter().map(|&keys| Table::for_peak(keys)).collect();
        let taken = AtomicBool::new(false);
        let hasher = SipHasher13::new_with_key(&hash_key);
        // The first reading of a clock may take longer than a request should.
        let _now = clock.now();
        Self { shared: Arc::new(Shared { tables, hasher, taken }), clock }
    }

    /// What the buckets hold, to be [restored](Self::restore) after a restart: 16 bytes for each key
    /// in debt.
    ///
    /// It holds the key that digests are made with, so whoever reads it can try out which addresses
    /// are in it, and whoever can write it decides who is limited after the restart: keep it as a
    /// secret. Requests that are decided meanwhile may be in it or not.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let now = self.clock.now().as_nanos();
        let tables = self.shared.tables.iter().map(|table| table.debts(now).collect()).collect();
        Snapshot { hash_key: self.shared.hasher.key(), taken: self.clock.unix(), tables }.to_bytes()
    }

    /// A store that goes on where a [snapshot](Self::snapshot) was taken: with the same policies in
    /// the same order, each with room for as many keys as given. The time in between has replenished
    /// cells, by the calendar; a calendar that was set back counts as no time.
    ///
    /// # Errors
    /// [`SnapshotError`] if the bytes are no snapshot, or one of another number of policies.
    pub fn restore(snapshot: &[u8], keys: &[usize], clock: C) -> Result<Self, SnapshotError> {
        let Snapshot { hash_key, taken, tables } = Snapshot::from_bytes(snapshot)?;
        if tables.len() != keys.len() {
            return Err(SnapshotError::Policies { snapshot: tables.len(), store: keys.len() });
        }
        let elapsed = clock.unix().saturating_sub(taken);
        let elapsed = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let now = clock.now().as_nanos();
        let store = Self::with_key(keys, clock, hash_key);
        for (table, debts) in store.shared.tables.iter().zip(tables) {
            // Until a key comes anew and tells it, the largest debt tells the size of a burst.
            let largest = debts.iter().map(|(_, debt)| *debt).max().unwrap_or_default();
            let size = gcra::size(largest);
            for (digest, debt) in debts {
                let left = debt.saturating_sub(elapsed);
                table.change(digest, size, now, |_| (left > 0).then(|| now.saturating_add(left)));
            }
        }
        Ok(store)
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

    /// Decides a batch at a time that was read already, which must be of the store's own clock.
    ///
    /// # Errors
    /// [`StoreError`] if the batch names a policy that the store has no table for.
    pub fn decide_at(&self, batch: &Batch, now: Mono) -> Result<Verdicts, StoreError> {
        match batch.entries() {
            [] => Ok(Verdicts::NONE),
            [entry] => {
                let (debt, room) = self.table(entry)?.apply(entry, now);
                Ok(Verdicts::one(entry, debt, room))
            }
            _ => self.all_or_nothing(batch, now),
        }
    }

    /// Looks at every bucket first, since most refusals are seen there, then takes from one after
    /// the other; whoever finds one emptied meanwhile gives back what it took.
    ///
    /// So never more is let in than one after the other would be. While several batches meet in
    /// buckets that are nearly empty, one may be refused because another holds a cell that it is
    /// about to give back.
    fn all_or_nothing(&self, batch: &Batch, now: Mono) -> Result<Verdicts, StoreError> {
        let entries = batch.entries();
        let mut answers = [(0, true); Batch::MAX];
        for (entry, answer) in entries.iter().zip(&mut answers) {
            let debt = self.table(entry)?.debt(entry, now);
            *answer = (debt, after(entry, debt).is_some());
        }
        let mut allowed = Verdicts::new(batch, answers).allowed();
        let enforced = |(entry, _): &(&Entry, usize)| entry.mode == Mode::Enforce;
        let mut taken = 0;
        for (entry, index) in entries.iter().zip(0..).filter(enforced) {
            if allowed {
                answers[index] = self.table(entry)?.apply(entry, now);
                allowed = answers[index].1;
                taken += usize::from(allowed);
            }
        }
        if !allowed {
            for (entry, _) in entries.iter().zip(0..).filter(enforced).take(taken) {
                self.table(entry)?.apply(&Entry { mode: Mode::Refund { aged: 0 }, ..*entry }, now);
            }
        }
        for (entry, answer) in entries.iter().zip(&mut answers) {
            let on_its_own = !matches!(entry.mode, Mode::Enforce | Mode::Observe);
            if on_its_own || (allowed && entry.mode == Mode::Observe) {
                *answer = self.table(entry)?.apply(entry, now);
            }
        }
        Ok(Verdicts::new(batch, answers))
    }

    #[inline]
    fn table(&self, entry: &Entry) -> Result<Buckets<'_>, StoreError> {
        // A batch made for another limiter may name a policy that this store has no table for.
        let table = self.shared.tables.get(usize::from(entry.policy));
        table.map(Buckets).ok_or(StoreError::new(StoreErrorKind::Corrupt))
    }
}

/// A table, read as buckets.
struct Buckets<'a>(&'a Table);

impl Buckets<'_> {
    /// Does what the entry says, if there is room for it. The debt before, and whether there was.
    #[inline]
    fn apply(&self, entry: &Entry, now: Mono) -> (u64, bool) {
        let size = entry.quota.size();
        let change = self.0.change(entry.key.low(), size, now.as_nanos(), |state| {
            let state = State::from_nanos(state);
            let debt = state.debt(entry.quota, now);
            match after(entry, debt) {
                // What stays as it is needs no slot.
                Some(next) if next == debt => None,
                Some(next) => Some(gcra::after(now, next).as_nanos()),
                None => gcra::cut(entry.quota, state, now).map(State::as_nanos),
            }
        });
        let debt = State::from_nanos(change.before).debt(entry.quota, now);
        (debt, after(entry, debt).is_some())
    }

    /// The debt now. A state that no quota of today leads to is cut here too: in a batch that is refused
    /// nothing else would.
    fn debt(&self, entry: &Entry, now: Mono) -> u64 {
        let cut =
            |state| gcra::cut(entry.quota, State::from_nanos(state), now).map(State::as_nanos);
        let change = self.0.change(entry.key.low(), entry.quota.size(), now.as_nanos(), cut);
        State::from_nanos(change.before).debt(entry.quota, now)
    }
}

impl<C: Clock> Store for MemoryStore<C> {
    type Pending = NeverPending;

    fn digest(&self, key: &Key<'_>) -> Digest {
        let hash = self.shared.hasher.hash(key.as_bytes());
        Digest::from_bits((hash & !SIZE_MASK).into())
    }

    fn decide(&self, batch: &Batch) -> Answer<Result<Verdicts, StoreError>, Self::Pending> {
        Answer::Now(self.decide_at(batch, self.clock.now()))
    }

    fn decide_one(&self, entry: &Entry) -> Answer<Result<Verdict, StoreError>, Self::Pending> {
        let now = self.clock.now();
        Answer::Now(self.table(entry).map(|buckets| {
            let (debt, room) = buckets.apply(entry, now);
            Verdict::new(entry, debt, room)
        }))
    }

    fn now(&self) -> Mono {
        self.clock.now()
    }

    fn unix(&self) -> Duration {
        self.clock.unix()
    }

    /// A table for each policy, and no other limiter that numbers its policies too.
    fn prepare(&self, policies: usize) -> Result<(), ConfigError> {
        let tables = self.shared.tables.len();
        if tables != policies {
            return Err(ConfigError::StoreTables { tables, policies });
        }
        if self.shared.taken.swap(true, Ordering::AcqRel) {
            return Err(ConfigError::StoreInUse);
        }
        Ok(())
    }
}

impl<C> fmt::Debug for MemoryStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("tables", &self.shared.tables.len())
            .finish_non_exhaustive()
    }
}
