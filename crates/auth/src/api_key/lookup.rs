//! Looking keys up in a remote store: copies of its answers, and one question at a time for each key.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hardpoint_core::{
    Key, Telemetry,
    event::{StoreErrorKind, StoreFailed, StoreKind},
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

use super::{
    ApiKeyId, ApiKeyOwner, ApiKeyRecord, RemoteApiKeys,
    copy::{Ages, Copy, Use},
};
use crate::{
    rate::{Pace, Rate},
    shards::{Shard, Shards},
    store::StoreClock,
    table::{Digests, Table},
};

/// The most questions that wait for the store: so many about keys that exist as far as is known, and
/// so many about others, so that made-up keys take no places from real ones.
const QUESTIONS: usize = 64;
/// After this time the store counts as failed.
const PATIENCE: Duration = Duration::from_secs(5);
/// The networks whose questions about unknown keys are counted.
const NETWORKS: usize = 4_096;
/// How many shards the copies are in.
const SHARDS: usize = 64;

/// What a look-up brought: the key, if it exists.
pub(super) type Found = Option<Arc<ApiKeyRecord>>;

/// Why a key is not looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotFound {
    /// The client's network asked for so many unknown keys that it has to wait this long.
    TooMany(Duration),
    /// The store did not answer, or as many questions as it may get wait for it.
    Unavailable,
}

/// The answer to a question, once it is there.
pub(super) type Answer = watch::Receiver<Option<Result<Found, NotFound>>>;

/// What is known now, or the answer to wait for.
pub(super) enum Lookup {
    Now(Result<Found, NotFound>),
    Later(Answer),
}

/// The settings of look-ups.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) ages: Ages,
    pub(super) capacity: usize,
    /// How many unknown keys a network may ask for.
    pub(super) unknown: Rate,
}

/// Copies of what a remote store answered.
pub(super) struct Lookups {
    store: Arc<dyn RemoteApiKeys>,
    entries: Shards<ApiKeyId, Entry>,
    settings: Settings,
    /// Places for questions about keys of which there is a copy.
    known: Arc<Semaphore>,
    /// Places for questions about other keys.
    unknown: Arc<Semaphore>,
    /// Whether the store failed to answer the last question that ended.
    fails: AtomicBool,
    networks: Mutex<Table<Pace>>,
    digests: Digests,
    clock: StoreClock,
    telemetry: Arc<OnceLock<Telemetry>>,
}

debug_only!(Lookups { settings, fails });

#[derive(Default)]
struct Entry {
    copy: Option<Copy>,
    question: Option<Answer>,
}

impl Entry {
    /// Whether the key exists, as far as is known; `None` without a copy.
    fn is_known(&self) -> Option<bool> {
        self.copy.as_ref().map(|copy| copy.record.is_some())
    }

    /// The question, if its answer is still to come.
    fn waiting(&self) -> Option<&Answer> {
        self.question.as_ref().filter(|answer| answer.has_changed().is_ok())
    }
}

impl Lookups {
    pub(super) fn new(
        store: Arc<dyn RemoteApiKeys>,
        settings: Settings,
        clock: StoreClock,
        telemetry: Arc<OnceLock<Telemetry>>,
    ) -> Self {
        Self {
            store,
            entries: Shards::new(),
            settings,
            known: Arc::new(Semaphore::new(QUESTIONS)),
            unknown: Arc::new(Semaphore::new(QUESTIONS)),
            fails: AtomicBool::new(false),
            networks: Mutex::new(Table::new(NETWORKS)),
            digests: Digests::new(),
            clock,
            telemetry,
        }
    }

