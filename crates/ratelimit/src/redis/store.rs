//! The store: hands requests to calls, and the answers of calls back.

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use hardpoint_core::{
    Key, Mono, Telemetry, Time,
    event::{LinkState, SettlementsLost, StoreErrorKind, StoreKind},
};
use hardpoint_redis::{DigestKey, Redis, Script};
use tokio::sync::{Notify, oneshot};

use super::{
    Bucket, Names,
    call::{Answer, Ask, Ending, Rule},
    deny_cache::DenyCache,
    failure::{Failure, SCATTERED, Scattered},
    home::Home,
    landing::Flight,
    queue::{self, Queue},
};
use crate::{
    Batch, ConfigError, Decided, Digest, EntryMode, Policy, Receipt, RemoteStore, Settlement,
    StoreError, Verdicts, clock::Ticks,
};

/// Keeps the state of limits in Redis or Valkey. See the [module docs](super). Clones share calls.
///
/// # Defaults
///
/// | setting | default |
/// |---|---|
/// | [`common_tag`](RedisStoreBuilder::common_tag) | none: each key has its own |
/// | [`deny_cache`](RedisStoreBuilder::deny_cache) | 8,192 slots |
/// | requests that wait for a call | 16,384, each for a deadline |
/// | settlements that wait | 4,096 |
/// | deadline, prefix | the link's |
#[derive(Clone)]
pub struct RedisStore {
    shared: Arc<Shared>,
}

/// Builds a [`RedisStore`]. Created by [`RedisStore::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct RedisStoreBuilder {
    redis: Redis,
    digests: DigestKey,
    slots: usize,
    tag: Option<Cow<'static, str>>,
    time: Option<Time>,
}

pub(super) struct Shared {
    redis: Redis,
    script: Script,
    names: Names,
    digests: DigestKey,
    denials: Option<DenyCache>,
    /// The clock that decides in place of the server's.
    time: Option<Time>,
    ticks: Ticks,
    queue: Mutex<Queue<Waiter>>,
    idle: Notify,
    home: OnceLock<Home>,
    telemetry: OnceLock<Telemetry>,
}

/// What requests wait by, whichever clock decides: the link's deadlines are of real time too.
const WAITING: Ticks = Ticks::Counter;

type Waiter = oneshot::Sender<Result<Verdicts, StoreError>>;
pub(super) type Group = Box<queue::Group<Waiter>>;

impl RedisStore {
    /// A store with the defaults. All instances of the service need the same digest key.
    #[must_use]
    pub fn new(redis: &Redis, digests: &DigestKey) -> Self {
        Self::builder(redis, digests).build()
    }

    /// Starts to build a store.
    pub fn builder(redis: &Redis, digests: &DigestKey) -> RedisStoreBuilder {
        let (redis, digests) = (redis.clone(), digests.clone());
        RedisStoreBuilder { redis, digests, slots: 8_192, tag: None, time: None }
    }

    /// Waits until everything was answered that was submitted, settlements included: a service that
    /// ends calls it after its last request. It takes at most some deadlines of the link. Settlements
    /// that wait for the link to be up do not delay it, and are lost with the process.
    pub async fn flush(&self) {
        loop {
            let idle = self.shared.idle.notified();
            if self.shared.queue().is_idle() {
                return;
            }
            idle.await;
        }
    }
}

impl RedisStoreBuilder {
    /// Sets for how many refused keys this process remembers the refusal, for one second at most.
    /// Default: 8,192, which take 400 KiB. 0 asks the server about each request of a refused key.
    pub fn deny_cache(mut self, keys: usize) -> Self {
        self.slots = keys;
        self
    }

    /// Gives all keys this hash tag, so that they are in one slot of a cluster: a call has the keys of
    /// many requests, and a cluster refuses those of several slots. Default: each key has a tag of its
    /// own, which a server that is not a cluster does not read.
    ///
    /// One node then keeps all limits of the store; a store for each limiter, with tags of their own,
    /// spreads them. The link must name the node that has the slot (`CLUSTER KEYSLOT "{tag}"`). All
    /// instances need the same tag, and another one starts all limits over. Braces are dropped.
    pub fn common_tag(mut self, tag: impl Into<Cow<'static, str>>) -> Self {
        self.tag = Some(tag.into());
        self
    }

    /// Decides by `time` in place of the server's clock, for tests. Instances whose clocks differ by
    /// some seconds admit too much.
    pub fn dangerous_time(mut self, time: impl Into<Time>) -> Self {
        self.time = Some(time.into());
        self
    }

