//! The life of a service: starting, ready, draining, ended.
//!
//! A [`Lifecycle`] lets the requests in flight finish when the service has to stop, and keeps a
//! service that never finishes from blocking the deployment.
//!
//! ```
//! use axum::{Router, routing::get};
//! use hardpoint_health::{DrainLayer, Lifecycle, ProbeLayer, serve::Server};
//! use std::{process::ExitCode, time::Duration};
//!
//! # async fn example() -> Result<ExitCode, Box<dyn std::error::Error>> {
//! let lifecycle = Lifecycle::builder().drain_delay(Duration::ZERO).build()?;
//! let app = Router::new()
//!     .route("/", get(|| async { "hello" }))
//!     .layer(DrainLayer::new(&lifecycle))
//!     .layer(ProbeLayer::new(&lifecycle));
//! let server = Server::bind("127.0.0.1:0").await?;
//! lifecycle.started();
//!
//! # lifecycle.begin_drain(); // a signal does it
//! Ok(lifecycle.run(server.service(app).serve(&lifecycle)).await)
//! # }
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # let code = runtime.block_on(example())?;
//! # assert_eq!(code, ExitCode::SUCCESS);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Semantics
//!
//! The first SIGTERM or SIGINT (Ctrl-C outside Unix) or a call of
//! [`begin_drain`](Lifecycle::begin_drain) begins the drain:
//!
//! 1. At once, the readiness probe fails. HTTP/1 responses that pass a [`DrainLayer`] or come from
//!    a [`ProbeLayer`] carry `Connection: close`, so that clients with open connections move to
//!    another replica. The liveness probe still passes. The server still accepts connections.
//! 2. After [`drain_delay`](LifecycleBuilder::drain_delay), a `Server` (feature `serve`) accepts the
//!    connections that wait in the kernel's queue and closes the socket.
//! 3. After a further [`settle`](LifecycleBuilder::settle),
//!    [`stop_accepting`](Lifecycle::stop_accepting) resolves, and the server closes idle
//!    connections.
//! 4. The server waits for the requests in flight. Those that wait only for their client have half
//!    of the [`drain_deadline`](LifecycleBuilder::drain_deadline).
//! 5. [`run`](Lifecycle::run) returns as soon as the server has finished and no request or
//!    [guard](Lifecycle::hold) is in flight, and at the latest the deadline and 0.3 seconds after the
//!    delay. At the deadline, a `Server` drops the requests that are left, so that each leaves its
//!    access line. Then the [hooks](LifecycleBuilder::add_hook) run.
//!
//! A second SIGINT ends the run at once, and so does a SIGTERM that arrives at least
//! [`insist_after`](LifecycleBuilder::insist_after) (2 seconds) after the first signal. An earlier
//! SIGTERM is taken for the first one's twin: a `preStop` hook and the platform, or a supervisor and
//! the process group, each send one. Signals before `run` have their usual effect.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | no request was cut |
//! | 70 | the server or a hook failed, or the signal handlers could not be installed |
//! | 75 | the deadline passed, and the remaining requests were cut |
//! | 130, 143 | a second signal arrived: SIGINT, SIGTERM |
//!
//! # Sharing
//!
//! A [`Lifecycle`] is a handle. All clones, and all layers and probes made from it, share one
//! state. The state is local to the process.
//!
//! # Cancellation
//!
//! Dropping the future of [`run`](Lifecycle::run) drops the server and leaves the state unchanged.
//! [`stop_accepting`](Lifecycle::stop_accepting) and [`draining`](Lifecycle::draining) may be
//! called any number of times, and their futures may be dropped.
//!
//! # Deployment caveats
//!
//! - The future passed to [`run`](Lifecycle::run) must await its connections, as a `Server` and
//!   `axum::serve(..).with_graceful_shutdown(..)` do. An accept loop that spawns a task per
//!   connection must join those tasks. `run` counts requests, not bytes still to be written to a
//!   socket, so without the join it returns 0 while the end of a response is cut.
//! - After [`run`](Lifecycle::run), the drop of the runtime waits for threads that block in
//!   [`tokio::task::spawn_blocking`], and a runtime whose threads are all blocked cannot keep the
//!   deadline. [`run_to_exit`](Lifecycle::run_to_exit) depends on neither.
//! - `axum::serve` closes some connections without a response at step 3:
//!   those it accepted just before and that have not sent a byte yet, which hyper counts as idle,
//!   and those that wait in the kernel's queue. The drain delay makes this rare, since by then
//!   clients should no longer open connections. With a `Server`, only the moment between its last
//!   look at the kernel's queue and the closing of the socket remains. `axum::serve` also leaves
//!   half-sent requests and clients that do not read to the deadline, with exit code 75.
//! - A client may send a request on an idle connection just as the server closes it. HTTP/1 cannot
//!   announce that in advance; clients retry such requests if they are idempotent (RFC 9110
//!   §9.2.2). A longer drain delay leaves fewer idle connections.
//! - Serve [`Probes`](crate::Probes) on the admin listener from a separate task without a graceful
//!   shutdown, so that probes are answered until the process ends.
//! - Kubernetes counts the `preStop` hook, the delay and the deadline against
//!   `terminationGracePeriodSeconds`.
//! - The drain does not wait for upgraded connections (WebSockets) by itself. Their tasks hold a
//!   [guard](Lifecycle::hold), await [`draining`](Lifecycle::draining) and close the connection.
//! - As PID 1 of a container, a process without a signal handler ignores SIGTERM. Keep the work
//!   before [`run`](Lifecycle::run) short.
//!
//! [`DrainLayer`]: crate::DrainLayer
//! [`ProbeLayer`]: crate::ProbeLayer

