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
    holds::{Held, Holds, Shard},
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
    /// What the keys of each table hold.
    held: Box<[Held]>,
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
        let held = keys.iter().map(|_| Held::new()).collect();
        let taken = AtomicBool::new(false);
        let hasher = SipHasher13::new_with_key(&hash_key);
        // The first reading of a clock may take longer than a request should.
        let _now = clock.now();
        Self { shared: Arc::new(Shared { tables, held, hasher, taken }), clock }
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
        let enforced = |(entry, _): &(&Entry, usize)| entry.mode.is_enforced();
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
                let mode = match entry.mode {
                    Mode::Hold { id, .. } => Mode::Settle { id, actual: 0 },
                    _ => Mode::Refund,
                };
                self.table(entry)?.apply(&Entry { mode, ..*entry }, now);
            }
        }
        for (entry, answer) in entries.iter().zip(&mut answers) {
            let observed = entry.mode.asks() && !entry.mode.is_enforced();
            if !entry.mode.asks() || (allowed && observed) {
                *answer = self.table(entry)?.apply(entry, now);
            }
        }
        Ok(Verdicts::new(batch, answers))
    }

    #[inline]
    fn table(&self, entry: &Entry) -> Result<Buckets<'_>, StoreError> {
        // A batch made for another limiter may name a policy that this store has no table for.
        let number = usize::from(entry.policy);
        match (self.shared.tables.get(number), self.shared.held.get(number)) {
            (Some(table), Some(held)) => Ok(Buckets { table, held }),
            _ => Err(StoreError::new(StoreErrorKind::Corrupt)),
        }
    }
}

/// A table, read as buckets, and what their keys hold.
struct Buckets<'a> {
    table: &'a Table,
    held: &'a Held,
}

impl Buckets<'_> {
    /// Does what the entry says, if there is room for it. The debt before, and whether there was; after
    /// a settlement the debt then.
    #[inline]
    fn apply(&self, entry: &Entry, now: Mono) -> (u64, bool) {
        let is_held = matches!(entry.mode, Mode::Hold { .. } | Mode::Settle { .. });
        if is_held || self.held.is_used() {
            return self.apply_to_held(entry, now);
        }
        let answer = self.change(entry, now);
        // The first hold of all may have come meanwhile.
        if self.held.is_used() {
            self.found(&mut self.held.lock(entry.key.low()), entry, answer);
        }
        answer
    }

    /// The same where keys hold cells: those who hold some have to know what others take.
    #[inline(never)]
    fn apply_to_held(&self, entry: &Entry, now: Mono) -> (u64, bool) {
        let key = entry.key.low();
        self.held.use_it();
        let mut shard = self.held.lock(key);
        match entry.mode {
            Mode::Settle { id, actual } => {
                let debt = self.debt(entry, now);
                let back = gcra::price(entry.quota, entry.cost.saturating_sub(actual));
                let more = gcra::price(entry.quota, actual.saturating_sub(entry.cost));
                let worth = shard.get_mut(&key).map_or(0, |holds| holds.end(id, back, debt));
                if shard.get(&key).is_some_and(Holds::is_empty) {
                    shard.remove(&key);
                }
                let settled = |debt: u64| debt.saturating_sub(worth).saturating_add(more);
                let settled = |debt| settled(debt).min(entry.quota.tolerance());
                let before = self.change_to(entry, now, |debt| Some(settled(debt)));
                if more > 0 {
                    self.found(&mut shard, entry, (before, true));
                }
                (settled(before), true)
            }
            Mode::Hold { id, .. } => {
                let answer = self.change(entry, now);
                if answer.1 {
                    let holds = shard.entry(key).or_default();
                    holds.found(answer.0);
                    holds.add(id);
                }
                answer
            }
            _ => {
                let answer = self.change(entry, now);
                self.found(&mut shard, entry, answer);
                answer
            }
        }
    }

    /// Tells those who hold cells of a key what debt somebody has found there, or left by giving back.
    fn found(&self, shard: &mut Shard, entry: &Entry, (debt, room): (u64, bool)) {
        let Some(holds) = shard.get_mut(&entry.key.low()) else { return };
        let left = match entry.mode {
            Mode::Refund | Mode::Reset => after(entry, debt),
            _ => (room && entry.cost > 0).then_some(debt),
        };
        left.into_iter().for_each(|debt| holds.found(debt));
    }

    #[inline]
    fn change(&self, entry: &Entry, now: Mono) -> (u64, bool) {
        let debt = self.change_to(entry, now, |debt| after(entry, debt));
        (debt, after(entry, debt).is_some())
    }

    /// Replaces the key's debt by what `next` makes of it; a state that no quota of today leads to is cut
    /// in any case. The debt before.
    #[inline]
    fn change_to(&self, entry: &Entry, now: Mono, next: impl Fn(u64) -> Option<u64>) -> u64 {
        let size = entry.quota.size();
        let change = self.table.change(entry.key.low(), size, now.as_nanos(), |state| {
            let state = State::from_nanos(state);
            let debt = state.debt(entry.quota, now);
            match next(debt) {
                // What stays as it is needs no slot.
                Some(next) if next == debt => None,
                Some(next) => Some(gcra::after(now, next).as_nanos()),
                None => gcra::cut(entry.quota, state, now).map(State::as_nanos),
            }
        });
        State::from_nanos(change.before).debt(entry.quota, now)
    }

    /// The debt now. A state that no quota of today leads to is cut here too: in a batch that is refused
    /// nothing else would.
    fn debt(&self, entry: &Entry, now: Mono) -> u64 {
        self.change_to(entry, now, |_| None)
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