    /// Builds the store.
    #[must_use]
    pub fn build(self) -> RedisStore {
        let Self { redis, digests, slots, tag, time } = self;
        // A cluster reads no tag in empty braces.
        let tag = tag.filter(|tag| tag.chars().any(|c| !matches!(c, '{' | '}')));
        let deadline = redis.deadline();
        let shared = Shared {
            script: Script::new(include_str!("decide.lua")),
            names: Names::new(&redis, tag.as_deref()),
            redis,
            digests,
            denials: DenyCache::new(slots),
            ticks: time.clone().map_or(Ticks::Counter, Ticks::Time),
            time,
            queue: Mutex::new(Queue::new(deadline)),
            idle: Notify::new(),
            home: OnceLock::new(),
            telemetry: OnceLock::new(),
        };
        RedisStore { shared: Arc::new(shared) }
    }
}

impl RemoteStore for RedisStore {
    fn digest(&self, key: &Key<'_>) -> Digest {
        Digest::of_hash(self.shared.digests.digest(key))
    }

    fn decide(&self, batch: &Batch<'_>) -> Decided<Result<Verdicts, StoreError>> {
        let shared = &self.shared;
        if batch.entries().len() == 0 {
            return Decided::Now(Ok(Verdicts::NONE.by_store(Receipt::NONE)));
        }
        if shared.is_scattered() {
            return Decided::Now(Err(
                StoreError::new(StoreErrorKind::Unavailable).with_source(Scattered)
            ));
        }
        if let Some(refused) = shared.refused_lately(batch) {
            return Decided::Now(Ok(refused));
        }
        if shared.redis.state() == LinkState::Down {
            return Decided::Now(Err(StoreError::new(StoreErrorKind::Unavailable)));
        }
        let (sender, mut answer) = oneshot::channel();
        let mut queue = shared.queue();
        if !queue.ask(&shared.names, asks(batch), sender, WAITING.now()) {
            return Decided::Now(Err(StoreError::new(StoreErrorKind::Unavailable)));
        }
        let next = queue.begin(true);
        drop(queue);
        if let Some(group) = next {
            shared.start(group);
        }
        match answer.try_recv() {
            Ok(answer) => Decided::Now(answer),
            Err(_) => Decided::Later(Box::pin(async {
                let lost = |_| Err(StoreError::new(StoreErrorKind::Unavailable));
                answer.await.unwrap_or_else(lost)
            })),
        }
    }

    fn settle(&self, settlement: &Settlement<'_>) {
        let shared = &self.shared;
        let held_at = settlement.receipt().at;
        let entries = settlement.entries().iter();
        let endings: Vec<_> =
            entries.map(|settled| Ending::new(settled, held_at, &shared.names)).collect();
        let mut queue = shared.queue();
        let now = WAITING.now();
        let lost = endings.into_iter().map(|ending| u64::from(!queue.settle(ending, now))).sum();
        let next = queue.begin(shared.redis.state() != LinkState::Down);
        drop(queue);
        shared.report_lost(lost);
        if let Some(group) = next {
            shared.start(group);
        }
    }

    fn prepare(&self, policies: &[Policy]) -> Result<(), ConfigError> {
        let policy = || policies.first().map_or("", Policy::name).to_owned();
        if self.shared.is_scattered() {
            return Err(ConfigError::Store { policy: policy(), reason: SCATTERED });
        }
        if self.shared.home().is_none() {
            let reason = "the system has no thread left for it; build the limiter within a tokio \
                          runtime, or raise the limit";
            return Err(ConfigError::Store { policy: policy(), reason });
        }
        Ok(())
    }

    fn telemetry(&self, telemetry: &Telemetry) {
        telemetry.fill(&self.shared.telemetry);
    }
}

/// What a batch asks about each of its buckets.
fn asks<'a>(batch: &Batch<'a>) -> impl Iterator<Item = Ask<'a>> + Clone + use<'a> {
    batch.questions_by_policy().map(|(policy, question)| {
        let name = policy.map_or("", Policy::name);
        Ask {
            policy: name,
            key: question.key,
            bucket: Bucket::new(name, question.key),
            holds: policy.is_none_or(Policy::holds),
            rule: Rule::new(question),
        }
    })
}

impl Shared {
    /// Whether the server is a cluster, and calls would have keys of several slots.
    fn is_scattered(&self) -> bool {
        self.redis.is_cluster() == Some(true) && !self.names.are_together()
    }

