//! Lookups in a remote store: cached answers, and one lookup at a time for each key.

use std::{
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hardpoint_core::{
    Telemetry,
    event::{StoreErrorKind, StoreFailed, StoreKind},
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

use super::{
    ApiKeyId, ApiKeyOwner, ApiKeyRecord, RemoteApiKeys,
    cached::{Ages, CachedKey, Freshness},
    networks::{Network, Networks},
};
use crate::{
    rate::Rate,
    shards::{SHARDS, Shard, Shards},
    store::StoreClock,
};

/// The most lookups in flight, counted separately for known keys and for others, so that invented keys take
/// no places from real ones.
const IN_FLIGHT: usize = 64;
/// After this time the store counts as failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// The answer of a lookup: the key, if it exists.
pub(super) type Looked = Result<Option<Arc<ApiKeyRecord>>, LookupError>;

/// Why it is not known whether a key exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookupError {
    /// The client's network presented so many unknown keys that it must wait this long.
    TooMany(Duration),
    /// The store did not answer, or as many lookups as may be are in flight.
    Unavailable,
}

/// The answer of a lookup in flight.
pub(super) type Pending = watch::Receiver<Option<Looked>>;

/// What is known now, or the lookup to wait for.
pub(super) enum Lookup {
    Now(Looked),
    Later(Pending),
}

/// The settings of lookups.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) ages: Ages,
    pub(super) capacity: usize,
    /// How many unknown keys a network may present.
    pub(super) unknown: Rate,
}

/// Lookups in a remote store.
pub(super) struct Lookups {
    store: Arc<dyn RemoteApiKeys>,
    entries: Shards<ApiKeyId, Entry>,
    settings: Settings,
    /// Places for lookups of keys that exist as far as is known.
    known: Semaphore,
    /// Places for lookups of other keys.
    unknown: Arc<Semaphore>,
    /// Whether the store did not answer the lookup that ended last.
    fails: AtomicBool,
    networks: Networks,
    clock: StoreClock,
    telemetry: Arc<OnceLock<Telemetry>>,
}

debug_only!(Lookups { settings, fails });

/// What is known about an id: a cached answer, a lookup in flight, or both.
#[derive(Default)]
struct Entry {
    cached: Option<CachedKey>,
    pending: Option<Pending>,
}

impl Entry {
    /// Whether the key exists, as far as is known; `None` without a cached answer.
    fn is_known(&self) -> Option<bool> {
        self.cached.as_ref().map(|cached| cached.record.is_some())
    }

    /// The lookup, if it is in flight.
    fn in_flight(&self) -> Option<&Pending> {
        self.pending.as_ref().filter(|pending| pending.has_changed().is_ok())
    }
}

