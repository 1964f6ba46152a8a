//! The life of a service: starting, ready, draining, ended.
//!
//! It protects the requests that are in a service when the service must end, and the deployment
//! from a service that does not end.
//!
//! ```
//! use axum::{Router, routing::get};
//! use hardpoint_health::{DrainLayer, Lifecycle, ProbeLayer};
//! use std::{process::ExitCode, time::Duration};
//!
//! # async fn example() -> Result<ExitCode, Box<dyn std::error::Error>> {
//! let lifecycle = Lifecycle::builder().drain_delay(Duration::ZERO).build()?;
//! let app = Router::new()
//!     .route("/", get(|| async { "hello" }))
//!     .layer(DrainLayer::new(&lifecycle))
//!     .layer(ProbeLayer::new(&lifecycle));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! lifecycle.started();
//!
//! # lifecycle.begin_drain(); // a signal does it
//! let server = axum::serve(listener, app).with_graceful_shutdown(lifecycle.stop_accepting());
//! Ok(lifecycle.run(server).await)
//! # }
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # let code = runtime.block_on(example())?;
//! # assert_eq!(code, ExitCode::SUCCESS);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Semantics
//!
//! The drain, from the first SIGTERM or SIGINT (Ctrl-C outside Unix), or from
//! [`begin_drain`](Lifecycle::begin_drain):
//!
//! 1. At once the readiness probe refuses, and responses that pass a [`DrainLayer`] or come from a
//!    [`ProbeLayer`] say `Connection: close` on HTTP/1, so that clients with open connections leave
//!    for another replica. The liveness probe goes on passing. New connections are accepted.
//! 2. After [`drain_delay`](LifecycleBuilder::drain_delay), a `DrainListener` (feature `axum`)
//!    takes in the connections that wait in the kernel and closes the socket.
//! 3. After [`settle`](LifecycleBuilder::settle) more, [`stop_accepting`](Lifecycle::stop_accepting)
//!    resolves, and the server closes the connections that are quiet.
//! 4. [`run`](Lifecycle::run) ends as soon as the server is done and no request is in flight, and
//!    at the latest [`drain_deadline`](LifecycleBuilder::drain_deadline) after the delay: also if a
//!    client never finishes its request's headers, for which axum and hyper would wait for ever.
//!
//! A second signal ends the run at once. Signals before `run` have their usual effect.
//!
//! | exit code | how it ended |
//! |---|---|
//! | 0 | no request was cut |
//! | 70 | the server failed, or signals cannot be listened for |
//! | 75 | the deadline passed, and what was left is cut |
//! | 130, 143 | a second signal: SIGINT, SIGTERM |
//!
//! # Sharing
//!
//! A [`Lifecycle`] is a handle. All clones, and the layers and probes made from it, share one state.
//! It knows nothing of other processes.
//!
//! # Cancellation
//!
//! Dropping the future of [`run`](Lifecycle::run) drops the server and leaves the state as it is.
//! Any number of [`stop_accepting`](Lifecycle::stop_accepting) and [`draining`](Lifecycle::draining)
//! futures may be made and dropped.
//!
//! # Deployment caveats
//!
//! - What is given to [`run`](Lifecycle::run) must await its connections before it ends, as
//!   `axum::serve(..).with_graceful_shutdown(..)` does. An accept loop of your own that spawns a task
//!   for each connection must join these tasks: `run` counts requests, not what is still to be
//!   written to a socket, and returns 0 while the end of a response is being cut.
//! - Cutting happens when `main` returns the exit code and the runtime is dropped with the tasks of
//!   its connections. A thread that blocks in [`tokio::task::spawn_blocking`] holds up that drop:
//!   bound such work, or call [`Runtime::shutdown_background`] instead of using the macro.
//! - Without a `DrainListener`, a connection that was accepted within the last moments before
//!   step 3 and has not sent a byte yet is closed unanswered, and so are connections that wait in
//!   the kernel: hyper counts them as idle. The drain delay makes that rare, since by then nobody
//!   should open connections; the listener closes all but the moment between its last look into the
//!   kernel's queue and the closing of the socket.
//! - A client may send a request on an idle connection in the moment in which the server closes
//!   it. HTTP/1 has no way to tell it; clients retry such requests if they are idempotent (RFC 9110
//!   §9.2.2). The longer the drain delay, the fewer connections are still there.
//! - Give the admin listener, with [`Probes`](crate::Probes), to a task of its own without a
//!   graceful shutdown, so that probes are answered until the process ends.
//! - Kubernetes counts a `preStop` hook and both times against `terminationGracePeriodSeconds`.
//! - Upgraded connections (WebSockets) are not waited for once upgraded: their tasks should listen
//!   to [`draining`](Lifecycle::draining) and say goodbye.
//! - As PID 1 of a container, a process without a handler ignores SIGTERM: what runs before
//!   [`run`](Lifecycle::run) should be short.
//!
//! [`DrainLayer`]: crate::DrainLayer
//! [`ProbeLayer`]: crate::ProbeLayer
//! [`Runtime::shutdown_background`]: tokio::runtime::Runtime::shutdown_background

