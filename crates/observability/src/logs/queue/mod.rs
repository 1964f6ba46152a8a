//! Passes log lines to a dedicated writer thread, so that requests do not wait for the output.
//!
//! Each thread appends to one of several lanes; a line never takes a lock that all threads share.
//! The writer thread swaps the lanes' buffers for empty ones and writes them. The lines of one
//! thread keep their order; lines of different threads may be swapped within one round.

mod writer;

#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// More lanes than a typical service has worker threads.
const LANES: usize = 16;

/// The room that a lane keeps when it has no lines.
const KEPT_MAX: usize = 64 * 1024;

/// How long an ending thread waits for its lines to be written.
const END_PATIENCE: Duration = Duration::from_millis(200);

/// Writes the line that reports how many lines were lost since the last report.
pub(super) type Report = Box<dyn Fn(u64, &mut String) + Send>;

/// Lines that wait for the writer: at most `limit` bytes, including those being written.
pub(super) struct Queue {
    lanes: [Mutex<Vec<u8>>; LANES],
    bytes: AtomicUsize,
    limit: usize,
    /// Lost lines of this queue, and how many of them a line has reported.
    lost: AtomicU64,
    reported: AtomicU64,
    /// Lost lines of all queues of one `Logs`.
    dropped: Arc<AtomicU64>,
    /// No more lines will come: the writer writes the rest and ends.
    closed: AtomicBool,
    /// An ending thread waited in vain since the writer last wrote. Others then do not wait.
    stalled: AtomicBool,
    /// Whether the writer sleeps until it is woken.
    parked: AtomicBool,
    writer: OnceLock<Thread>,
    flushes: Mutex<Flushes>,
    flushed: Condvar,
}

/// The numbers of requested and completed flushes.
#[derive(Default)]
struct Flushes {
    requested: u64,
    done: u64,
}

impl Queue {
    /// Starts a queue whose thread writes to `to`.
    ///
    /// # Errors
    /// The operating system's error if the thread cannot be started.
    pub(super) fn start(
        limit: usize,
        dropped: Arc<AtomicU64>,
        to: impl io::Write + Send + 'static,
        report: Report,
    ) -> io::Result<Arc<Self>> {
        let queue = Arc::new(Self {
            lanes: Default::default(),
            bytes: AtomicUsize::new(0),
            limit,
            lost: AtomicU64::new(0),
            reported: AtomicU64::new(0),
            dropped,
            closed: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            parked: AtomicBool::new(false),
            writer: OnceLock::new(),
            flushes: Mutex::default(),
            flushed: Condvar::new(),
        });
        let own = Arc::clone(&queue);
        let thread = thread::Builder::new()
            .name("hardpoint-logs".to_owned())
            .spawn(move || writer::run(&own, to, &report))?;
        // This is the only place that sets it.
        let _first = queue.writer.set(thread.thread().clone());
        Ok(queue)
    }

    /// Appends a line, or counts it as dropped if it does not fit. An eighth of the limit is
    /// reserved for urgent lines.
    pub(super) fn push(&self, line: &[u8], urgent: bool) {
        let limit = if urgent { self.limit } else { self.limit - self.limit / 8 };
        if line.len() > limit {
            // Before it reserves what shorter lines could use.
            return self.lose(1);
        }
        // Reserved first and released if it exceeds the limit, so that concurrent pushes never
        // exceed the limit together. SeqCst: see `writer::rest`.
        let before = self.bytes.fetch_add(line.len(), Ordering::SeqCst);
        if before.saturating_add(line.len()) > limit {
            self.bytes.fetch_sub(line.len(), Ordering::SeqCst);
            return self.lose(1);
        }
        self.lane().extend_from_slice(line);
        if self.parked.load(Ordering::SeqCst) && self.parked.swap(false, Ordering::SeqCst) {
            self.wake();
        }
    }

    fn lose(&self, lines: u64) {
        self.lost.fetch_add(lines, Ordering::Relaxed);
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }

    /// Waits until every line pushed before this call is written or counted as lost, for at most
    /// `within`. Returns `false` if the time ran out.
    pub(super) fn flush(&self, within: Duration) -> bool {
        let mut flushes = self.flushes();
        flushes.requested += 1;
        let own = flushes.requested;
        self.parked.store(false, Ordering::SeqCst);
        self.wake();
        let waiting = self
            .flushed
            .wait_timeout_while(flushes, within, |flushes| flushes.done < own)
            .unwrap_or_else(PoisonError::into_inner);
        !waiting.1.timed_out()
    }

    /// Flushes when this thread ends, and so when the program returns from `main` or calls
    /// `process::exit` on this thread.
    pub(super) fn flush_at_end_of_thread(self: &Arc<Self>) {
        // The guard of a thread that is already ending is gone.
        let _ending = AT_END.try_with(|guard| {
            let Ok(mut queues) = guard.0.try_borrow_mut() else { return };
            // The reference count, which all threads share, is touched once per thread.
            if !queues.iter().any(|queue| Arc::ptr_eq(queue, self)) {
                queues.push(Arc::clone(self));
            }
        });
    }

    /// Whether a line or a report waits.
    fn is_behind(&self) -> bool {
        self.bytes.load(Ordering::SeqCst) > 0
            || self.reported.load(Ordering::Relaxed) != self.lost.load(Ordering::Relaxed)
    }

    fn lane(&self) -> MutexGuard<'_, Vec<u8>> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static LANE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % LANES;
        }
        let [first, ..] = &self.lanes;
        let lane = LANE.try_with(|lane| self.lanes.get(*lane)).ok().flatten().unwrap_or(first);
        lane.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    fn flushes(&self) -> MutexGuard<'_, Flushes> {
        self.flushes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Flushes the queues that the thread used when it ends.
struct AtEnd(RefCell<Vec<Arc<Queue>>>);

thread_local! {
    static AT_END: AtEnd = const { AtEnd(RefCell::new(Vec::new())) };
}

impl Drop for AtEnd {
    fn drop(&mut self) {
        for queue in self.0.get_mut() {
            let worthwhile = queue.is_behind() && !queue.stalled.load(Ordering::Relaxed);
            if worthwhile && !queue.flush(END_PATIENCE) {
                queue.stalled.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// Makes the writers through which a subscriber's layer pushes lines. Dropped with the subscriber,
/// it ends the writer thread.
pub(super) struct Lines(pub(super) Arc<Queue>);

impl Drop for Lines {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::SeqCst);
        self.0.wake();
    }
}

/// Pushes the bytes of each `write` call as one line.
pub(super) struct LineWriter<'a> {
    queue: &'a Arc<Queue>,
    urgent: bool,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter { queue: &self.0, urgent: false }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> LineWriter<'a> {
        // More urgent levels compare as smaller.
        LineWriter { queue: &self.0, urgent: *metadata.level() <= Level::WARN }
    }
}

impl io::Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.queue.flush_at_end_of_thread();
        self.queue.push(line, self.urgent);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