/// Which lookups a lookup counts among.
#[derive(Clone, Copy)]
enum Asks {
    /// Of keys that exist as far as is known.
    Known,
    /// Of others, which the client's network is charged for.
    Unknown(Option<Network>),
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
            known: Semaphore::new(IN_FLIGHT),
            unknown: Arc::new(Semaphore::new(IN_FLIGHT)),
            fails: AtomicBool::new(false),
            networks: Networks::new(settings.unknown),
            clock,
            telemetry,
        }
    }

    /// The key with this id. `network` is read only if an unknown key has to be looked up.
    pub(super) fn find(
        self: &Arc<Self>,
        id: ApiKeyId,
        network: impl FnOnce() -> Option<IpAddr>,
    ) -> Lookup {
        let mut shard = self.entries.lock(&id);
        let (lookup, query) = self.decide(&mut shard, id, network);
        // A runtime that ends drops the task at once, and the query then takes the lock.
        drop(shard);
        if let Some((query, runtime)) = query {
            runtime.spawn(query.run());
        }
        lookup
    }

    /// What is known now, and the query to start.
    fn decide(
        self: &Arc<Self>,
        shard: &mut Shard<ApiKeyId, Entry>,
        id: ApiKeyId,
        network: impl FnOnce() -> Option<IpAddr>,
    ) -> (Lookup, Option<(Query, Handle)>) {
        let (store_fails, now) = (self.fails.load(Ordering::Relaxed), self.clock.now());
        let entry = shard.entries.get(&id);
        let pending = entry.and_then(Entry::in_flight).cloned();
        let cached = entry.and_then(|entry| entry.cached.as_ref());
        let (record, freshness) = match cached {
            Some(cached) => {
                (cached.record.clone(), cached.freshness(self.settings.ages, store_fails, now))
            }
            None => (None, Freshness::Stale),
        };
        let asks = match (freshness, pending) {
            (Freshness::Due, None) => {
                // Outside of a runtime, a later request refreshes it.
                let query = self.ask(shard, id, Asks::Known, now).map(|(_, query)| query);
                return (Lookup::Now(Ok(record)), query);
            }
            (Freshness::Fresh | Freshness::Due, _) => return (Lookup::Now(Ok(record)), None),
            (Freshness::Stale, Some(pending)) => return (Lookup::Later(pending), None),
            (Freshness::Stale, None) if record.is_some() => Asks::Known,
            (Freshness::Stale, None) => {
                let network = network().map(|address| self.networks.network(address));
                if let Some(wait) = network.and_then(|network| self.networks.wait(network, now)) {
                    return (Lookup::Now(Err(LookupError::TooMany(wait))), None);
                }
                Asks::Unknown(network)
            }
        };
        match self.ask(shard, id, asks, now) {
            Some((pending, query)) => (Lookup::Later(pending), Some(query)),
            None => (Lookup::Now(Err(LookupError::Unavailable)), None),
        }
    }

    /// Forgets what is known about a key of this owner, and the answer of a lookup in flight.
    pub(super) fn forget(&self, owner: ApiKeyOwner<'_>, id: ApiKeyId) {
        self.forget_if(id, |known| known.is_none_or(|record| record.owner() == owner));
    }

    /// Forgets all keys of this owner, and the answers of lookups in flight.
    pub(super) fn forget_all(&self, owner: ApiKeyOwner<'_>) {
        self.entries.for_each(|shard| {
            shard.entries.retain(|_, entry| {
                let cached = entry.cached.as_ref();
                // The key of a lookup in flight may be one of the owner.
                cached.is_some_and(|cached| {
                    cached.record.as_ref().is_none_or(|record| record.owner() != owner)
                })
            });
        });
    }

    /// Forgets a key if it is known as one of this owner. A stranger who names an id does not make its
    /// owner wait for the store.
    pub(super) fn forget_known(&self, owner: ApiKeyOwner<'_>, id: ApiKeyId) {
        self.forget_if(id, |known| known.is_some_and(|record| record.owner() == owner));
    }

    fn forget_if(&self, id: ApiKeyId, forgets: impl FnOnce(Option<&ApiKeyRecord>) -> bool) {
        let mut shard = self.entries.lock(&id);
        let cached = shard.entries.get(&id).and_then(|entry| entry.cached.as_ref());
        if forgets(cached.and_then(|cached| cached.record.as_deref())) {
            shard.entries.remove(&id);
        }
    }

    /// Enters a query. `None` if all places are taken, or outside of a runtime.
    fn ask(
        self: &Arc<Self>,
        shard: &mut Shard<ApiKeyId, Entry>,
        id: ApiKeyId,
        asks: Asks,
        now: u64,
    ) -> Option<(Pending, (Query, Handle))> {
        let runtime = Handle::try_current().ok()?;
        let (place, network) = match asks {
            // It waits for a place: a stale answer must not be used because others fill the places, and
            // a key that exists must not be refused.
            Asks::Known => (None, None),
            Asks::Unknown(network) => {
                (Some(Arc::clone(&self.unknown).try_acquire_owned().ok()?), network)
            }
        };
        if let Some(network) = network {
            self.networks.count(network, now);
        }
        let (sender, pending) = watch::channel(None);
        shard.entries.entry(id).or_default().pending = Some(pending.clone());
        let lookups = Arc::clone(self);
        Some((pending, (Query { lookups, id, network, asked_at: now, sender, place }, runtime)))
    }

    /// Caches an answer, unless the key was forgotten meanwhile. Returns what those who wait get.
    fn keep(&self, query: &Query, answer: Looked) -> Looked {
        let (id, now) = (query.id, self.clock.now());
        let mut shard = self.entries.lock(&id);
        let own = query.sender.subscribe();
        let is_own =
            |entry: &&mut Entry| entry.pending.as_ref().is_some_and(|it| it.same_channel(&own));
        let Some(entry) = shard.entries.get_mut(&id).filter(is_own) else { return answer };
        entry.pending = None;
        match (answer, &mut entry.cached) {
            (Ok(record), cached) => {
                *cached = Some(CachedKey::new(record.clone(), query.asked_at));
                self.make_room(&mut shard, id, now);
                Ok(record)
            }
            (Err(_), Some(cached)) if cached.survives_error(self.settings.ages, now) => {
                cached.failed(now);
                Ok(cached.record.clone())
            }
            (Err(error), _) => {
                shard.entries.remove(&id);
                Err(error)
            }
        }
    }

    /// Bounds the answers in a shard. Positive and negative ones have separate bounds, so that invented ids
    /// evict no key. The least recently refreshed one goes first.
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
            let is_useless = entry.cached.as_ref().is_none_or(|it| it.is_useless(ages, now));
            is_useless && entry.in_flight().is_none()
        });
        if !has_room(shard) {
            let alike = shard.entries.iter().filter(|(_, entry)| entry.is_known() == kind);
            let oldest =
                alike.min_by_key(|(_, entry)| entry.cached.as_ref().map(CachedKey::asked_at));
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                shard.entries.remove(&oldest);
            }
        }
    }
}

