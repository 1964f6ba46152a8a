//! Runs a server until it has drained or the drain deadline passes.

use std::{
    error::Error,
    mem,
    pin::pin,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

use tokio::time::{Instant, timeout};
use tracing::{error, info, warn};

use super::{
    CUT_WITHIN, Lifecycle, hook,
    signals::{Signal, Source},
};

type BoxError = Box<dyn Error + Send + Sync>;

/// The exit code if a hook failed: `EX_SOFTWARE` of sysexits, as for a server that failed.
const FAILED_HOOK: u8 = 70;

/// How a run ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The drain deadline passed; the remaining requests are cut.
    DeadlinePassed,
    /// The server finished and no request is in flight.
    Drained,
    /// The server failed.
    Failed(BoxError),
    /// A second signal arrived during the drain.
    Interrupted(Signal),
}

impl Ended {
    /// Logs the outcome.
    pub(super) fn log(&self, lifecycle: &Lifecycle) {
        let in_flight = lifecycle.in_flight();
        match self {
            Self::DeadlinePassed => warn!(
                target: "hardpoint::health::lifecycle",
                cut = lifecycle.inner.tally.worked(),
                in_flight,
                "drain deadline passed, cutting the remaining requests"
            ),
            Self::Drained => info!(target: "hardpoint::health::lifecycle", "drained"),
            Self::Failed(error) => {
                let error: &(dyn Error + 'static) = &**error;
                error!(
                    target: "hardpoint::health::lifecycle",
                    error,
                    in_flight,
                    "server failed"
                );
            }
            Self::Interrupted(signal) => warn!(
                target: "hardpoint::health::lifecycle",
                signal = signal.as_str(),
                in_flight,
                "second signal received, exiting at once"
            ),
        }
    }

    /// The exit code of the process.
    pub(super) const fn code(&self) -> u8 {
        match self {
            Self::DeadlinePassed => 75,
            Self::Drained => 0,
            Self::Failed(_) => 70,
            Self::Interrupted(signal) => signal.exit_code(),
        }
    }
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> Self {
        ended.code().into()
    }
}

impl Lifecycle {
    /// Drives `serve` until the run ends.
    pub(super) async fn drive<F, T, E>(&self, serve: F, mut signals: impl Source) -> Ended
    where
        F: Future<Output = Result<T, E>>,
        E: Into<BoxError>,
    {
        let (board, tally) = (&self.inner.board, &self.inner.tally);
        let mut serve = pin!(serve);
        let served = AtomicBool::new(false);
        let finished = async {
            serve.as_mut().await?;
            served.store(true, Ordering::Relaxed);
            // A server that spawns a task per connection may finish before those tasks do. This
            // waits for the requests that `DrainLayer` counts (handlers and response bodies) and
            // for guards. Only the server can wait for bytes that a connection's task has yet to
            // write.
            if self.is_draining() {
                board.emptied().await;
            }
            Ok(())
        };
        let deadline = board.drained_for(self.inner.plan.cut_after());
        // Biased: a server that finishes at the deadline counts as drained.
        let ended = tokio::select! {
            biased;
            result = finished => {
                result.map_or_else(|error: E| Ended::Failed(error.into()), |()| Ended::Drained)
            }
            signal = self.insistence(&mut signals) => Ended::Interrupted(signal),
            () = deadline => Ended::DeadlinePassed,
        };
        match ended {
            // A server of this crate cuts its connections at the deadline and then finishes. It
            // reports the requests that it cut, unlike others, for which each connection counts.
            Ended::DeadlinePassed if !served.load(Ordering::Relaxed) && tally.is_serving() => {
                let finished = timeout(CUT_WITHIN, serve).await.is_ok();
                let clean = finished && tally.worked() == 0 && self.in_flight() == 0;
                if clean { Ended::Drained } else { Ended::DeadlinePassed }
            }
            Ended::Drained if tally.worked() > 0 => Ended::DeadlinePassed,
            ended => ended,
        }
    }

    /// Logs how the run ended, runs the hooks and returns the exit code.
    pub(super) async fn finish(&self, ended: Ended) -> u8 {
        ended.log(self);
        let code = ended.code();
        if matches!(ended, Ended::Interrupted(_)) {
            return code;
        }
        let hooks = self.inner.hooks.lock().map(|mut hooks| mem::take(&mut *hooks));
        // A poisoned lock is impossible: the guard lives for the move.
        let passed = hook::run_all(hooks.unwrap_or_default()).await;
        if code == 0 && !passed { FAILED_HOOK } else { code }
    }

    /// Begins the drain at the first signal and resolves at one that insists: a later SIGINT, or a
    /// SIGTERM that is not the twin of the first signal.
    ///
    /// Only signals count. If the program has already begun the drain itself, for example in a hook
    /// that runs before the platform's signal, that signal does not cut the drain short.
    pub(super) async fn insistence(&self, signals: &mut impl Source) -> Signal {
        let first = signals.next().await;
        info!(
            target: "hardpoint::health::lifecycle",
            signal = first.as_str(),
            "signal received"
        );
        self.begin_drain();
        let began = Instant::now();
        loop {
            let next = signals.next().await;
            if next == Signal::Interrupt || began.elapsed() >= self.inner.plan.insist_after {
                return next;
            }
            info!(
                target: "hardpoint::health::lifecycle",
                signal = next.as_str(),
                "repeated signal ignored"
            );
        }
    }
}
