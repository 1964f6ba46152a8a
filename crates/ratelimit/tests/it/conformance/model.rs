//! The pure model as a store: every bucket keeps two numbers, and one lock makes batches atomic.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex},
};

use hardpoint_core::{Key, ManualClock, Mono, Time};
use hardpoint_ratelimit::{
    Batch, ConfigError, Decided, Digest, Entry, EntryMode, Policy, Quota, Receipt, RemoteStore,
    Settlement, StoreError, Verdicts,
    gcra::{Hold, Holding},
};

#[derive(Clone)]
pub(crate) struct Model {
    time: Time,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    buckets: HashMap<(String, u128), Holding>,
    quotas: HashMap<String, Quota>,
    holds: HashMap<(u64, String, u128), Hold>,
    batches: u64,
    generations: u32,
}

impl Model {
    pub(crate) fn new(clock: &ManualClock) -> Self {
        Self { time: Time::manual(clock), state: Arc::default() }
    }

    pub(crate) fn decide_now(&self, batch: &Batch<'_>) -> Verdicts {
        let now = self.time.now();
        let mut state = self.state.lock().unwrap();
        state.batches += 1;
        let answers: Vec<_> = batch.entries().map(|entry| state.look(&entry, now)).collect();
        let enforced =
            |mode| matches!(mode, EntryMode::Enforce | EntryMode::Hold { enforced: true });
        let asks =
            |mode| matches!(mode, EntryMode::Enforce | EntryMode::Hold { .. } | EntryMode::Observe);
        let refused =
            batch.entries().zip(&answers).any(|(entry, (_, room))| enforced(entry.mode) && !room);
        for entry in batch.entries().filter(|entry| !refused || !asks(entry.mode)) {
            state.apply(&entry, now);
        }
        Verdicts::new(batch, Receipt { decider: 7, at: Mono::from_nanos(state.batches) }, answers)
    }

    /// Settles one entry; `quotas` are the one it was held under and today's.
    pub(crate) fn settle_one(
        &self,
        receipt: Receipt,
        (policy, key): (&str, Digest),
        (held_under, quota): (Quota, Quota),
        charged: u32,
    ) {
        assert_eq!(receipt.decider, 7, "it goes back to the one that decided");
        let now = self.time.now();
        let mut state = self.state.lock().unwrap();
        let key = (policy.to_owned(), key.to_bits());
        let hold = state.holds.remove(&(receipt.at.as_nanos(), key.0.clone(), key.1));
        assert!(hold.is_some(), "a hold is settled once");
        let hold = hold.unwrap();
        let interval = u64::try_from(held_under.interval().as_nanos()).unwrap();
        let generation = state.generations;
        let bucket = state.buckets.entry(key).or_insert_with(|| Holding::new(generation));
        bucket.settle(quota, now, hold, interval * u64::from(charged));
    }

    pub(crate) fn open_holds(&self) -> usize {
        self.state.lock().unwrap().holds.len()
    }
}

impl State {
    fn bucket(&mut self, entry: &Entry<'_>) -> &mut Holding {
        let generation = self.generations;
        let key = (entry.policy.to_owned(), entry.key.to_bits());
        self.buckets.entry(key).or_insert_with(|| Holding::new(generation))
    }

    fn look(&mut self, entry: &Entry<'_>, now: Mono) -> (u64, bool) {
        let mut bucket = *self.bucket(entry);
        match entry.mode {
            EntryMode::Enforce | EntryMode::Hold { .. } | EntryMode::Observe => {
                bucket.take(entry.quota, now, entry.cost)
            }
            _ => (bucket.debt(entry.quota, now), true),
        }
    }

    fn apply(&mut self, entry: &Entry<'_>, now: Mono) {
        let Entry { quota, cost, mode, .. } = *entry;
        match mode {
            EntryMode::Enforce | EntryMode::Observe => {
                self.bucket(entry).take(quota, now, cost);
            }
            EntryMode::Hold { .. } => {
                if let (_, Some(hold)) = self.bucket(entry).hold(quota, now, cost) {
                    let at = (self.batches, entry.policy.to_owned(), entry.key.to_bits());
                    self.holds.insert(at, hold);
                }
            }
            EntryMode::Force => {
                self.bucket(entry).force(quota, now, cost);
            }
            EntryMode::Refund => {
                self.bucket(entry).refund(quota, now, cost);
            }
            EntryMode::Reset => {
                self.generations += 1;
                *self.bucket(entry) = Holding::new(self.generations);
            }
            other => panic!("an unknown mode: {other:?}"),
        }
    }
}

impl RemoteStore for Model {
    fn digest(&self, key: &Key<'_>) -> Digest {
        let mut hasher = DefaultHasher::new();
        key.as_bytes().hash(&mut hasher);
        // The limiter marks keys with quotas of their own in the lowest bits.
        Digest::from_bits(u128::from(hasher.finish() << 6))
    }

    fn decide(&self, batch: &Batch<'_>) -> Decided<Result<Verdicts, StoreError>> {
        Decided::Now(Ok(self.decide_now(batch)))
    }

    fn settle(&self, settlement: &Settlement<'_>) {
        for entry in settlement.entries() {
            let quotas = (entry.held_under, entry.quota);
            self.settle_one(settlement.receipt(), (entry.policy, entry.key), quotas, entry.charged);
        }
    }

    /// Cuts debts that are longer than a new quota allows. A store that cuts when it reads is
    /// stricter, and never more lenient.
    fn prepare(&self, policies: &[Policy]) -> Result<(), ConfigError> {
        let now = self.time.now();
        let mut state = self.state.lock().unwrap();
        let State { buckets, quotas, .. } = &mut *state;
        for policy in policies {
            let before = quotas.insert(policy.name().to_owned(), policy.quota());
            if before.is_some_and(|before| policy.quota().window() < before.window()) {
                let own = buckets.iter_mut().filter(|((name, _), _)| name == policy.name());
                own.for_each(|(_, bucket)| bucket.cut(policy.quota(), now));
            }
        }
        Ok(())
    }
}
