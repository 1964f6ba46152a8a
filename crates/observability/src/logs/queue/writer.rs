//! The writer thread.

use std::{
    io::{self, ErrorKind},
    mem,
    sync::{PoisonError, atomic::Ordering},
    thread,
    time::Duration,
};

use super::{KEPT_MAX, Queue, Report};

/// The pause between two rounds under load, which forms batches; also how long a flush waits.
const PAUSE: Duration = Duration::from_millis(1);

/// After this many rounds without a line, the writer sleeps until it is woken.
const QUIET_ROUNDS: u32 = 50;

/// A sleeping writer checks the lanes after this time, although every push wakes it.
const SLEEP: Duration = Duration::from_secs(1);

/// Writes for as long as the process lives.
pub(super) fn run(queue: &Queue, to: impl io::Write, report: &Report) {
    let mut output = Output { to, torn: false };
    let (mut batch, mut text) = (Vec::new(), String::new());
    let (mut reported, mut quiet) = (0, 0);
    loop {
        let requested = queue.flushes().requested;
        let wrote = round(queue, &mut output, &mut batch);
        let dropped = queue.dropped.load(Ordering::Relaxed);
        if dropped != reported && !wrote.failed {
            text.clear();
            report(dropped - reported, &mut text);
            if output.write(text.as_bytes()) == 0 {
                reported = dropped;
            }
        }
        finish(queue, requested);
        quiet = if wrote.any { 0 } else { quiet + 1 };
        rest(queue, quiet);
    }
}

/// The result of a round.
#[derive(Default)]
struct Wrote {
    any: bool,
    failed: bool,
}

/// Writes the contents of the lanes.
fn round(queue: &Queue, output: &mut Output<impl io::Write>, batch: &mut Vec<u8>) -> Wrote {
    let mut wrote = Wrote::default();
    for lane in &queue.lanes {
        mem::swap(batch, &mut lane.lock().unwrap_or_else(PoisonError::into_inner));
        if batch.is_empty() {
            continue;
        }
        wrote.any = true;
        let lost = output.write(batch);
        if lost > 0 {
            wrote.failed = true;
            queue.dropped.fetch_add(lost, Ordering::Relaxed);
        }
        queue.bytes.fetch_sub(batch.len(), Ordering::SeqCst);
        batch.clear();
        batch.shrink_to(KEPT_MAX);
    }
    wrote
}

/// Completes the flushes requested before the round began, whose lines were in the lanes.
fn finish(queue: &Queue, requested: u64) {
    let mut flushes = queue.flushes();
    if flushes.done < requested {
        flushes.done = requested;
        queue.flushed.notify_all();
    }
}

/// Pauses, or sleeps after many rounds without a line.
fn rest(queue: &Queue, quiet: u32) {
    if quiet < QUIET_ROUNDS {
        return thread::park_timeout(PAUSE);
    }
    queue.parked.store(true, Ordering::SeqCst);
    // A push adds its bytes, then reads `parked`; this thread sets `parked`, then reads the bytes.
    // In the single total order of these four, one thread sees the other's store, so no line waits
    // for `SLEEP`.
    if queue.bytes.load(Ordering::SeqCst) == 0 {
        thread::park_timeout(SLEEP);
    }
    queue.parked.store(false, Ordering::SeqCst);
}

/// The destination of the lines.
struct Output<W> {
    to: W,
    /// Whether the last line was written only in part.
    torn: bool,
}

impl<W: io::Write> Output<W> {
    /// Writes whole lines. Returns how many of them were lost.
    fn write(&mut self, lines: &[u8]) -> u64 {
        if mem::take(&mut self.torn) && self.deliver(b"\n") < 1 {
            self.torn = true;
            return count(lines);
        }
        let delivered = self.deliver(lines);
        let (written, rest) = lines.split_at(delivered);
        self.torn = !rest.is_empty() && written.last().is_some_and(|byte| *byte != b'\n');
        count(rest)
    }

    /// Writes `bytes`. Returns how many were written before the output failed.
    fn deliver(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.to.write(rest) {
                Ok(0) => break,
                Ok(some) => written += some,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Another process made the pipe non-blocking. This thread may wait.
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::park_timeout(PAUSE),
                Err(_) => break,
            }
        }
        match self.to.flush() {
            Ok(()) => written,
            Err(_) => 0,
        }
    }
}

fn count(lines: &[u8]) -> u64 {
    lines.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}
