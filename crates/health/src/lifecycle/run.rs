//! Running a server until it has drained, or until it must not wait any longer.

use std::{error::Error, pin::pin, process::ExitCode};

use tracing::{error, info, warn};

use super::{
    Lifecycle,
    signals::{Signal, Source},
};

type BoxError = Box<dyn Error + Send + Sync>;

/// How a run ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Requests were cut at the deadline.
    DeadlinePassed,
    /// The server is done, and no request is left.
    Drained,
    /// The server failed.
    Failed(BoxError),
    /// A second signal came during the drain.
    Interrupted(Signal),
}

impl Ended {
    /// Says so in the log, once. `in_flight` requests are cut.
    pub(super) fn log(&self, in_flight: u64) {
        match self {
            Self::DeadlinePassed => warn!(
                target: "hardpoint::health::lifecycle",
                in_flight,
                "drain deadline passed, cutting what is left"
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
                "second signal, ending at once"
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
    /// Drives `serve` to one of the ends.
    pub(super) async fn drive<F, T, E>(&self, serve: F, mut signals: impl Source) -> Ended
    where
        F: Future<Output = Result<T, E>>,
        E: Into<BoxError>,
    {
        let serve = pin!(async {
            serve.await?;
            // A server that hands its connections to tasks may be done before they are. This waits
            // for what `DrainLayer` counts: handlers and their bodies. What a connection's task
            // has still to write, the server alone can wait for.
            if self.is_draining() {
                self.inner.board.emptied().await;
            }
            Ok(())
        });
        let cut_after = self.inner.plan.cut_after();
        // Biased: whoever is done in time is not cut.
        tokio::select! {
            biased;
            served = serve => served.map_or_else(|error: E| Ended::Failed(error.into()), |()| Ended::Drained),
            signal = self.second(&mut signals) => Ended::Interrupted(signal),
            () = self.inner.board.drained_for(cut_after) => Ended::DeadlinePassed,
        }
    }

    /// Begins the drain at the first signal and resolves at the second.
    ///
    /// Signals are counted, and not drains: a drain that the program began itself, as in a hook that
    /// runs before the platform's signal, is not cut short by that signal.
    async fn second(&self, signals: &mut impl Source) -> Signal {
        let first = signals.next().await;
        info!(
            target: "hardpoint::health::lifecycle",
            signal = first.as_str(),
            "signal received"
        );
        self.begin_drain();
        signals.next().await
    }
}