use std::{
    error::Error,
    io,
    process::ExitCode,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use hardpoint_core::Readiness;
use tokio::runtime::Handle;

pub use self::builder::LifecycleBuilder;
use self::{
    hook::{Flush, Hook},
    run::Ended,
    signals::System,
};
use crate::{
    board::Board,
    check::run::Runner,
    drain::{InFlight, Tally},
    monitor::Monitor,
};

mod builder;
mod exit;
mod hook;
mod run;
#[cfg(feature = "serve")]
mod serving;
mod signals;
#[cfg(target_os = "linux")]
mod systemd;
#[cfg(test)]
mod tests;

/// A handle that starts a service, runs its checks and drains it. See the [module docs](self).
///
/// Cheap to clone. The checks run until the last clone and all layers and probes made from it are
/// dropped.
#[derive(Clone, Debug)]
#[must_use = "dropping a lifecycle stops its checks"]
pub struct Lifecycle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    board: Arc<Board>,
    plan: Plan,
    tally: Arc<Tally>,
    /// Taken by the end of the run.
    hooks: Mutex<Vec<Hook>>,
    /// The sum of the hooks' deadlines.
    hooks_within: Duration,
    flush: Option<Flush>,
    #[cfg(target_os = "linux")]
    manager: Option<systemd::Notifier>,
    /// The runtime in which the lifecycle was built.
    runtime: Option<Handle>,
    /// The admin thread, once something needs it.
    monitor: OnceLock<Monitor>,
    /// Dropping the runner stops the checks, so they end with the last handle.
    _checks: Option<Runner>,
}

/// The timing of the drain. `delay` counts from its beginning, the others from the end of `delay`.
#[derive(Clone, Copy, Debug)]
struct Plan {
    delay: Duration,
    settle: Duration,
    deadline: Duration,
    /// Counts from the first signal.
    insist_after: Duration,
}

/// How long a server may take to drop the requests that it cuts.
const CUT_WITHIN: Duration = Duration::from_millis(300);

impl Plan {
    const fn stop_after(self) -> Duration {
        self.delay.saturating_add(self.settle)
    }

    const fn cut_after(self) -> Duration {
        self.delay.saturating_add(self.deadline)
    }
}

impl Lifecycle {
    /// Returns a builder with the defaults: no checks, a drain delay of 5 seconds, a settle time of
    /// 50 milliseconds and a drain deadline of 20 seconds.
    pub const fn builder() -> LifecycleBuilder {
        LifecycleBuilder::new()
    }

    /// Marks the service as ready for its first request: the startup probe passes from now on, and
    /// readiness depends on the checks. Further calls have no effect.
    ///
    /// Also notifies systemd, if the unit has `Type=notify`.
    pub fn started(&self) {
        if self.inner.board.start() {
            #[cfg(target_os = "linux")]
            self.notify_manager(systemd::Notifier::READY);
        }
    }

