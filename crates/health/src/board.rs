//! The state that the lifecycle, the checks, the layers and the probes share.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
    time::Duration,
};

use hardpoint_core::{
    Event, Mono, Readiness, Telemetry, Time,
    event::{CheckChanged, ReadinessChanged},
};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tracing::{error, info, warn};

use crate::{
    check::{Down, Tracked, run::timeout, state::Status},
    heartbeat::Pulse,
    phase::Phase,
};

/// The overall status of the service. [`Board::verdict`] defines the precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Degraded,
    Draining,
    NotReady,
    Ok,
    Stalled,
    Starting,
}

impl Verdict {
    pub(crate) const fn readiness(self) -> Readiness {
        match self {
            Self::Degraded | Self::Ok => Readiness::Ready,
            Self::Draining => Readiness::Draining,
            Self::NotReady | Self::Stalled => Readiness::NotReady,
            Self::Starting => Readiness::Starting,
        }
    }

    /// The verdict in `snake_case`, as the probes show it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Degraded => "degraded",
            Self::Draining => "draining",
            Self::NotReady => "not_ready",
            Self::Ok => "ok",
            Self::Stalled => "stalled",
            Self::Starting => "starting",
        }
    }
}

pub(crate) struct Board {
    phase: Phase,
    checks: Vec<Arc<Tracked>>,
    /// The readiness that the observer last received, as its index in [`index_of`].
    told: AtomicU8,
    /// The packed state of the service's runtime.
    pulse: AtomicU32,
    /// Notified after each change that may change a verdict.
    changed: watch::Sender<()>,
    drain_began: watch::Sender<Option<Instant>>,
    emptied: Notify,
    time: Time,
    telemetry: Telemetry,
    origin: Mono,
}

impl Board {
    pub(crate) fn new(checks: Vec<Arc<Tracked>>, time: Time, telemetry: Telemetry) -> Self {
        Self {
            phase: Phase::default(),
            checks,
            told: AtomicU8::new(index_of(Readiness::Starting)),
            pulse: AtomicU32::new(pack(Pulse::Beating)),
            changed: watch::Sender::new(()),
            drain_began: watch::Sender::new(None),
            emptied: Notify::new(),
            origin: time.now(),
            time,
            telemetry,
        }
    }

    pub(crate) const fn phase(&self) -> &Phase {
        &self.phase
    }

    pub(crate) fn checks(&self) -> impl Iterator<Item = &Tracked> {
        self.checks.iter().map(AsRef::as_ref)
    }

    /// Whole seconds since the board was created, on the injected clock.
    pub(crate) fn seconds(&self) -> u32 {
        let age = self.time.now().saturating_since(self.origin);
        u32::try_from(age.as_secs()).unwrap_or(u32::MAX)
    }

    pub(crate) fn verdict(&self) -> Verdict {
        if self.phase.is_draining() {
            return Verdict::Draining;
        }
        if !self.is_started() {
            return Verdict::Starting;
        }
        let mut verdict = match self.pulse() {
            Pulse::Beating => Verdict::Ok,
            Pulse::Silent(_) => Verdict::Degraded,
            Pulse::Stalled => return Verdict::Stalled,
        };
        for check in &self.checks {
            match check.state().status {
                Status::Up => {}
                Status::Down if self.skips(check) => {}
                // A gating check must pass once before the service is ready.
                Status::Unknown | Status::Down if check.gates_readiness => {
                    return Verdict::NotReady;
                }
                Status::Unknown => {}
                Status::Down => verdict = Verdict::Degraded,
            }
        }
        verdict
    }

    /// Whether the program has started and the checks that gate the start have passed once.
    pub(crate) fn is_started(&self) -> bool {
        let pending = |check: &Arc<Tracked>| check.gates_startup && !check.has_passed();
        self.phase.is_started() && !self.checks.iter().any(pending)
    }

    /// Whether the check with this index does not run because one that it depends on is down.
    pub(crate) fn is_skipped(&self, check: usize) -> bool {
        self.checks.get(check).is_some_and(|check| self.skips(check))
    }

    /// Whether `check` does not run because one that it depends on is down.
    pub(crate) fn skips(&self, check: &Tracked) -> bool {
        let is_down = |index: &usize| {
            self.checks.get(*index).is_some_and(|check| check.state().status == Status::Down)
        };
        check.ancestors.iter().any(is_down)
    }

    /// Notified after each change that may change a verdict.
    #[cfg(feature = "grpc")]
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The state of the service's runtime.
    pub(crate) fn pulse(&self) -> Pulse {
        unpack(self.pulse.load(Ordering::Acquire))
    }

    /// Takes note of the state of the service's runtime, and logs a change.
    pub(crate) fn set_pulse(&self, pulse: Pulse) {
        let before = unpack(self.pulse.swap(pack(pulse), Ordering::AcqRel));
        if before == pulse {
            return;
        }
        match pulse {
            Pulse::Beating => info!(
                target: "hardpoint::health::runtime",
                "all workers of the runtime respond again"
            ),
            Pulse::Silent(workers) => warn!(
                target: "hardpoint::health::runtime",
                workers,
                "workers of the runtime are blocked: a task has not yielded for 5 seconds"
            ),
            Pulse::Stalled => error!(
                target: "hardpoint::health::runtime",
                "the runtime is stalled: no task has run for 10 seconds"
            ),
        }
        self.tell();
    }

    /// Returns `true` on the first call only.
    pub(crate) fn start(&self) -> bool {
        let first = self.phase.start();
        if first {
            info!(target: "hardpoint::health::lifecycle", "started");
            self.tell();
        }
        first
    }