    /// The key with this id. `network` is read only if the store has to be asked about an unknown key.
    pub(super) fn find(
        self: &Arc<Self>,
        id: ApiKeyId,
        network: impl FnOnce() -> Option<IpAddr>,
    ) -> Lookup {
        let (ages, now) = (self.settings.ages, self.clock.now());
        let mut shard = self.entries.lock(&id);
        let entry = shard.entries.get(&id);
        if let Some(copy) = entry.and_then(|entry| entry.copy.as_ref()) {
            let record = copy.record.clone();
            match copy.judge(ages, self.fails.load(Ordering::Relaxed), now) {
                Use::Decide => return Lookup::Now(Ok(record)),
                Use::DecideAndAsk => {
                    if entry.is_some_and(|entry| entry.waiting().is_none()) {
                        // If it cannot be asked now, a later request asks.
                        drop(self.ask(&mut shard, id, &self.known, None, now));
                    }
                    return Lookup::Now(Ok(record));
                }
                Use::AskFirst => {}
            }
        }
        if let Some(answer) = entry.and_then(Entry::waiting) {
            return Lookup::Later(answer.clone());
        }
        let asked = if entry.and_then(Entry::is_known) == Some(true) {
            self.ask(&mut shard, id, &self.known, None, now)
        } else {
            let network = network()
                .map(|network| self.digests.digest(b'n', Key::address(network).as_bytes()));
            if let Some(wait) = network.and_then(|network| self.wait(network, now)) {
                return Lookup::Now(Err(NotFound::TooMany(wait)));
            }
            self.ask(&mut shard, id, &self.unknown, network, now)
        };
        asked.map_or(Lookup::Now(Err(NotFound::Unavailable)), Lookup::Later)
    }

    /// Forgets the copy of a key of this owner, and the answer to a question that was asked before this
    /// call. That of another owner's key stays, so that nobody can make others wait for the store.
    pub(super) fn forget(&self, owner: ApiKeyOwner<'_>, id: ApiKeyId) {
        let mut shard = self.entries.lock(&id);
        let record = |entry: &Entry| entry.copy.as_ref().and_then(|copy| copy.record.clone());
        let kept = shard.entries.get(&id).and_then(record);
        if kept.is_none_or(|record| record.owner() == owner) {
            shard.entries.remove(&id);
        }
    }

    /// Asks the store in a task, so that a client that leaves does not take the answer from others.
    /// `None` if there is no place, or outside of a runtime.
    fn ask(
        self: &Arc<Self>,
        shard: &mut Shard<ApiKeyId, Entry>,
        id: ApiKeyId,
        places: &Arc<Semaphore>,
        network: Option<u128>,
        now: u64,
    ) -> Option<Answer> {
        let runtime = Handle::try_current().ok()?;
        let place = Arc::clone(places).try_acquire_owned().ok()?;
        if let Some(network) = network {
            self.with_pace(network, now, |pace| pace.take(&self.settings.unknown, now));
        }
        let (sender, answer) = watch::channel(None);
        shard.entries.entry(id).or_default().question = Some(answer.clone());
        let lookups = Arc::clone(self);
        let question = Question { lookups, id, network, asked_at: now, sender, _place: place };
        runtime.spawn(async move {
            let found = timeout(PATIENCE, question.lookups.store.find(id)).await;
            let found = match found {
                Ok(found) => found.map(|found| found.map(Arc::new)).map_err(|error| error.kind()),
                Err(_) => Err(StoreErrorKind::Timeout),
            };
            question.answered(found);
        });
        Some(answer)
    }

    /// Keeps what the store answered, unless the key was forgotten meanwhile.
    fn keep(&self, question: &Question, found: Result<Found, NotFound>) -> Result<Found, NotFound> {
        let (id, now) = (question.id, self.clock.now());
        let mut shard = self.entries.lock(&id);
        let own = question.sender.subscribe();
        let is_own = |entry: &&mut Entry| {
            entry.question.as_ref().is_some_and(|question| question.same_channel(&own))
        };
        let Some(entry) = shard.entries.get_mut(&id).filter(is_own) else { return found };
        entry.question = None;
        match (found, &mut entry.copy) {
            (Ok(record), copy) => {
                *copy = Some(Copy::new(record.clone(), question.asked_at));
                self.make_room(&mut shard, id, now);
                Ok(record)
            }
            (Err(_), Some(copy)) if copy.survives_error(self.settings.ages, now) => {
                copy.failed(now);
                Ok(copy.record.clone())
            }
            (Err(error), _) => {
                shard.entries.remove(&id);
                Err(error)
            }
        }
    }

