//! Operations that a service waits for, and a line for the slow ones.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use hardpoint_core::{Mono, Time};
use pin_project_lite::pin_project;

use super::{Family, Histogram, Labels};

/// A slow operation is logged at most once in this time; the line has the number of others.
const PAUSE: Duration = Duration::from_secs(1);

/// Operations of one kind that a service waits for, such as the queries of a database or the calls
/// to another service: a histogram of their durations, and a log line for those that are slow.
///
/// ```
/// use std::time::Duration;
/// use hardpoint_observability::Metrics;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut metrics = Metrics::builder();
/// let queries = metrics
///     .operations("db_client_operation_duration_seconds", "Time of database operations.")
///     .slow_after(Duration::from_millis(200));
/// let list_notes = queries.operation("list_notes");
/// let metrics = metrics.build()?;
///
/// // In a handler: the query is timed until it is ready, or dropped.
/// let notes = list_notes.time(async { Ok::<_, std::io::Error>(["milk", "eggs"]) }).await?;
/// # assert_eq!(notes.len(), 2);
/// # let _ = metrics;
/// # Ok(())
/// # }
/// ```
///
/// The labels are `operation`, its name, and `outcome`: `ok`, `failed`, or `cancelled` if the future
/// was dropped. A slow operation logs a warning `slow operation` (target
/// `hardpoint::observability::slow`) inside the current span, with `operation`, `duration_ms`,
/// `outcome`, and `suppressed`: how many slow ones of this name were not logged, because one line a
/// second is the most. The line never has the text of a statement or a URL, which may contain
/// personal data: the name identifies the statement.
#[derive(Clone, Debug)]
#[must_use]
pub struct Operations {
    family: Family<OperationLabels, Histogram>,
    time: Time,
    slow_after: Duration,
}

/// One operation, by its name. Make it once, when the service is built.
#[derive(Clone, Debug)]
pub struct Operation(Arc<Shared>);

struct Shared {
    name: &'static str,
    time: Time,
    slow_after: Duration,
    ok: Histogram,
    failed: Histogram,
    cancelled: Histogram,
    /// When a slow one was last logged, in nanoseconds, and how many were not since.
    logged: AtomicU64,
    suppressed: AtomicU64,
}

#[derive(Debug)]
pub(super) struct OperationLabels {
    operation: &'static str,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Cancelled,
    Failed,
    Ok,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Ok => "ok",
        }
    }
}

impl Labels for OperationLabels {
    const NAMES: &'static [&'static str] = &["operation", "outcome"];

    fn values(&self, add: &mut dyn FnMut(&str)) {
        add(self.operation);
        add(self.outcome.as_str());
    }
}

impl Operations {
    pub(super) fn new(family: Family<OperationLabels, Histogram>, time: Time) -> Self {
        Self { family, time, slow_after: Duration::from_millis(500) }
    }

    /// Sets from which duration on an operation is slow. Default: 500 ms, which a person notices.
    ///
    /// A lower threshold writes more lines, but never more than one a second for each name. At 0
    /// every operation counts as slow; `Duration::MAX` logs none.
    pub fn slow_after(mut self, duration: Duration) -> Self {
        self.slow_after = duration;
        self
    }

    /// Returns the operation of this name, such as `list_notes`.
    #[must_use]
    pub fn operation(&self, name: &'static str) -> Operation {
        let histogram = |outcome| self.family.with(&OperationLabels { operation: name, outcome });
        Operation(Arc::new(Shared {
            name,
            time: self.time.clone(),
            slow_after: self.slow_after,
            ok: histogram(Outcome::Ok),
            failed: histogram(Outcome::Failed),
            cancelled: histogram(Outcome::Cancelled),
            logged: AtomicU64::new(0),
            suppressed: AtomicU64::new(0),
        }))
    }
}

impl Operation {
    /// Times a future from its first poll until it is ready or dropped. `Err` counts as failed.
    pub fn time<F, T, E>(&self, future: F) -> Timed<F>
    where
        F: Future<Output = Result<T, E>>,
    {
        Timed { inner: future, operation: self.clone(), timer: None }
    }

    /// Starts a timer for an operation that is not a future.
    #[must_use = "a timer that is dropped counts as cancelled"]
    pub fn start(&self) -> Timer {
        Timer { operation: self.clone(), begun: self.0.time.now(), outcome: Outcome::Cancelled }
    }
}

/// Times one operation. Dropped without [`finish`](Self::finish), it counts as cancelled.
#[derive(Debug)]
pub struct Timer {
    operation: Operation,
    begun: Mono,
    outcome: Outcome,
}

impl Timer {
    /// Ends the operation, with the outcome of its result.
    pub fn finish<T, E>(mut self, result: &Result<T, E>) {
        self.outcome = if result.is_ok() { Outcome::Ok } else { Outcome::Failed };
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let shared = &self.operation.0;
        let now = shared.time.now();
        let duration = now.saturating_since(self.begun);
        let histogram = match self.outcome {
            Outcome::Cancelled => &shared.cancelled,
            Outcome::Failed => &shared.failed,
            Outcome::Ok => &shared.ok,
        };
        histogram.record_duration(duration);
        if duration >= shared.slow_after {
            shared.log(now, duration, self.outcome);
        }
    }
}

impl Shared {
    #[cold]
    fn log(&self, now: Mono, duration: Duration, outcome: Outcome) {
        let last = self.logged.load(Ordering::Relaxed);
        let paused = now.saturating_since(Mono::from_nanos(last)) >= PAUSE || last == 0;
        // The clock may start at 0, which means never.
        let this = now.as_nanos().max(1);
        let exchange = |()| {
            self.logged.compare_exchange(last, this, Ordering::Relaxed, Ordering::Relaxed).ok()
        };
        if paused.then_some(()).and_then(exchange).is_none() {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        tracing::warn!(
            target: "hardpoint::observability::slow",
            operation = self.name,
            duration_ms = (duration.as_secs_f64() * 1e6).round() / 1e3,
            outcome = outcome.as_str(),
            suppressed = self.suppressed.swap(0, Ordering::Relaxed),
            "slow operation"
        );
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("name", &self.name)
            .field("slow_after", &self.slow_after)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Operation::time`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are polled"]
    pub struct Timed<F> {
        #[pin]
        inner: F,
        operation: Operation,
        timer: Option<Timer>,
    }
}

impl<F, T, E> Future for Timed<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let operation = &*this.operation;
        this.timer.get_or_insert_with(|| operation.start());
        let result = ready!(this.inner.poll(cx));
        if let Some(timer) = this.timer.take() {
            timer.finish(&result);
        }
        Poll::Ready(result)
    }
}