    /// Begins the drain, as the first signal does. Further calls have no effect. A signal after
    /// this call still counts as the first one.
    ///
    /// Use it for reasons to stop other than a signal: an admin route that a `preStop` hook calls,
    /// a lost lease, a finished job.
    pub fn begin_drain(&self) {
        if self.inner.board.begin_drain() {
            #[cfg(target_os = "linux")]
            self.notify_manager(systemd::Notifier::STOPPING);
        }
    }

    #[cfg(target_os = "linux")]
    fn notify_manager(&self, state: &str) {
        if let Some(manager) = &self.inner.manager {
            manager.send(state);
        }
    }

    /// Returns whether the service takes new work and, if not, why. Reads only memory.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.inner.board.verdict().readiness()
    }

    /// Returns whether the drain has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.inner.board.phase().is_draining()
    }

    /// Returns the number of requests that have entered a [`DrainLayer`](crate::DrainLayer) of this
    /// lifecycle and whose response body has not ended.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.inner.board.phase().in_flight()
    }

    /// Resolves when the drain begins, or at once if it has already begun. Long streams await it to
    /// close in time, and worker loops to stop taking work.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        let board = Arc::clone(&self.inner.board);
        async move {
            board.drain_began().await;
        }
    }

    /// Resolves when servers should stop accepting and let their connections end. Pass it to
    /// `axum::serve(..).with_graceful_shutdown(..)`, one future per listener.
    pub fn stop_accepting(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        let board = Arc::clone(&self.inner.board);
        let stop_after = self.inner.plan.stop_after();
        async move { board.drained_for(stop_after).await }
    }

    /// Counts a piece of work as in flight, until the returned guard is dropped: a WebSocket, a
    /// message of a queue, a job. A drain waits for it until the deadline.
    ///
    /// ```
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use hardpoint_health::Lifecycle;
    ///
    /// let lifecycle = Lifecycle::builder().build()?;
    /// # let (worker, messages) = (lifecycle.clone(), 3);
    /// tokio::spawn(async move {
    ///     for message in 0..messages {
    ///         if worker.is_draining() {
    ///             break;
    ///         }
    ///         let _in_flight = worker.hold();
    ///         // The drain lets this message finish.
    ///         # let _ = message;
    ///     }
    /// });
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(example())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hold(&self) -> InFlight {
        InFlight::enter(&self.inner.board)
    }

    /// The runtime in which the lifecycle was built.
    #[cfg(feature = "serve")]
    pub(crate) fn runtime(&self) -> Option<&Handle> {
        self.inner.runtime.as_ref()
    }

    pub(crate) fn board(&self) -> &Arc<Board> {
        &self.inner.board
    }

    /// The runtime of the admin thread, which is started if it does not run yet.
    pub(crate) fn monitor(&self) -> io::Result<&Handle> {
        let monitor = &self.inner.monitor;
        if monitor.get().is_none() {
            let started = Monitor::start(self.board(), self.inner.runtime.clone())?;
            // If two callers start one, the second one ends here.
            drop(monitor.set(started));
        }
        monitor.get().map(Monitor::handle).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Runs `serve` until it has drained, handles SIGTERM and SIGINT meanwhile, logs how the run
    /// ended and returns the exit code for the process.
    ///
    /// `serve` must await its connections, as `axum::serve` does with a graceful shutdown. If it
    /// leaves them to detached tasks, the run ends with 0 before their responses are written.
    ///
    /// Combine several listeners into one future, for example with `tokio::try_join!`. If `serve`
    /// ends without a drain, the run ends too: with 0 if it returned `Ok`, with 70 if it returned
    /// an error.
    ///
    /// Return the code from `main`. Once `run` has returned or its future is dropped, the process
    /// ignores these signals: keep the remaining work short.
    pub async fn run<F, T, E>(&self, serve: F) -> ExitCode
    where
        F: IntoFuture<Output = Result<T, E>>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let ended = match self.monitor().and_then(|_| System::listen()) {
            Ok(signals) => self.drive(serve.into_future(), signals).await,
            Err(error) => Ended::Failed(error.into()),
        };
        self.finish(ended).await.into()
    }
}
