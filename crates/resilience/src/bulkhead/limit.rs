//! A concurrency limit: permits with a name, a queue and an observer.

use std::{
    borrow::Cow,
    fmt, mem,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hardpoint_core::{
    Head, Key, KeyExtractor, Mono, Telemetry,
    event::{CallGuard, CallRefused},
};

use super::{
    BulkheadFull, BulkheadLayer,
    semaphore::{Entry, Semaphore, Turn},
};
use crate::{
    ConfigError,
    error::Mistakes,
    keyed::{self, Keyed, Policy},
};

/// The most callers that a queue may hold. A queue that is longer than this hides an outage.
const MOST_WAITING: u32 = 100_000;
/// The longest wait.
const HOUR: Duration = Duration::from_hours(1);

/// A number of calls that may be in flight at the same time.
///
/// It is the state behind a [`BulkheadLayer`], and limits calls without tower by
/// [`try_acquire`](Self::try_acquire) and [`acquire`](Self::acquire). Clones share one state and cost
/// one atomic increment.
///
/// ```
/// use hardpoint_resilience::ConcurrencyLimit;
///
/// let limit = ConcurrencyLimit::builder("search", 1).build()?;
/// let permit = limit.try_acquire()?;
/// assert!(limit.try_acquire().is_err());
/// drop(permit);
/// assert!(limit.try_acquire().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ConcurrencyLimit {
    shared: Arc<Shared>,
}

struct Shared {
    semaphore: Semaphore,
    refused: AtomicU64,
    settings: Arc<Settings>,
}

/// What limits of different keys share.
struct Settings {
    name: Arc<str>,
    permits: u32,
    max_waiting: u32,
    max_wait: Duration,
    telemetry: OnceLock<Telemetry>,
}

/// Builds a [`ConcurrencyLimit`], or [`ConcurrencyLimits`] that share its settings.
///
/// # Defaults
///
/// | setting | default |
/// |---|---|
/// | [`queue`](Self::queue) | none: a call that finds no permit is refused |
/// | [`telemetry`](Self::telemetry) | none |
#[derive(Clone, Debug)]
#[must_use]
pub struct ConcurrencyLimitBuilder {
    name: Cow<'static, str>,
    permits: u32,
    queue: Option<(u32, Duration)>,
    telemetry: Telemetry,
}

impl ConcurrencyLimitBuilder {
    /// Lets up to `calls` calls wait in order of arrival, each for at most `max_wait`. Default: none.
    ///
    /// A queue absorbs short bursts. In an outage it only adds `max_wait` to the time that a caller
    /// needs to fail, and holds the memory of `calls` requests. 0 calls or a wait of 0 is a mistake:
    /// leave the setting out instead.
    pub fn queue(mut self, calls: u32, max_wait: Duration) -> Self {
        self.queue = Some((calls, max_wait));
        self
    }

    /// Whether calls may wait for a permit.
    pub(crate) const fn waits(&self) -> bool {
        self.queue.is_some()
    }

    /// Reports refusals to `telemetry`. Default: none.
    pub fn telemetry(mut self, telemetry: &Telemetry) -> Self {
        self.telemetry = telemetry.clone();
        self
    }

    /// Builds one limit, for all calls together.
    ///
    /// # Errors
    /// [`ConfigError`] with all settings that can never work.
    pub fn build(self) -> Result<ConcurrencyLimit, ConfigError> {
        self.mistakes().into_result()?;
        Ok(ConcurrencyLimit::from_settings(&Arc::new(self.settings())))
    }

    /// Builds a limit for each key of a request, such as its [host](crate::key::host), with at most
    /// `max_keys` of them.
    ///
    /// # Errors
    /// [`ConfigError`] with all settings that can never work.
    pub fn build_keyed(
        self,
        key: impl KeyExtractor,
        max_keys: usize,
    ) -> Result<ConcurrencyLimits, ConfigError> {
        let mut mistakes = self.mistakes();
        keyed::check_max_keys("bulkhead.max_keys", max_keys, &mut mistakes);
        mistakes.into_result()?;
        let settings = Arc::new(self.settings());
        let rest = ConcurrencyLimit::from_settings(&settings);
        let keyed = Keyed::new(rest, Arc::new(key), max_keys);
        Ok(ConcurrencyLimits { inner: Arc::new(Inner { keyed, settings }) })
    }

    /// The settings that can never work.
    pub(crate) fn mistakes(&self) -> Mistakes {
        let mut mistakes = Mistakes::default();
        let Self { name, permits, queue, .. } = self;
        mistakes.expect(!name.is_empty() && name.len() <= 64, "bulkhead.name", || {
            format!("has {} bytes; write a name of 1 to 64 bytes", name.len())
        });
        mistakes.expect(*permits > 0, "bulkhead.permits", || {
            "is 0, so every call is refused; write at least 1".to_owned()
        });
        if let Some((calls, max_wait)) = queue {
            mistakes.expect((1..=MOST_WAITING).contains(calls), "bulkhead.queue", || {
                format!(
                    "has room for {calls} calls; write 1 to {MOST_WAITING}, or leave the queue out"
                )
            });
            mistakes.expect(!max_wait.is_zero() && *max_wait <= HOUR, "bulkhead.queue", || {
                format!(
                    "waits for {max_wait:?}; write a wait of up to an hour, such as 100 ms, or \
                     leave the queue out"
                )
            });
        }
        mistakes
    }

