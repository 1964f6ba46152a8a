//! One check and its settings.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use super::{Down, Tracked, run::Task, state::Thresholds};
use crate::error::Mistake;

/// One run of a check.
pub(super) type RunFuture = Pin<Box<dyn Future<Output = Result<(), Down>> + Send>>;

/// Starts a run of a check.
pub(super) type Run = Box<dyn FnMut() -> RunFuture + Send>;

/// One test of a dependency. See the [module docs](super).
#[must_use = "a check does not run until a lifecycle is built with it"]
pub struct Check {
    pub(super) name: Arc<str>,
    run: Run,
    every: Duration,
    timeout: Duration,
    cancel_at_timeout: bool,
    thresholds: Thresholds,
    gates_readiness: bool,
    gates_startup: bool,
    pub(super) depends_on: Vec<Arc<str>>,
}

impl Check {
    /// Creates a check that calls `run` once per period and fails if the future returns [`Down`].
    ///
    /// The report and events contain the name. It should be short and constant, such as `postgres`.
    pub fn new<F, Fut>(name: impl Into<Arc<str>>, mut run: F) -> Self
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Down>> + Send + 'static,
    {
        Self {
            name: name.into(),
            run: Box::new(move || Box::pin(run())),
            every: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
            cancel_at_timeout: false,
            thresholds: Thresholds { fail_after: 3, recover_after: 2 },
            gates_readiness: false,
            gates_startup: false,
            depends_on: Vec::new(),
        }
    }

    /// Sets the time between the starts of two runs. Default: 5 seconds. With the default
    /// thresholds, an outage shows after 10 to 15 seconds, at the cost of one call per replica
    /// every 5 seconds.
    ///
    /// A longer period puts less load on the dependency and detects an outage later. 0 is a
    /// mistake.
    pub const fn every(mut self, period: Duration) -> Self {
        self.every = period;
        self
    }

    /// Sets how long a run may take before it counts as failed. Default: 1 second. A dependency
    /// that takes longer to answer a check is not useful to requests either.
    ///
    /// The timeout must be shorter than the period. 0 is a mistake.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Drops the future of a run that exceeds its [`timeout`](Self::timeout), so that the next run
    /// can start. Default: the run goes on, counts as failed once per period, and no other one
    /// starts before it ends.
    ///
    /// Set it if dropping the future ends all of its work, as with a client that does its own
    /// asynchronous I/O. Without it, a future that never resolves keeps the check down until the
    /// process ends: give the client a timeout. Do not set it if the future waits for work that
    /// continues without it, as [`tokio::task::spawn_blocking`] does: if that work hangs, each
    /// period would leave one more thread behind.
    pub const fn cancel_at_timeout(mut self) -> Self {
        self.cancel_at_timeout = true;
        self
    }

    /// Sets how many failures in a row make the check down. Default: 3, so that a lost packet does
    /// not change the status.
    ///
    /// A higher number detects an outage later. 0 is a mistake.
    pub const fn fail_after(mut self, failures: u8) -> Self {
        self.thresholds.fail_after = failures;
        self
    }

    /// Sets how many passes in a row bring a check that is down back up. Default: 2, so that an
    /// unstable dependency does not move traffic back and forth.
    ///
    /// A higher number keeps the service degraded, or out of traffic, for longer. 0 is a mistake.
    pub const fn recover_after(mut self, passes: u8) -> Self {
        self.thresholds.recover_after = passes;
        self
    }

    /// Takes the service out of traffic while this check is down, and until it has passed once.
    /// Default: the check degrades the service and leaves it in traffic.
    ///
    /// Do not use it for a dependency that all replicas share: its failure takes all of them out of
    /// traffic at once.
    pub const fn gates_readiness(mut self) -> Self {
        self.gates_readiness = true;
        self
    }

    /// Keeps the service in its start until this check has passed once: until then the startup and
    /// readiness probes answer `starting`. Default: the check does not affect the start.
    ///
    /// Use it for a dependency without which the service never works, such as a schema that has to
    /// be migrated first.
    pub const fn gates_startup(mut self) -> Self {
        self.gates_startup = true;
        self
    }

    /// Skips this check while the check named `dependency` is down. Default: it always runs. Call
    /// it once for each dependency.
    ///
    /// A skipped check does not run and counts neither as failed nor as passed. So an outage of
    /// what several checks share, such as DNS or a proxy, is reported once.
    pub fn depends_on(mut self, dependency: impl Into<Arc<str>>) -> Self {
        self.depends_on.push(dependency.into());
        self
    }

    pub(super) fn mistakes(&self) -> impl Iterator<Item = Mistake> {
        let check = || Arc::clone(&self.name);
        let threshold = |results: u8, setter| {
            (results == 0).then(|| Mistake::ZeroThreshold { check: check(), setter })
        };
        [
            self.name.is_empty().then_some(Mistake::EmptyName),
            self.every.is_zero().then(|| Mistake::ZeroPeriod { check: check() }),
            self.timeout.is_zero().then(|| Mistake::ZeroTimeout { check: check() }),
            (self.timeout >= self.every && !self.timeout.is_zero()).then(|| {
                Mistake::TimeoutNotShorter {
                    check: check(),
                    timeout: self.timeout,
                    every: self.every,
                }
            }),
            threshold(self.thresholds.fail_after, "fail_after"),
            threshold(self.thresholds.recover_after, "recover_after"),
        ]
        .into_iter()
        .flatten()
    }

    /// Splits the check into the state that probes read and the inputs of its runs.
    pub(super) fn into_parts(self, ancestors: Box<[usize]>) -> (Arc<Tracked>, Task) {
        let mut tracked = Tracked::new(self.name, self.thresholds, ancestors);
        tracked.gates_readiness = self.gates_readiness;
        tracked.gates_startup = self.gates_startup;
        let task = Task {
            run: self.run,
            every: self.every,
            timeout: self.timeout,
            cancel_at_timeout: self.cancel_at_timeout,
        };
        (Arc::new(tracked), task)
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("every", &self.every)
            .field("timeout", &self.timeout)
            .field("thresholds", &self.thresholds)
            .field("cancel_at_timeout", &self.cancel_at_timeout)
            .field("gates_readiness", &self.gates_readiness)
            .field("gates_startup", &self.gates_startup)
            .field("depends_on", &self.depends_on)
            .finish_non_exhaustive()
    }
}
