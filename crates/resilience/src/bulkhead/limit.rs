//! A concurrency limit: permits with a name, a queue and an observer.

use std::{
    borrow::Cow,
    fmt, mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hardpoint_core::{
    Mono, Telemetry,
    event::{CallGuard, CallRefused},
};

use super::{
    BulkheadFull, BulkheadLayer, ConcurrencyLimitBuilder,
    builder::Settings,
    semaphore::{Entry, Semaphore, Turn},
};
use crate::keyed::Policy;

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
        ConcurrencyLimitBuilder::new(name.into(), permits)
    }

    pub(super) fn from_settings(settings: &Arc<Settings>) -> Self {
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