/// A lookup in flight. Dropped without an answer, because the store panicked or the runtime ends, it counts
/// as one that the store did not answer.
struct Query {
    lookups: Arc<Lookups>,
    id: ApiKeyId,
    /// The network that is charged for it, unless the key exists.
    network: Option<Network>,
    asked_at: u64,
    sender: watch::Sender<Option<Looked>>,
    /// Its place, unless it waits for one.
    place: Option<OwnedSemaphorePermit>,
}

impl Query {
    /// Asks the store, in a task of its own, so that the answer comes for others if a client disconnects.
    async fn run(self) {
        let lookups = &self.lookups;
        let ask = async {
            let waits = self.place.is_none();
            let _place = if waits { lookups.known.acquire().await.ok() } else { None };
            lookups.store.find(self.id).await
        };
        let answer = timeout(PATIENCE, ask).await;
        self.answered(match answer {
            Ok(found) => found.map_err(|error| error.kind()),
            Err(_) => Err(StoreErrorKind::Timeout),
        });
    }

    fn answered(&self, answer: Result<Option<ApiKeyRecord>, StoreErrorKind>) {
        let lookups = &self.lookups;
        let failure = answer.as_ref().err().copied();
        // A store with a corrupt record answers.
        let fails = failure.is_some_and(|kind| kind != StoreErrorKind::Corrupt);
        lookups.fails.store(fails, Ordering::Relaxed);
        if let (Some(network), Ok(Some(_))) = (self.network, &answer) {
            lookups.networks.uncount(network, self.asked_at);
        }
        let answer = answer.map(|record| record.map(Arc::new));
        let answer = lookups.keep(self, answer.map_err(|_| LookupError::Unavailable));
        self.sender.send_replace(Some(answer));
        // Last, since an observer may panic.
        if let (Some(kind), Some(telemetry)) = (failure, lookups.telemetry.get()) {
            telemetry.on(&StoreFailed::new(StoreKind::ApiKey, kind).into());
        }
    }
}

impl Drop for Query {
    fn drop(&mut self) {
        if self.sender.borrow().is_none() {
            self.answered(Err(StoreErrorKind::Unavailable));
        }
    }
}

/// The answer of a lookup in flight.
pub(super) async fn wait_for(mut pending: Pending) -> Looked {
    match pending.wait_for(Option::is_some).await {
        Ok(answer) => answer.clone().unwrap_or(Err(LookupError::Unavailable)),
        Err(_) => Err(LookupError::Unavailable),
    }
}