    fn queue(&self) -> MutexGuard<'_, Queue<Waiter>> {
        // A panic while it is locked leaves a waiter without an answer, and the queue whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The refusal of a batch by what the server said of its keys within the last second.
    fn refused_lately(&self, batch: &Batch<'_>) -> Option<Verdicts> {
        let denials = self.denials.as_ref()?;
        let now = self.ticks.now();
        let mut verdicts = Verdicts::NONE;
        for (index, (policy, question)) in batch.questions_by_policy().enumerate() {
            let policy = policy?;
            let bucket = Bucket::new(policy.name(), question.key);
            match question.mode {
                EntryMode::Refund | EntryMode::Reset => denials.forget(bucket),
                _ => {}
            }
            let known = denials.debt(bucket, now).filter(|_| !policy.holds());
            let room = known.is_none_or(|debt| question.after(debt).is_some());
            verdicts.set(index, question.mode, known.unwrap_or(0), room);
        }
        (!verdicts.allowed()).then(|| verdicts.by_cache())
    }

    /// Sends a call, and those after it that the link refuses at once.
    fn start(self: &Arc<Self>, group: Group) {
        if let Err((group, failure)) = self.send(group) {
            let ended = group.buckets();
            self.hand_out(group, Err(&failure), Mono::ZERO);
            self.go_on(ended, false);
        }
    }

    /// Sends the calls that wait, after a call with this many buckets has ended.
    pub(super) fn go_on(self: &Arc<Self>, mut ended: usize, mut is_up: bool) {
        loop {
            let mut queue = self.queue();
            queue.end(ended);
            let late = queue.give_up(WAITING.now());
            let next = queue.begin(is_up);
            drop(queue);
            let sent = next.map(|group| self.send(group));
            for waiter in late {
                let _dropped = waiter.send(Err(StoreError::new(StoreErrorKind::Unavailable)));
            }
            match sent {
                None => break,
                Some(Ok(())) => return,
                Some(Err((group, failure))) => {
                    ended = group.buckets();
                    self.hand_out(group, Err(&failure), Mono::ZERO);
                    is_up = false;
                }
            }
        }
        self.idle.notify_waiters();
    }

    /// Sends a call, or gives it back if the link refuses it.
    fn send(self: &Arc<Self>, group: Group) -> Result<(), (Group, Failure)> {
        let Some(home) = self.home() else { return Err((group, Failure::NOT_SENT)) };
        let asked = self.ticks.now();
        let arguments = group.call.arguments(self.time.as_ref().map(Time::now));
        let reply = self.redis.run(&self.script, group.call.keys(), &arguments);
        if let Some(error) = reply.refused() {
            return Err((group, Failure::from(error.clone())));
        }
        home.expect(Flight::new(Arc::clone(self), group, asked, reply));
        Ok(())
    }

    /// Answers all who wait for a call.
    pub(super) fn hand_out(
        &self,
        mut group: Group,
        answer: Result<&Answer, &Failure>,
        asked: Mono,
    ) {
        match answer {
            Ok(answer) => {
                if let Some(denials) = &self.denials {
                    let refused = group.call.refused(answer);
                    refused.for_each(|(bucket, debt)| denials.note(bucket, asked, debt));
                }
                for (ticket, waiter) in group.waiters {
                    // An error means that the request was dropped.
                    let _dropped = waiter.send(Ok(group.call.verdicts(ticket, answer)));
                }
            }
            Err(failure) => {
                for (_, waiter) in group.waiters {
                    let _dropped = waiter.send(Err(failure.to_error()));
                }
                let endings = group.call.take_endings();
                let lost = if failure.sent { endings.len() } else { self.queue().keep(endings) };
                self.report_lost(u64::try_from(lost).unwrap_or(u64::MAX));
            }
        }
    }

    fn report_lost(&self, lost: u64) {
        if lost == 0 {
            return;
        }
        tracing::debug!(target: "hardpoint::ratelimit", lost, "settlements lost");
        if let Some(telemetry) = self.telemetry.get() {
            telemetry.on(&SettlementsLost::new(StoreKind::RateLimit, lost).into());
        }
    }

    /// Where answers are waited for. `None` if no thread can be started.
    fn home(&self) -> Option<&Home> {
        if self.home.get().is_none() {
            let home = Home::find().ok()?;
            // If another thread was faster, this one's home ends here.
            let _other = self.home.set(home);
        }
        self.home.get()
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("redis", &self.shared.redis).finish_non_exhaustive()
    }
}
