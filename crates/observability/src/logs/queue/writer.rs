//! The writer thread.

use std::{
    io::{self, ErrorKind},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{PoisonError, atomic::Ordering},
    thread,
    time::Duration,
};

use super::{KEPT_MAX, Queue, Report};

/// The pause between two rounds under load, during which lines collect into batches. It also bounds
/// how long a flush waits for the next round.
const PAUSE: Duration = Duration::from_millis(1);

/// After this many rounds without a line, the writer sleeps until it is woken.
const QUIET_ROUNDS: u32 = 50;

/// How long the writer sleeps at most. Every push wakes it earlier.
const SLEEP: Duration = Duration::from_secs(1);

/// Writes until the queue is closed and empty.
pub(super) fn run(queue: &Queue, to: impl io::Write, report: &Report) {
    let mut output = Output { to, torn: false };
    let (mut batch, mut text) = (Vec::new(), String::new());
    let mut quiet = 0;
    loop {
        let closed = queue.closed.load(Ordering::SeqCst);
        let requested = queue.flushes().requested;
        let wrote = round(queue, &mut output, &mut batch);
        if !wrote.failed {
            report_losses(queue, &mut output, report, &mut text);
        }
        if wrote.any {
            queue.stalled.store(false, Ordering::Relaxed);
        }
        if closed && queue.bytes.load(Ordering::SeqCst) == 0 {
            // Every later flush finds its lines written.
            return finish(queue, u64::MAX);
        }
        finish(queue, requested);
        quiet = if wrote.any { 0 } else { quiet + 1 };
        rest(queue, quiet, requested);
    }
}

/// The result of a round.
#[derive(Default)]
struct Wrote {
    any: bool,
    failed: bool,
}

/// Writes the contents of all lanes.
fn round(queue: &Queue, output: &mut Output<impl io::Write>, batch: &mut Vec<u8>) -> Wrote {
    let mut wrote = Wrote::default();
    for lane in &queue.lanes {
        let mut lines = lane.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() {
            lines.shrink_to(KEPT_MAX);
            continue;
        }
        mem::swap(batch, &mut lines);
        drop(lines);
        wrote.any = true;
        let lost = output.write(batch);
        if lost > 0 {
            wrote.failed = true;
            queue.lose(lost);
        }
        let used = batch.len();
        queue.bytes.fetch_sub(used, Ordering::SeqCst);
        batch.clear();
        // A lane under load keeps what it needs: growing anew each round costs more than the line.
        batch.shrink_to(KEPT_MAX.max(2 * used));
    }
    wrote
}

/// Writes one line about the lines that were lost since the last such line.
fn report_losses(
    queue: &Queue,
    output: &mut Output<impl io::Write>,
    report: &Report,
    text: &mut String,
) {
    let lost = queue.lost.load(Ordering::Relaxed);
    let reported = queue.reported.load(Ordering::Relaxed);
    if lost == reported {
        return;
    }
    text.clear();
    // The report reads the service's clock, which may panic.
    let made = catch_unwind(AssertUnwindSafe(|| report(lost - reported, text)));
    if made.map_err(mem::forget).is_ok() && output.write(text.as_bytes()) == 0 {
        queue.reported.store(lost, Ordering::Relaxed);
    }
}

/// Completes the flushes requested before the round, whose lines were in the lanes.
fn finish(queue: &Queue, requested: u64) {
    let mut flushes = queue.flushes();
    if flushes.done < requested {
        flushes.done = requested;
        queue.flushed.notify_all();
    }
}

/// Pauses, or sleeps after many rounds without a line.
fn rest(queue: &Queue, quiet: u32, finished: u64) {
    if quiet < QUIET_ROUNDS {
        return thread::park_timeout(PAUSE);
    }
    queue.parked.store(true, Ordering::SeqCst);
    // A push adds its bytes and then reads `parked`. This thread sets `parked` and then reads the
    // bytes. Because all four operations have one total order, one thread sees the other's change,
    // so no line waits for `SLEEP`.
    let idle = queue.bytes.load(Ordering::SeqCst) == 0
        && !queue.closed.load(Ordering::SeqCst)
        && queue.flushes().requested == finished;
    thread::park_timeout(if idle { SLEEP } else { PAUSE });
    queue.parked.store(false, Ordering::SeqCst);
}

/// The destination of the lines.
struct Output<W> {
    to: W,
    /// Whether the last line may have been written only in part.
    torn: bool,
}

impl<W: io::Write> Output<W> {
    /// Writes whole lines. Returns how many of them were lost. An output that panics loses them.
    fn write(&mut self, lines: &[u8]) -> u64 {
        let torn = mem::replace(&mut self.torn, true);
        let deliver = AssertUnwindSafe(|| {
            if torn && deliver(&mut self.to, b"\n").is_err() {
                return Err(Some(0));
            }
            deliver(&mut self.to, lines)
        });
        match catch_unwind(deliver).map_err(mem::forget) {
            Ok(Ok(())) => {
                self.torn = false;
                0
            }
            Ok(Err(Some(written))) => {
                let (written, rest) = lines.split_at(written);
                self.torn = written.last().map_or(torn, |byte| *byte != b'\n');
                count(rest)
            }
            Ok(Err(None)) | Err(()) => count(lines),
        }
    }
}

/// Writes `bytes`, or returns how many were written before the output failed; `None` if it buffers
/// and failed to flush, which leaves that unknown.
fn deliver(to: &mut impl io::Write, bytes: &[u8]) -> Result<(), Option<usize>> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match to.write(rest) {
            Ok(0) => return Err(Some(written)),
            Ok(some) => written += some,
            Err(error) if may_retry(&error) => {}
            Err(_) => return Err(Some(written)),
        }
    }
    while let Err(error) = to.flush() {
        if !may_retry(&error) {
            return Err(None);
        }
    }
    Ok(())
}

/// Whether the call may be repeated: it was interrupted, or another process made the pipe
/// non-blocking, which this thread waits for.
fn may_retry(error: &io::Error) -> bool {
    if error.kind() == ErrorKind::WouldBlock {
        thread::park_timeout(PAUSE);
    }
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock)
}

fn count(lines: &[u8]) -> u64 {
    lines.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}