    fn settings(self) -> Settings {
        let (max_waiting, max_wait) = self.queue.unwrap_or_default();
        let telemetry = OnceLock::new();
        self.telemetry.fill(&telemetry);
        let Self { name, permits, .. } = self;
        Settings { name: name.into(), permits, max_waiting, max_wait, telemetry }
    }
}

/// The answer to a call.
pub(crate) enum Answer {
    Full(BulkheadFull),
    Permit(ConcurrencyPermit),
    Wait(Queued),
}

impl ConcurrencyLimit {
    /// Starts building a limit of `permits` calls in flight. `name` appears in errors, logs and
    /// events.
    pub fn builder(name: impl Into<Cow<'static, str>>, permits: u32) -> ConcurrencyLimitBuilder {
        let telemetry = Telemetry::none();
        ConcurrencyLimitBuilder { name: name.into(), permits, queue: None, telemetry }
    }

    fn from_settings(settings: &Arc<Settings>) -> Self {
        let semaphore = Semaphore::new(settings.permits, settings.max_waiting);
        let settings = Arc::clone(settings);
        Self { shared: Arc::new(Shared { semaphore, refused: AtomicU64::new(0), settings }) }
    }

    /// The layer whose calls this limit bounds. Layers of one limit share its permits.
    pub fn layer(&self) -> BulkheadLayer {
        BulkheadLayer::new(self.clone())
    }

    /// Takes a permit if one is free.
    ///
    /// # Errors
    /// [`BulkheadFull`] if none is free.
    #[inline]
    pub fn try_acquire(&self) -> Result<ConcurrencyPermit, BulkheadFull> {
        if self.shared.semaphore.try_acquire() {
            return Ok(ConcurrencyPermit { limit: self.clone() });
        }
        Err(self.refuse(false))
    }

    /// Takes a permit, after waiting in the [queue](ConcurrencyLimitBuilder::queue) if none is free
    /// and there is a queue. Needs a tokio runtime with timers if it has to wait.
    ///
    /// A future that is dropped leaves the queue.
    ///
    /// # Errors
    /// [`BulkheadFull`] if the queue is full or absent, or the longest wait is over.
    pub async fn acquire(&self) -> Result<ConcurrencyPermit, BulkheadFull> {
        match self.enter() {
            Answer::Full(full) => Err(full),
            Answer::Permit(permit) => Ok(permit),
            Answer::Wait(queued) => {
                let max_wait = self.max_wait();
                let granted = tokio::time::timeout(max_wait, queued).await;
                granted.map_err(|_elapsed| self.refuse(true))
            }
        }
    }

    #[inline]
    pub(super) fn enter(&self) -> Answer {
        if self.shared.semaphore.try_acquire() {
            return Answer::Permit(ConcurrencyPermit { limit: self.clone() });
        }
        self.enter_queue()
    }

    #[cold]
    fn enter_queue(&self) -> Answer {
        match self.shared.semaphore.enter() {
            Entry::Acquired => Answer::Permit(ConcurrencyPermit { limit: self.clone() }),
            Entry::Full => Answer::Full(self.refuse(false)),
            Entry::Queued(turn) => Answer::Wait(Queued { limit: self.clone(), turn: Some(turn) }),
        }
    }

    #[cold]
    pub(super) fn refuse(&self, waited: bool) -> BulkheadFull {
        let Shared { refused, settings, .. } = &*self.shared;
        refused.fetch_add(1, Ordering::Relaxed);
        let name = &settings.name;
        tracing::debug!(
            target: "hardpoint::resilience::bulkhead",
            limit = %name,
            waited,
            "the concurrency limit refused a call"
        );
        if let Some(telemetry) = settings.telemetry.get() {
            telemetry.on(&CallRefused::new(name, CallGuard::Bulkhead).into());
        }
        BulkheadFull::new(Arc::clone(name), waited)
    }

    pub(super) fn max_wait(&self) -> Duration {
        self.shared.settings.max_wait
    }

    /// The limit's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.settings.name
    }

    /// The counters. They are read one after the other, so calls that start or end meanwhile may be
    /// in some of them.
    #[must_use]
    pub fn snapshot(&self) -> ConcurrencySnapshot {
        let Shared { semaphore, refused, settings } = &*self.shared;
        let (free, waiting) = semaphore.counts();
        ConcurrencySnapshot {
            permits: settings.permits,
            in_flight: settings.permits.saturating_sub(free),
            waiting,
            refused: refused.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn report_to(&self, telemetry: &Telemetry) {
        telemetry.fill(&self.shared.settings.telemetry);
    }
}

impl fmt::Debug for ConcurrencyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyLimit")
            .field("name", &self.name())
            .field("snapshot", &self.snapshot())
            .finish()
    }
}