    /// Bounds the copies of a shard. Those of keys that exist and those of keys that do not have separate
    /// bounds, so that made-up ids evict no key. The copy that was read longest ago goes first.
    fn make_room(&self, shard: &mut Shard<ApiKeyId, Entry>, id: ApiKeyId, now: u64) {
        let ages = self.settings.ages;
        let kind = shard.entries.get(&id).and_then(Entry::is_known);
        let share = self.settings.capacity.div_ceil(SHARDS);
        let most = if kind == Some(true) { share } else { share.div_ceil(4) };
        let has_room = |shard: &Shard<ApiKeyId, Entry>| {
            let alike = || shard.entries.values().filter(|entry| entry.is_known() == kind);
            shard.entries.len() <= most || alike().count() <= most
        };
        shard.sweep(now, has_room(shard), |entry| {
            let is_over = entry.copy.as_ref().is_none_or(|copy| copy.is_over(ages, now));
            is_over && entry.waiting().is_none()
        });
        if !has_room(shard) {
            let alike = shard.entries.iter().filter(|(_, entry)| entry.is_known() == kind);
            let oldest = alike.min_by_key(|(_, entry)| entry.copy.as_ref().map(Copy::read_at));
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                shard.entries.remove(&oldest);
            }
        }
    }

    /// How long a network has to wait until it may ask for another unknown key.
    fn wait(&self, network: u128, now: u64) -> Option<Duration> {
        let wait = self.with_pace(network, now, |pace| pace.wait(&self.settings.unknown, now));
        (wait > 0).then(|| Duration::from_millis(wait))
    }

    fn with_pace<T>(&self, network: u128, now: u64, change: impl FnOnce(&mut Pace) -> T) -> T {
        let mut networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pace = networks.get(network);
        let result = change(&mut pace);
        networks.put(network, pace, now);
        result
    }
}

/// A question that the store has not answered yet. Dropped without an answer, because the store panicked
/// or the runtime ends, it counts as one that the store failed to answer.
struct Question {
    lookups: Arc<Lookups>,
    id: ApiKeyId,
    /// The network that is charged for it, unless the key exists.
    network: Option<u128>,
    asked_at: u64,
    sender: watch::Sender<Option<Result<Found, NotFound>>>,
    _place: OwnedSemaphorePermit,
}

impl Question {
    fn answered(&self, found: Result<Found, StoreErrorKind>) {
        let lookups = &self.lookups;
        lookups.fails.store(found.is_err(), Ordering::Relaxed);
        if let (Some(network), Ok(Some(_))) = (self.network, &found) {
            let rate = &lookups.settings.unknown;
            lookups.with_pace(network, self.asked_at, |pace| pace.put_back(rate));
        }
        let failure = found.as_ref().err().copied();
        let answer = lookups.keep(self, found.map_err(|_| NotFound::Unavailable));
        self.sender.send_replace(Some(answer));
        // Last, since an observer may panic.
        if let (Some(kind), Some(telemetry)) = (failure, lookups.telemetry.get()) {
            telemetry.on(&StoreFailed::new(StoreKind::ApiKey, kind).into());
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if self.sender.borrow().is_none() {
            self.answered(Err(StoreErrorKind::Unavailable));
        }
    }
}

/// The answer to a question, or that there is none if its task ended without one.
pub(super) async fn wait_for(mut answer: Answer) -> Result<Found, NotFound> {
    match answer.wait_for(Option::is_some).await {
        Ok(answer) => answer.clone().unwrap_or(Err(NotFound::Unavailable)),
        Err(_) => Err(NotFound::Unavailable),
    }
}