use std::{error::Error, process::ExitCode, sync::Arc, time::Duration};

use hardpoint_core::Readiness;
use tokio::task::JoinSet;

pub use self::builder::LifecycleBuilder;
use self::{run::Ended, signals::System};
use crate::board::Board;

mod builder;
mod run;
mod signals;
#[cfg(test)]
mod tests;

/// The handle on a service's life: it starts, watches its checks, and drains. See the
/// [module docs](self).
///
/// Cheap to clone. The checks run until the last clone is dropped, together with the layers and
/// probes that were made from it.
#[derive(Clone, Debug)]
#[must_use = "a lifecycle that is dropped watches nothing"]
pub struct Lifecycle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    board: Arc<Board>,
    plan: Plan,
    /// Held so that the checks end with the last handle: dropping the set aborts them.
    _tasks: JoinSet<()>,
}

/// When things happen, counted from the beginning of the drain.
#[derive(Clone, Copy, Debug)]
struct Plan {
    delay: Duration,
    settle: Duration,
    deadline: Duration,
}

impl Plan {
    const fn stop_after(self) -> Duration {
        self.delay.saturating_add(self.settle)
    }

    const fn cut_after(self) -> Duration {
        self.delay.saturating_add(self.deadline)
    }
}

impl Lifecycle {
    /// Starts building a lifecycle: without checks, with a drain delay of 5 seconds, a settle time
    /// of 50 milliseconds, and a drain deadline of 20 seconds.
    pub const fn builder() -> LifecycleBuilder {
        LifecycleBuilder::new()
    }

    /// Says that the service has done what must be done before its first request: the startup
    /// probe passes, and readiness is up to the checks. Calling it again does nothing.
    pub fn started(&self) {
        self.inner.board.start();
    }

    /// Begins the drain, as the first signal does. Calling it again does nothing, and a signal
    /// after it is a first one.
    ///
    /// For whatever else decides that a service should end: an admin route that a `preStop` hook
    /// calls, a lost lease, a job that is done.
    pub fn begin_drain(&self) {
        self.inner.board.begin_drain();
    }

    /// Whether the service takes new work, and if not, why. Reads memory only.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.inner.board.verdict().readiness()
    }

    /// Whether the drain has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.inner.board.phase().is_draining()
    }

    /// How many requests are between a [`DrainLayer`](crate::DrainLayer) of this lifecycle and the
    /// end of their response's body.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.inner.board.phase().in_flight()
    }

    /// Resolves when the drain begins; at once if it has begun. For long streams, so that they say
    /// goodbye, and for loops that should take no more work.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        let board = Arc::clone(&self.inner.board);
        async move {
            board.drain_began().await;
        }
    }

    /// Resolves when servers should stop accepting and let their connections end: what
    /// `axum::serve(..).with_graceful_shutdown(..)` takes. Each listener gets a future of its own.
    pub fn stop_accepting(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        let board = Arc::clone(&self.inner.board);
        let stop_after = self.inner.plan.stop_after();
        async move { board.drained_for(stop_after).await }
    }

    /// Resolves when listeners should take in what waits in the kernel and close.
    #[cfg(feature = "axum")]
    pub(crate) fn close_listeners(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        let board = Arc::clone(&self.inner.board);
        let delay = self.inner.plan.delay;
        async move { board.drained_for(delay).await }
    }

    /// How long a listener may go on taking in what waits in the kernel: half the settle time, so
    /// that the other half is left to the last connection.
    #[cfg(feature = "axum")]
    pub(crate) fn take_in_for(&self) -> Duration {
        self.inner.plan.settle / 2
    }

    pub(crate) fn board(&self) -> &Arc<Board> {
        &self.inner.board
    }

    /// Runs `serve` until it has drained, listening for SIGTERM and SIGINT meanwhile, and says what
    /// the process should exit with. It logs how it ended.
    ///
    /// `serve` must await its connections, as `axum::serve` does with a graceful shutdown: one that
    /// leaves them to detached tasks ends the run, with 0, before their responses are written.
    ///
    /// Several listeners go into one future, as with `tokio::try_join!`. A `serve` that ends
    /// without a drain ends the run: with 0 if it was `Ok`, with 70 if it was not.
    ///
    /// Return the code from `main`. After that, or after the last await of it, signals are
    /// swallowed: what follows must be short.
    pub async fn run<F, T, E>(&self, serve: F) -> ExitCode
    where
        F: IntoFuture<Output = Result<T, E>>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let ended = match System::listen() {
            Ok(signals) => self.drive(serve.into_future(), signals).await,
            Err(error) => Ended::Failed(error.into()),
        };
        ended.log(self.in_flight());
        ended.into()
    }
}
