//! Runs a server until it has drained or the drain deadline passes.

use std::{error::Error, pin::pin, process::ExitCode};

use tokio::time::Instant;
use tracing::{error, info, warn};

use super::{
    Lifecycle,
    signals::{Signal, Source},
};

type BoxError = Box<dyn Error + Send + Sync>;

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
    /// Logs the outcome. `in_flight` is the number of requests that are cut.
    pub(super) fn log(&self, in_flight: u64) {
        match self {
            Self::DeadlinePassed => warn!(
                target: "hardpoint::health::lifecycle",
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
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::DeadlinePassed => 75.into(),
            Ended::Drained => Self::SUCCESS,
            Ended::Failed(_) => 70.into(),
            Ended::Interrupted(signal) => signal.exit_code().into(),
        }
    }
}

impl Lifecycle {
    /// Drives `serve` until the run ends.
    pub(super) async fn drive<F, T, E>(&self, serve: F, mut signals: impl Source) -> Ended
    where
        F: Future<Output = Result<T, E>>,
        E: Into<BoxError>,
    {
        let serve = pin!(async {
            serve.await?;
            // A server that spawns a task per connection may finish before those tasks do. This
            // waits for the requests that `DrainLayer` counts: handlers and response bodies. Only
            // the server can wait for bytes that a connection's task has yet to write.
            if self.is_draining() {
                self.inner.board.emptied().await;
            }
            Ok(())
        });
        let cut_after = self.inner.plan.cut_after();
        // Biased: a server that finishes at the deadline counts as drained.
        tokio::select! {
            biased;
            served = serve => served.map_or_else(|error: E| Ended::Failed(error.into()), |()| Ended::Drained),
            signal = self.insistence(&mut signals) => Ended::Interrupted(signal),
            () = self.inner.board.drained_for(cut_after) => Ended::DeadlinePassed,
        }
    }

    /// Begins the drain at the first signal and resolves at one that insists: a later SIGINT, or a
    /// SIGTERM that is not the twin of the first signal.
    ///
    /// Only signals count. If the program has already begun the drain itself, for example in a hook
    /// that runs before the platform's signal, that signal does not cut the drain short.
    async fn insistence(&self, signals: &mut impl Source) -> Signal {
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