    /// Returns `true` on the first call only.
    pub(crate) fn begin_drain(&self) -> bool {
        // Set the phase first, so that a woken task already sees the probes and the layer draining.
        let first = self.phase.begin_drain();
        if first {
            self.drain_began.send_replace(Some(Instant::now()));
            info!(
                target: "hardpoint::health::lifecycle",
                in_flight = self.phase.in_flight(),
                "draining"
            );
            self.tell();
        }
        first
    }

    /// Waits for the drain to begin and returns the instant at which it began.
    pub(crate) async fn drain_began(&self) -> Instant {
        let mut began = self.drain_began.subscribe();
        loop {
            let seen = *began.borrow_and_update();
            if let Some(began) = seen {
                return began;
            }
            if began.changed().await.is_err() {
                // Unreachable: `self` owns the sender.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until `time` has passed since the drain began.
    pub(crate) async fn drained_for(&self, time: Duration) {
        let began = self.drain_began().await;
        // `sleep` instead of `sleep_until`: an `Instant` cannot hold the longest durations. `sleep`
        // always waits for the next timer tick, so skip it if the time has already passed.
        let left = time.saturating_sub(began.elapsed());
        if !left.is_zero() {
            tokio::time::sleep(left).await;
        }
    }

    /// Waits until no request is in flight. Call it only after the drain has begun: `leave` does
    /// not wake waiters before that.
    pub(crate) async fn emptied(&self) {
        loop {
            // Register before reading the count, so that no wake-up in between is lost.
            let emptied = self.emptied.notified();
            if self.phase.in_flight() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Removes one request from the in-flight count.
    pub(crate) fn leave(&self) {
        if self.phase.leave() {
            self.emptied.notify_waiters();
        }
    }

    /// Records a failure of a run that has exceeded its timeout and is not over.
    pub(crate) fn overdue(&self, check: usize, age: Duration) {
        if let Some(tracked) = self.checks.get(check) {
            let started = u64::from(self.seconds()).saturating_sub(age.as_secs());
            tracked.set_overdue_since(Some(started));
        }
        self.record(check, Err(timeout()), age);
    }

    /// Takes note that the overdue run is over.
    pub(crate) fn overdue_ended(&self, check: usize) {
        if let Some(tracked) = self.checks.get(check) {
            tracked.set_overdue_since(None);
        }
    }

    /// Records one result of a check.
    pub(crate) fn record(&self, check: usize, result: Result<(), Down>, took: Duration) {
        let Some(check) = self.checks.get(check) else { return };
        let (result, down) = match result {
            Ok(()) => (Ok(()), None),
            Err(down) => (Err(down.code()), Some(down)),
        };
        let (before, after) = check.record(result, took, self.seconds());
        if before.status == after.status {
            return;
        }
        let name = &*check.name;
        let healthy = after.status == Status::Up;
        if healthy {
            info!(target: "hardpoint::health::check", check = name, "check is up");
        } else {
            warn!(
                target: "hardpoint::health::check",
                check = name,
                code = down.as_ref().map(Down::code),
                error = down.as_ref().and_then(Down::cause),
                "check is down"
            );
        }
        self.report(&CheckChanged::new(name, healthy).into());
        self.tell();
    }

    /// Calls the observer. A panic of it must not end the thread of the checks or of the admin
    /// listener: the states would be frozen as they are.
    fn report(&self, event: &Event<'_>) {
        // Unwind safe: the observer gets no reference to the board.
        if catch_unwind(AssertUnwindSafe(|| self.telemetry.on(event))).is_err() {
            error!(target: "hardpoint::health::lifecycle", "the observer panicked");
        }
    }

    /// Reports the readiness to the observer if it differs from the last reported one.
    ///
    /// Every change calls this function, and the last value reported is always the current one. The
    /// observer runs without a lock, so two reports can arrive in the wrong order; in that case the
    /// current value is reported again.
    fn tell(&self) {
        self.changed.send_replace(());
        let mut overtaken = false;
        loop {
            let readiness = self.verdict().readiness();
            let index = index_of(readiness);
            if self.told.swap(index, Ordering::AcqRel) == index && !overtaken {
                // The swap synchronizes with the swaps of other threads: compute the verdict again
                // with their changes visible.
                if self.verdict().readiness() == readiness {
                    return;
                }
                continue;
            }
            info!(
                target: "hardpoint::health::lifecycle",
                readiness = readiness.as_str(),
                "readiness changed"
            );
            self.report(&ReadinessChanged::new(readiness).into());
            // A value swapped in since may have reached the observer before this one.
            overtaken = self.told.load(Ordering::Acquire) != index;
        }
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board")
            .field("phase", &self.phase)
            .field("checks", &self.checks)
            .finish_non_exhaustive()
    }
}

const fn pack(pulse: Pulse) -> u32 {
    match pulse {
        Pulse::Beating => 0,
        Pulse::Silent(workers) => workers,
        Pulse::Stalled => u32::MAX,
    }
}

const fn unpack(word: u32) -> Pulse {
    match word {
        0 => Pulse::Beating,
        u32::MAX => Pulse::Stalled,
        workers => Pulse::Silent(workers),
    }
}

const fn index_of(readiness: Readiness) -> u8 {
    match readiness {
        Readiness::Starting => 0,
        Readiness::Ready => 1,
        Readiness::NotReady => 2,
        // `Draining`. `Readiness` is non-exhaustive, but no verdict maps to another variant.
        _ => 3,
    }
}
