//! The thread that exports, with its own runtime: it depends neither on the runtime of the service
//! nor on there being one.

use std::{
    cell::Cell,
    io,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use hardpoint_core::Time;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};

use super::{
    counts::{DropReason, Signal, Totals},
    deliver::Delivery,
    error::StartError,
    queue::Queue,
};
use crate::metrics::{Metrics, otlp::Window};

/// How often lost records are reported at most.
const REPORT: Duration = Duration::from_secs(10);

/// How long the last records may take if every handle is dropped without a shutdown.
const DROPPED: Duration = Duration::from_secs(5);

/// The most bytes of a request of metrics.
const PAGE: usize = 512 * 1024;

thread_local! {
    static EXPORTS: Cell<bool> = const { Cell::new(false) };
}

/// Whether this is an exporter's thread, whose own log records are not exported: each request would
/// cause the next one.
pub(super) fn is_own_thread() -> bool {
    EXPORTS.try_with(Cell::get).unwrap_or(true)
}

/// The requests of the handles to the thread.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Control {
    /// The number of the latest flush.
    pub(super) flush: u64,
    /// The instant at which the exporter ends, once a handle has asked it to.
    pub(super) closing: Option<Instant>,
}

/// The progress of a part of the exporter: the latest flush that it completed.
pub(super) type Done = watch::Receiver<u64>;

/// A signal whose records wait in a queue.
pub(super) struct Records {
    pub(super) queue: Arc<Queue>,
    pub(super) delivery: Delivery,
    /// How long records wait for more of them at most.
    pub(super) delay: Duration,
    pub(super) done: watch::Sender<u64>,
}

/// The metrics, which are read at each export.
pub(super) struct Points {
    /// Only counts.
    pub(super) queue: Arc<Queue>,
    pub(super) delivery: Delivery,
    pub(super) interval: Duration,
    pub(super) done: watch::Sender<u64>,
    pub(super) metrics: Arc<OnceLock<Metrics>>,
    pub(super) time: Time,
    pub(super) start: Duration,
}

/// All parts of an exporter.
pub(super) struct Parts {
    pub(super) records: Vec<Records>,
    pub(super) points: Option<Points>,
    pub(super) control: watch::Receiver<Control>,
    /// Set when the thread has ended its work.
    pub(super) ended: watch::Sender<bool>,
}

/// Starts the thread.
pub(super) fn start(
    parts: impl FnOnce() -> Result<Parts, StartError>,
) -> Result<Handle, StartError> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(StartError::thread)?;
    let handle = runtime.handle().clone();
    let parts = {
        // Timers and sockets of hyper need it.
        let _entered = handle.enter();
        parts()?
    };
    spawn(runtime, parts).map_err(StartError::thread)?;
    Ok(handle)
}

fn spawn(runtime: Runtime, parts: Parts) -> io::Result<()> {
    thread::Builder::new().name("hardpoint-otlp".to_owned()).spawn(move || {
        EXPORTS.set(true);
        runtime.block_on(run(parts));
        // A look-up of a name may still be running in a thread of the runtime.
        runtime.shutdown_background();
    })?;
    Ok(())
}

/// Works until a handle asks it to end and everything is sent, or until its deadline.
async fn run(parts: Parts) {
    let Parts { records, points, mut control, ended } = parts;
    let queues: Vec<_> = records
        .iter()
        .map(|part| (part.delivery.signal, Arc::clone(&part.queue)))
        .chain(points.iter().map(|part| (part.delivery.signal, Arc::clone(&part.queue))))
        .collect();
    // Counts what is left also if a part panics.
    let mut rest = Rest { queues, ended, reported: Vec::new() };
    let mut all = records.into_iter();
    {
        let work = async {
            tokio::join!(run_records(all.next()), run_records(all.next()), run_points(points));
        };
        let deadline = async {
            let asked = control.wait_for(|control| control.closing.is_some()).await.is_ok();
            // A later call may bring the deadline forward.
            loop {
                let closing = control.borrow_and_update().closing;
                let (Some(deadline), true) = (closing, asked) else { break sleep(DROPPED).await };
                tokio::select! {
                    () = sleep_until(deadline) => break,
                    changed = control.changed() => {
                        if changed.is_err() {
                            break sleep_until(deadline).await;
                        }
                    }
                }
            }
        };
        let report = async {
            let mut ticks = interval(REPORT);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                rest.report();
            }
        };
        tokio::select! {
            biased;
            () = work => {}
            () = deadline => {}
            () = report => {}
        }
    }
}

async fn run_records(part: Option<Records>) {
    if let Some(part) = part {
        part.run().await;
    }
}

async fn run_points(part: Option<Points>) {
    if let Some(part) = part {
        part.run().await;
    }
}

/// Counts and reports lost records.
struct Rest {
    queues: Vec<(Signal, Arc<Queue>)>,
    ended: watch::Sender<bool>,
    /// The counts at the last report.
    reported: Vec<Totals>,
}

impl Rest {
    /// Logs one line for each signal and reason of which records were lost since the last report.
    fn report(&mut self) {
        self.reported.resize_with(self.queues.len(), Totals::default);
        for ((signal, queue), reported) in self.queues.iter().zip(&mut self.reported) {
            let totals = queue.totals();
            for reason in DropReason::ALL {
                let lost = totals.dropped_for(reason) - reported.dropped_for(reason);
                if lost > 0 {
                    tracing::warn!(
                        target: super::TARGET,
                        signal = signal.as_str(),
                        reason = reason.as_str(),
                        dropped = lost,
                        "telemetry dropped"
                    );
                }
            }
            *reported = totals;
        }
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        for (_, queue) in &self.queues {
            // Dropped records count as lost by the shutdown, and so do later ones.
            drop(queue.take(true));
        }
        self.report();
        self.ended.send_replace(true);
    }
}

impl Records {
    async fn run(mut self) {
        loop {
            let control = *self.delivery.control.borrow_and_update();
            let last = control.closing.is_some() || self.delivery.control.has_changed().is_err();
            let mut taken = self.queue.take(last);
            while let Some(batch) = taken.next() {
                self.delivery.deliver(batch).await;
            }
            self.done.send_replace(control.flush);
            if last {
                return;
            }
            if !self.queue.has_batch() {
                let more = timeout(self.delay, self.queue.enough());
                tokio::select! {
                    _ = more => {}
                    _ = self.delivery.control.changed() => {}
                }
            }
        }
    }
}

impl Points {
    async fn run(mut self) {
        let mut next = Instant::now() + self.interval;
        let mut flushed = 0;
        loop {
            tokio::select! {
                () = sleep_until(next) => {}
                _ = self.delivery.control.changed() => {}
            }
            let control = *self.delivery.control.borrow_and_update();
            let last = control.closing.is_some() || self.delivery.control.has_changed().is_err();
            let due = Instant::now() >= next;
            if due || last || control.flush > flushed {
                self.export().await;
                flushed = control.flush;
            }
            if due {
                next = Instant::now() + self.interval;
            }
            self.done.send_replace(control.flush);
            if last {
                return;
            }
        }
    }

    async fn export(&mut self) {
        let Some(metrics) = self.metrics.get() else { return };
        let window = Window { start: self.start, now: self.time.unix() };
        let mut pages = Vec::new();
        metrics.encode(window, PAGE, &mut |page, points| {
            pages.push(self.queue.admit(page.into(), points));
        });
        for page in pages {
            self.delivery.deliver(page).await;
        }
    }
}
