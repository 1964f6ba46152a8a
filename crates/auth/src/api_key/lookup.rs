//! Looking keys up in a remote store: copies of its answers, and one question at a time for each key.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use hardpoint_core::{
    Telemetry,
    event::{StoreErrorKind, StoreFailed, StoreKind},
};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, watch},
};

use super::{
    ApiKeyId, ApiKeyRecord, RemoteApiKeys,
    copy::{Ages, Copy, Use},
};
use crate::{
    rate::{Pace, Rate},
    shards::{Shard, Shards},
    store::StoreClock,
    table::{Digests, Table},
};

/// The most questions that wait for the store.
const QUESTIONS: usize = 64;
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
    questions: Arc<Semaphore>,
    networks: Mutex<Table<Pace>>,
    digests: Digests,
    clock: StoreClock,
    telemetry: Arc<OnceLock<Telemetry>>,
}

debug_only!(Lookups { settings });

#[derive(Default)]
struct Entry {
    copy: Option<Copy>,
    question: Option<Answer>,
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
            questions: Arc::new(Semaphore::new(QUESTIONS)),
            networks: Mutex::new(Table::new(NETWORKS)),
            digests: Digests::new(),
            clock,
            telemetry,
        }
    }

    /// The key with this id. `network` is read only if the store has to be asked.
    pub(super) fn find(
        self: &Arc<Self>,
        id: ApiKeyId,
        network: impl FnOnce() -> Option<IpAddr>,
    ) -> Lookup {
        let now = self.clock.now();
        let mut shard = self.entries.lock(&id);
        let entry = shard.entries.get(&id);
        let Some(Entry { copy: Some(copy), question }) = entry else {
            let question = entry.and_then(|entry| entry.question.clone());
            return self.ask_first(&mut shard, id, question, network, now);
        };
        match copy.judge(self.settings.ages, now) {
            Use::Decide => Lookup::Now(Ok(copy.record.clone())),
            Use::DecideAndAsk => {
                let (record, is_asked) =
                    (copy.record.clone(), question.as_ref().is_some_and(waits));
                if !is_asked {
                    // If it cannot be asked now, a later request asks.
                    drop(self.ask(&mut shard, id, None));
                }
                Lookup::Now(Ok(record))
            }
            Use::AskFirst => {
                let question = question.clone();
                self.ask_first(&mut shard, id, question, network, now)
            }
        }
    }

    /// Forgets the copy of a key, and the answer to a question that was asked before this call.
    pub(super) fn forget(&self, id: ApiKeyId) {
        self.entries.lock(&id).entries.remove(&id);
    }

    /// Waits for the answer that others wait for, or asks for it.
    fn ask_first(
        self: &Arc<Self>,
        shard: &mut Shard<ApiKeyId, Entry>,
        id: ApiKeyId,
        question: Option<Answer>,
        network: impl FnOnce() -> Option<IpAddr>,
        now: u64,
    ) -> Lookup {
        if let Some(answer) = question.filter(waits) {
            return Lookup::Later(answer);
        }
        let network = network().map(|network| {
            self.digests.digest(b'n', hardpoint_core::Key::address(network).as_bytes())
        });
        if let Some(wait) = network.and_then(|network| self.wait(network, now)) {
            return Lookup::Now(Err(NotFound::TooMany(wait)));
        }
        match self.ask(shard, id, network) {
            Some(answer) => Lookup::Later(answer),
            None => Lookup::Now(self.unanswered(shard.entries.get_mut(&id), now)),
        }
    }

    /// Asks the store in a task, so that a client that leaves does not take the answer from others.
    /// `None` if too many wait for it already, or outside of a runtime.
    fn ask(
        self: &Arc<Self>,
        shard: &mut Shard<ApiKeyId, Entry>,
        id: ApiKeyId,
        network: Option<u128>,
    ) -> Option<Answer> {
        let runtime = Handle::try_current().ok()?;
        let permit = Arc::clone(&self.questions).try_acquire_owned().ok()?;
        let (sender, answer) = watch::channel(None);
        shard.entries.entry(id).or_default().question = Some(answer.clone());
        let (lookups, own) = (Arc::clone(self), answer.clone());
        runtime.spawn(async move {
            let found = lookups.store.find(id).await.map(|found| found.map(Arc::new));
            let found = found.map_err(|error| lookups.failed(error.kind()));
            let answer = lookups.answered(id, &own, network, found);
            drop(permit);
            sender.send_replace(Some(answer));
        });
        Some(answer)
    }

    /// Keeps what the store answered, unless the key was forgotten meanwhile.
    fn answered(
        &self,
        id: ApiKeyId,
        own: &Answer,
        network: Option<u128>,
        found: Result<Found, NotFound>,
    ) -> Result<Found, NotFound> {
        let now = self.clock.now();
        if let (Some(network), Ok(None)) = (network, &found) {
            self.count(network, now);
        }
        let mut shard = self.entries.lock(&id);
        let is_own = |entry: &&mut Entry| {
            entry.question.as_ref().is_some_and(|question| question.same_channel(own))
        };
        let Some(entry) = shard.entries.get_mut(&id).filter(is_own) else { return found };
        entry.question = None;
        match found {
            Ok(record) => {
                entry.copy = Some(Copy::new(record.clone(), now));
                self.make_room(&mut shard, id, now);
                Ok(record)
            }
            Err(_) => {
                let answer = self.unanswered(Some(entry), now);
                if entry.copy.is_none() {
                    shard.entries.remove(&id);
                }
                answer
            }
        }
    }

    /// The answer if the store does not: that of a copy that is not too old.
    fn unanswered(&self, entry: Option<&mut Entry>, now: u64) -> Result<Found, NotFound> {
        let copy = entry.and_then(|entry| entry.copy.as_mut());
        match copy.filter(|copy| copy.survives_error(self.settings.ages, now)) {
            Some(copy) => {
                copy.failed(now);
                Ok(copy.record.clone())
            }
            None => Err(NotFound::Unavailable),
        }
    }

    /// Bounds the copies of a shard. Those of keys that exist and those of keys that do not have separate
    /// bounds, so that made-up ids evict no key. The copy that was read longest ago goes first.
    fn make_room(&self, shard: &mut Shard<ApiKeyId, Entry>, id: ApiKeyId, now: u64) {
        let ages = self.settings.ages;
        let is_known = |entry: &Entry| entry.copy.as_ref().map(|copy| copy.record.is_some());
        let kind = shard.entries.get(&id).and_then(is_known);
        let share = self.settings.capacity.div_ceil(SHARDS);
        let most = if kind == Some(true) { share } else { share.div_ceil(4) };
        let has_room = |shard: &Shard<ApiKeyId, Entry>| {
            let alike = || shard.entries.values().filter(|entry| is_known(entry) == kind);
            shard.entries.len() <= most || alike().count() <= most
        };
        shard.sweep(now, has_room(shard), |entry| {
            let is_over = entry.copy.as_ref().is_none_or(|copy| copy.is_over(ages, now));
            is_over && !entry.question.as_ref().is_some_and(waits)
        });
        if !has_room(shard) {
            let alike = shard.entries.iter().filter(|(_, entry)| is_known(entry) == kind);
            let oldest = alike.min_by_key(|(_, entry)| entry.copy.as_ref().map(Copy::read_at));
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                shard.entries.remove(&oldest);
            }
        }
    }

    /// How long a network has to wait until it may ask for another unknown key.
    fn wait(&self, network: u128, now: u64) -> Option<Duration> {
        let networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = networks.get(network).wait(&self.settings.unknown, now);
        (wait > 0).then(|| Duration::from_millis(wait))
    }

    /// Counts a question about an unknown key.
    fn count(&self, network: u128, now: u64) {
        let mut networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pace = networks.get(network);
        pace.take(&self.settings.unknown, now);
        networks.put(network, pace, now);
    }

    fn failed(&self, kind: StoreErrorKind) -> NotFound {
        if let Some(telemetry) = self.telemetry.get() {
            telemetry.on(&StoreFailed::new(StoreKind::ApiKey, kind).into());
        }
        NotFound::Unavailable
    }
}

/// Whether the answer is still to come. If the task ended without one, the store is asked again.
fn waits(answer: &Answer) -> bool {
    answer.has_changed().is_ok()
}

/// The answer to a question, or that there is none if its task ended without one.
pub(super) async fn wait_for(mut answer: Answer) -> Result<Found, NotFound> {
    match answer.wait_for(Option::is_some).await {
        Ok(answer) => answer.clone().unwrap_or(Err(NotFound::Unavailable)),
        Err(_) => Err(NotFound::Unavailable),
    }
}
