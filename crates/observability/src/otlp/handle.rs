//! The handle of an exporter.

use std::{
    cell::RefCell,
    fmt,
    pin::pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use hardpoint_core::{SpanId, TraceContext};
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, timeout},
};

use super::{
    counts::{Signal, Totals},
    exporter::{self, Control, Done},
    log::{self, Scratch},
    queue::Queue,
    sampler::Sampler,
    span,
};
use crate::{
    Logs, Metrics, OutgoingLayer, RecordLayer, Redactor,
    logs::export::{Fields, Head, InnerSpan, RecordSink},
    metrics::MetricsBuilder,
    record::span::{self as ids, CallSpan, RequestSpan, SpanSink},
};

/// Buffers that grow beyond this are not kept for the next record.
const KEPT_MAX: usize = 64 * 1024;

/// How much later than its deadline a shutdown returns at most, should the exporter's thread not run.
const SLACK: Duration = Duration::from_millis(250);
/// The longest wait: a longer one would overflow the clock.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// A running exporter. Clones are handles of the same one.
///
/// See the [module docs](super).
#[derive(Clone)]
pub struct Otlp {
    shared: Arc<Shared>,
}

/// How the handles reach the exporter's thread.
pub(super) struct ThreadHandle {
    pub(super) runtime: Handle,
    pub(super) control: watch::Sender<Control>,
    pub(super) done: Vec<Done>,
    pub(super) ended: watch::Receiver<bool>,
}

pub(super) struct Shared {
    /// `None` if nothing is exported.
    pub(super) thread: Option<ThreadHandle>,
    pub(super) queues: [Option<Arc<Queue>>; Signal::ALL.len()],
    pub(super) metrics: Arc<OnceLock<Metrics>>,
    pub(super) sampler: Sampler,
    pub(super) redactor: Redactor,
    /// The targets whose spans are exported, with everything below them.
    pub(super) span_targets: Vec<String>,
}

impl Otlp {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Exports nothing: no thread, no queue, no sampler.
    #[must_use]
    pub fn off() -> Self {
        Self::new(Shared {
            thread: None,
            queues: [const { None }; Signal::ALL.len()],
            metrics: Arc::default(),
            sampler: Sampler::DEFAULT,
            redactor: Redactor::dangerous_off(),
            span_targets: Vec::new(),
        })
    }

    /// Exports these metrics from now on. Only the first call counts.
    pub fn metrics(&self, metrics: &Metrics) {
        let _first = self.shared.metrics.set(metrics.clone());
    }

    /// Whether a signal is exported.
    #[must_use]
    pub fn exports(&self, signal: Signal) -> bool {
        self.shared.queue(signal).is_some()
    }

    /// Returns the counts of a signal's records so far.
    #[must_use]
    pub fn totals(&self, signal: Signal) -> Totals {
        self.shared.queue(signal).map(|queue| queue.totals()).unwrap_or_default()
    }

    /// Waits until every record made before this call was sent, or dropped and counted. Exports
    /// metrics once. Returns `false` if `within` ran out; the exporter goes on.
    ///
    /// It needs no runtime: any executor can poll it.
    ///
    /// # Cancellation
    /// Dropping the future only stops waiting.
    #[must_use = "`false` means that records are still waiting"]
    pub async fn flush(&self, within: Duration) -> bool {
        let Some(thread) = &self.shared.thread else { return true };
        let flushed = thread.flushed();
        // The timer is the exporter's own.
        let waiting = thread.runtime.spawn(async move { timeout(within, flushed).await });
        matches!(waiting.await, Ok(Ok(()))) || *thread.ended.borrow()
    }

    /// Like [`flush`](Self::flush), but blocks this thread. It may be called anywhere, even inside
    /// a runtime, where it blocks the worker.
    #[must_use = "`false` means that records are still waiting"]
    pub fn blocking_flush(&self, within: Duration) -> bool {
        block_on(self.flush(within), within.saturating_add(SLACK)).unwrap_or(false)
    }

    /// Sends the remaining records, exports metrics once more, and ends the exporter, within this
    /// time. Records that are not sent by then are dropped and counted, and so are all later
    /// records. Returns `true` if the shutdown dropped no record.
    ///
    /// A second call can only bring the deadline forward. It needs no runtime.
    ///
    /// # Cancellation
    /// Dropping the future only stops waiting: the exporter ends by its deadline.
    #[must_use = "`false` means that records were dropped"]
    pub async fn shutdown(&self, within: Duration) -> bool {
        let Some(thread) = &self.shared.thread else { return true };
        let before = self.lost_by_shutdown();
        let deadline = Instant::now() + within.min(LONGEST);
        thread.control.send_modify(|control| {
            control.closing = Some(control.closing.map_or(deadline, |other| other.min(deadline)));
        });
        // It always ends: the exporter's thread keeps the deadline.
        let mut ended = thread.ended.clone();
        let _gone = ended.wait_for(|ended| *ended).await;
        self.lost_by_shutdown() == before
    }

    /// Like [`shutdown`](Self::shutdown), but blocks this thread. It may be called anywhere, even
    /// inside a runtime, where it blocks the worker.
    #[must_use = "`false` means that records were dropped"]
    pub fn blocking_shutdown(&self, within: Duration) -> bool {
        block_on(self.shutdown(within), within.saturating_add(SLACK)).unwrap_or(false)
    }

    fn lost_by_shutdown(&self) -> u64 {
        let lost = |signal| self.totals(signal).dropped_for(super::DropReason::Shutdown);
        Signal::ALL.into_iter().map(lost).sum()
    }
}

