//! Ends the process from the admin thread, which the service cannot hold up.

use std::{
    error::Error,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    process,
    time::Duration,
};

use tokio::{runtime::Handle, sync::oneshot};
use tracing::error;

use super::{
    CUT_WITHIN, Lifecycle,
    run::Ended,
    signals::{Never, Source, System},
};

/// How long the last lines of the log may take.
const FLUSH_WITHIN: Duration = Duration::from_millis(500);
/// Between the last moment at which the service may end by itself and the one at which the admin
/// thread ends it.
const SLACK: Duration = Duration::from_millis(500);
/// `EX_TEMPFAIL` of sysexits.
const CUT: u8 = 75;

impl Lifecycle {
    /// Runs `serve` as [`run`](Self::run) does, then ends the process with that exit code. Never
    /// returns.
    ///
    /// The admin thread receives the signals and keeps the deadline. So neither a handler that
    /// blocks its thread, nor work in [`spawn_blocking`](tokio::task::spawn_blocking), nor the drop
    /// of the runtime at the end of `main` holds up the end. If the service's runtime is blocked
    /// altogether, the process ends about a second after the deadline and the
    /// [hooks](super::LifecycleBuilder::add_hook), with 75.
    ///
    /// The process ends by [`std::process::exit`]: destructors of `main` do not run. Put what must
    /// happen into a hook, and give the log to
    /// [`flush_logs`](super::LifecycleBuilder::flush_logs).
    pub async fn run_to_exit<F, T, E>(&self, serve: F) -> !
    where
        F: IntoFuture<Output = Result<T, E>>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let (finish, finished) = oneshot::channel();
        let lifecycle = self.clone();
        let ended = match self.listen_on_admin_thread() {
            Ok((monitor, signals)) => {
                drop(monitor.spawn(async move { lifecycle.supervise(signals, finished).await }));
                self.drive(serve.into_future(), Never).await
            }
            Err(error) => {
                // Lets `finish.send` below find out that no admin thread will end the process.
                drop(finished);
                Ended::Failed(error.into())
            }
        };
        // Readiness fails while the hooks run, also if the server ended by itself.
        self.begin_drain();
        let code = self.finish(ended).await;
        if finish.send(code).is_err() {
            // The admin thread could not be started.
            self.exit(code);
        }
        loop {
            std::future::pending::<()>().await;
        }
    }

    /// Installs the signal handlers for the admin thread. It does so in the caller, so that a signal
    /// that arrives once the service accepts connections begins a drain and does not kill.
    fn listen_on_admin_thread(&self) -> io::Result<(&Handle, System)> {
        let monitor = self.monitor()?;
        let _context = monitor.enter();
        Ok((monitor, System::listen()?))
    }

    /// Waits on the admin thread for the end of the run, or ends it, and ends the process.
    async fn supervise(self, mut signals: System, finished: oneshot::Receiver<u8>) {
        tokio::select! {
            biased;
            // An error means that the future of `run_to_exit` was dropped: the program goes on
            // without it.
            code = finished => if let Ok(code) = code { self.exit(code) },
            code = self.overrule(&mut signals) => self.exit(code),
        }
    }

    /// Resolves if a signal insists, or if the service misses its deadline.
    async fn overrule(&self, signals: &mut impl Source) -> u8 {
        let slack = self.inner.hooks_within.saturating_add(CUT_WITHIN + SLACK);
        let limit = self.inner.plan.cut_after().saturating_add(slack);
        tokio::select! {
            biased;
            signal = self.insistence(signals) => {
                Ended::Interrupted(signal).log(self);
                signal.exit_code()
            }
            () = self.board().drained_for(limit) => {
                error!(
                    target: "hardpoint::health::lifecycle",
                    in_flight = self.in_flight(),
                    "the service's threads are blocked, exiting without them"
                );
                CUT
            }
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the drain is over; returning from main would wait for threads that block"
    )]
    fn exit(&self, code: u8) -> ! {
        if let Some(flush) = &self.inner.flush {
            // A panic would end this thread, and with it the only one that ends the process.
            drop(catch_unwind(AssertUnwindSafe(|| flush.run(FLUSH_WITHIN))));
        }
        process::exit(code.into())
    }
}
