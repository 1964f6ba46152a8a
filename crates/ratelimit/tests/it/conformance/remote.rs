//! A store that behaves as badly as a network lets it: it delays and reorders answers, loses them,
//! and settles late or never.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
};

use hardpoint_core::{
    Key, ManualClock, Mono, Telemetry,
    event::{SettlementsLost, StoreKind},
};
use hardpoint_ratelimit::{
    Batch, ConfigError, Decided, Digest, Policy, Quota, Receipt, RemoteStore, Settlement,
    StoreError, StoreErrorKind, Verdicts,
};

use super::model::Model;

#[derive(Clone)]
pub(crate) struct Remote {
    pub(crate) model: Model,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    decided: AtomicUsize,
    /// How often each answer is polled before it is there, by turns: so later ones overtake.
    delays: Mutex<Vec<u32>>,
    /// Every so many answers one is lost; 0 loses none.
    lose_every: AtomicUsize,
    is_down: AtomicUsize,
    /// The most settlements that wait; beyond that they are lost.
    queue: Mutex<Vec<Kept>>,
    room: AtomicUsize,
    lost: AtomicU64,
    telemetry: OnceLock<Telemetry>,
    prepared: Mutex<Vec<Vec<String>>>,
}

/// A settlement in the queue.
struct Kept {
    receipt: Receipt,
    entries: Vec<(String, Digest, Quota, Quota, u32, u32)>,
}

impl Remote {
    pub(crate) fn new(clock: &ManualClock) -> Self {
        let remote = Self { model: Model::new(clock), shared: Arc::default() };
        remote.shared.room.store(usize::MAX, SeqCst);
        remote.delay([1])
    }

    /// Answers wait for so many polls, one after the other.
    pub(crate) fn delay<const N: usize>(self, polls: [u32; N]) -> Self {
        *self.shared.delays.lock().unwrap() = polls.into();
        self
    }

    pub(crate) fn lose_every(self, count: usize) -> Self {
        self.shared.lose_every.store(count, SeqCst);
        self
    }

    /// Whether the store refuses to answer, without delay.
    pub(crate) fn down(&self, is_down: bool) {
        self.shared.is_down.store(usize::from(is_down), SeqCst);
    }

    /// Bounds the queue of settlements.
    pub(crate) fn room(self, settlements: usize) -> Self {
        self.shared.room.store(settlements, SeqCst);
        self
    }

    pub(crate) fn decided(&self) -> usize {
        self.shared.decided.load(SeqCst)
    }

    pub(crate) fn lost(&self) -> u64 {
        self.shared.lost.load(SeqCst)
    }

    pub(crate) fn prepared(&self) -> Vec<Vec<String>> {
        self.shared.prepared.lock().unwrap().clone()
    }

    /// Sends the settlements that wait, the last first.
    pub(crate) fn flush(&self) {
        let queue = std::mem::take(&mut *self.shared.queue.lock().unwrap());
        for kept in queue.into_iter().rev() {
            self.model.settle_kept(kept.receipt, &kept.entries);
        }
    }
}

impl RemoteStore for Remote {
    fn digest(&self, key: &Key<'_>) -> Digest {
        self.model.digest(key)
    }

    fn decide(&self, batch: &Batch<'_>) -> Decided<Result<Verdicts, StoreError>> {
        if self.shared.is_down.load(SeqCst) > 0 {
            return Decided::Now(Err(StoreError::new(StoreErrorKind::Unavailable)));
        }
        // Submitted here: the future only carries the answer.
        let verdicts = self.model.decide_now(batch);
        let turn = self.shared.decided.fetch_add(1, SeqCst);
        let delays = self.shared.delays.lock().unwrap();
        let mut polls = delays[turn % delays.len()];
        let lose_every = self.shared.lose_every.load(SeqCst);
        let is_lost = lose_every > 0 && turn % lose_every == lose_every - 1;
        Decided::Later(Box::pin(poll_fn(move |cx| {
            if polls > 0 {
                polls -= 1;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let timed_out = || StoreError::new(StoreErrorKind::Timeout);
            Poll::Ready(if is_lost { Err(timed_out()) } else { Ok(verdicts) })
        })))
    }

    fn settle(&self, settlement: &Settlement<'_>) {
        let mut queue = self.shared.queue.lock().unwrap();
        if queue.len() >= self.shared.room.load(SeqCst) {
            self.shared.lost.fetch_add(1, SeqCst);
            if let Some(telemetry) = self.shared.telemetry.get() {
                telemetry.on(&SettlementsLost::new(StoreKind::RateLimit, 1).into());
            }
            return;
        }
        let entries = settlement.entries().iter().map(|entry| {
            let policy = entry.policy.to_owned();
            (policy, entry.key, entry.held_under, entry.quota, entry.cost, entry.charged)
        });
        queue.push(Kept { receipt: settlement.receipt(), entries: entries.collect() });
    }

    fn prepare(&self, policies: &[Policy]) -> Result<(), ConfigError> {
        if let Some(policy) = policies.iter().find(|policy| policy.name() == "unsupported") {
            let reason = "this store is for tests; use another name";
            return Err(ConfigError::Store { policy: policy.name().to_owned(), reason });
        }
        let names = policies.iter().map(|policy| policy.name().to_owned()).collect();
        self.shared.prepared.lock().unwrap().push(names);
        self.model.prepare(policies)
    }

    fn telemetry(&self, telemetry: &Telemetry) {
        telemetry.fill(&self.shared.telemetry);
    }
}

impl Model {
    fn settle_kept(&self, receipt: Receipt, entries: &[(String, Digest, Quota, Quota, u32, u32)]) {
        assert_ne!(receipt.at, Mono::ZERO, "the store's time comes back");
        for (policy, key, held_under, quota, cost, charged) in entries {
            assert!(*cost > 0);
            self.settle_one(receipt, (policy, *key), (*held_under, *quota), *charged);
        }
    }
}