impl Shared {
    fn queue(&self, signal: Signal) -> Option<&Arc<Queue>> {
        self.queues.get(signal as usize)?.as_ref()
    }
}

impl ThreadHandle {
    /// Asks for a flush. The returned future is ready when it is done.
    fn flushed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut number = 0;
        self.control.send_modify(|control| {
            control.flush += 1;
            number = control.flush;
        });
        let (done, mut ended) = (self.done.clone(), self.ended.clone());
        async move {
            for mut part in done {
                if part.wait_for(|done| *done >= number).await.is_err() {
                    // The part has ended. The fate of its records is known when all have.
                    let _gone = ended.wait_for(|ended| *ended).await;
                }
            }
        }
    }
}

impl SpanSink for Shared {
    fn samples(&self, trace: TraceContext) -> bool {
        self.sampler.samples(trace)
    }

    fn ended(&self, request: &RequestSpan<'_>) {
        let Some(queue) = self.queue(Signal::Traces) else { return };
        with_scratch(|scratch| {
            scratch.record.clear();
            span::encode(&mut scratch.record, request, &self.redactor);
            queue.push(&scratch.record);
        });
    }

    fn called(&self, call: &CallSpan<'_>) {
        let Some(queue) = self.queue(Signal::Traces) else { return };
        with_scratch(|scratch| {
            scratch.record.clear();
            span::encode_call(&mut scratch.record, call, &self.redactor);
            queue.push(&scratch.record);
        });
    }
}

impl RecordSink for Shared {
    fn record(&self, head: &Head<'_>, redactor: &Redactor, fill: &mut dyn FnMut(&mut dyn Fields)) {
        let Some(queue) = self.queue(Signal::Logs) else { return };
        if exporter::is_own_thread() {
            return;
        }
        with_scratch(|scratch| {
            log::encode(scratch, head, redactor, fill);
            queue.push(&scratch.record);
        });
    }

    fn exports_spans_of(&self, target: &str) -> bool {
        let is_of = |prefix: &str| {
            let rest = target.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        self.span_targets.iter().any(|prefix| is_of(prefix)) && !exporter::is_own_thread()
    }

    fn new_span_id(&self) -> SpanId {
        ids::new_id()
    }

    fn span(&self, span: &InnerSpan<'_>, fill: &mut dyn FnMut(&mut dyn Fields)) {
        let Some(queue) = self.queue(Signal::Traces) else { return };
        with_scratch(|scratch| {
            log::encode_span(scratch, span, fill);
            queue.push(&scratch.record);
        });
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Calls `encode` with this thread's buffers.
fn with_scratch(encode: impl FnOnce(&mut Scratch)) {
    let mut encode = Some(encode);
    // The buffers are in use if a value's `Debug` logs, and gone if the thread is ending.
    let _used = SCRATCH.try_with(|scratch| {
        let mut scratch = scratch.try_borrow_mut().ok()?;
        encode.take()?(&mut scratch);
        if scratch.record.capacity() > KEPT_MAX {
            *scratch = Scratch::default();
        }
        Some(())
    });
    if let Some(encode) = encode {
        encode(&mut Scratch::default());
    }
}

impl RecordLayer {
    /// Exports a span for each sampled request. Default: none.
    ///
    /// The exporter's sampler then sets the *sampled* flag of every trace. A request that is not
    /// sampled costs the decision only.
    pub fn otlp(self, otlp: &Otlp) -> Self {
        if otlp.exports(Signal::Traces) {
            return self.spans(Arc::clone(&otlp.shared) as Arc<dyn SpanSink>);
        }
        self
    }
}

impl OutgoingLayer {
    /// Exports a span for each call that belongs to a sampled request. Default: none.
    pub fn otlp(mut self, otlp: &Otlp) -> Self {
        if otlp.exports(Signal::Traces) {
            self.settings.spans = Some(Arc::clone(&otlp.shared) as Arc<dyn SpanSink>);
        }
        self
    }
}

impl Logs {
    /// Exports every event that this log writes, redacted alike, besides writing it, and the spans of
    /// the exporter's [`span_targets`](super::OtlpBuilder::span_targets). Default: only written.
    pub fn otlp(self, otlp: &Otlp) -> Self {
        if otlp.exports(Signal::Logs) || otlp.exports(Signal::Traces) {
            self.export_to(Arc::clone(&otlp.shared) as Arc<dyn RecordSink>)
        } else {
            self
        }
    }
}

impl MetricsBuilder {
    /// Declares `hardpoint_otlp_sent_total`, `hardpoint_otlp_dropped_total` and
    /// `hardpoint_otlp_queued_bytes`: the fate of spans, log records and data points.
    pub fn otlp(&mut self, otlp: &Otlp) {
        let shared = &otlp.shared;
        let queues: Vec<_> = Signal::ALL
            .into_iter()
            .filter_map(|signal| Some((signal, Arc::clone(shared.queue(signal)?))))
            .collect();
        self.exporter(queues);
    }
}

impl fmt::Debug for Otlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = Signal::ALL.into_iter().filter(|signal| self.queue(*signal).is_some());
        f.debug_struct("Otlp").field("signals", &on.collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// Polls a future on this thread, without a runtime, for at most `limit`.
fn block_on<T>(future: impl Future<Output = T>, limit: Duration) -> Option<T> {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let end = Instant::now() + limit.min(LONGEST);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}