impl Policy for ConcurrencyLimit {
    /// A limit that is idle for an instant is as good as a new one, at any time.
    fn is_idle(&self, _now: Mono) -> bool {
        let ConcurrencySnapshot { in_flight, waiting, .. } = self.snapshot();
        in_flight == 0 && waiting == 0
    }
}

/// The counters of a [`ConcurrencyLimit`] at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConcurrencySnapshot {
    /// The calls that may be in flight.
    pub permits: u32,
    /// The calls in flight.
    pub in_flight: u32,
    /// The calls in the queue.
    pub waiting: u32,
    /// The calls that were refused since the limit was built.
    pub refused: u64,
}

/// The permission to have one call in flight, until it is dropped.
#[must_use = "a permit that is dropped at once limits nothing"]
pub struct ConcurrencyPermit {
    limit: ConcurrencyLimit,
}

impl ConcurrencyPermit {
    /// The limit that the permit is from.
    #[must_use]
    pub const fn limit(&self) -> &ConcurrencyLimit {
        &self.limit
    }
}

impl Drop for ConcurrencyPermit {
    #[inline]
    fn drop(&mut self) {
        self.limit.shared.semaphore.release();
    }
}

impl fmt::Debug for ConcurrencyPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyPermit").field("limit", &self.limit.name()).finish()
    }
}

/// A place in the queue: resolves to a permit. Dropping it leaves the queue.
pub(crate) struct Queued {
    limit: ConcurrencyLimit,
    /// `None` once the permit was handed out.
    turn: Option<Turn>,
}

impl Queued {
    pub(super) const fn limit(&self) -> &ConcurrencyLimit {
        &self.limit
    }
}

impl Future for Queued {
    type Output = ConcurrencyPermit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ConcurrencyPermit> {
        let Some(turn) = &self.turn else { return Poll::Pending };
        match self.limit.shared.semaphore.poll(turn, cx.waker()) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                // The permit owns it from here on.
                drop(mem::take(&mut self.turn));
                Poll::Ready(ConcurrencyPermit { limit: self.limit.clone() })
            }
        }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        if let Some(turn) = &self.turn {
            self.limit.shared.semaphore.leave(turn);
        }
    }
}

/// A [`ConcurrencyLimit`] for each host, route or tenant, in bounded memory, with the same settings.
///
/// The first call with a key copies the list of limits, which takes a few microseconds; later calls
/// find theirs without a lock. When there are as many keys as allowed, a new key takes the place of a
/// limit without a call. It looks for one among 64 limits, the next new key among the next 64. If it
/// finds none, it shares one limit with all keys that came too late and with calls that have no key:
/// [`shared`](Self::shared).
#[derive(Clone)]
pub struct ConcurrencyLimits {
    inner: Arc<Inner>,
}

struct Inner {
    keyed: Keyed<ConcurrencyLimit>,
    settings: Arc<Settings>,
}

impl ConcurrencyLimits {
    /// The layer whose calls these limits bound. Layers of the same limits share their permits.
    pub fn layer(&self) -> BulkheadLayer {
        BulkheadLayer::keyed(self.clone())
    }

    /// The limit of a key, if a call had it. `None` also if it made room for another key.
    #[must_use]
    pub fn find(&self, key: &Key<'_>) -> Option<ConcurrencyLimit> {
        self.inner.keyed.find(key)
    }

    /// The limit of calls that have no key, and of keys that found no room.
    #[must_use]
    pub fn shared(&self) -> &ConcurrencyLimit {
        self.inner.keyed.rest()
    }

    /// Calls `read` with each key and its limit, in no particular order. Keys may be personal: they
    /// do not belong into logs.
    pub fn for_each(&self, read: impl FnMut(&Key<'_>, &ConcurrencyLimit)) {
        self.inner.keyed.for_each(read);
    }

    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.keyed.len()
    }

    /// Whether no call had a key yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn report_to(&self, telemetry: &Telemetry) {
        telemetry.fill(&self.inner.settings.telemetry);
    }

    /// Uses the limit of a request.
    #[inline]
    pub(super) fn with<R>(
        &self,
        head: Head<'_>,
        use_limit: impl FnOnce(&ConcurrencyLimit) -> R,
    ) -> R {
        let Inner { keyed, settings } = &*self.inner;
        // A limit is idle or not at any time.
        let now = || Mono::ZERO;
        keyed.with(head, now, || ConcurrencyLimit::from_settings(settings), use_limit)
    }
}

impl fmt::Debug for ConcurrencyLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyLimits")
            .field("name", &self.inner.settings.name)
            .field("keyed", &self.inner.keyed)
            .finish()
    }
}
