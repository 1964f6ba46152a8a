//! Checks: background tests of dependencies.
//!
//! A check decouples the probes from the dependency. It tests the dependency once per period, no
//! matter how often balancers probe, and probes answer at once from memory, no matter how slow the
//! dependency is.
//!
//! ```
//! use hardpoint_health::{Check, Checks, Down};
//! use std::time::Duration;
//!
//! # let pool = ();
//! # async fn ping(_: ()) -> std::io::Result<()> { Ok(()) }
//! let checks = Checks::builder()
//!     .add_check(Check::new("postgres", move || {
//!         let pool = pool.clone();
//!         async move { Ok(ping(pool).await?) }
//!     }).gates_readiness())
//!     .add_check(
//!         Check::new("search", || async { Err(Down::new("unreachable")) })
//!             .every(Duration::from_secs(30))
//!             .timeout(Duration::from_secs(2)),
//!     )
//!     .build()?;
//!
//! // Every mistake is reported at once.
//! let mistakes = Checks::builder()
//!     .add_check(Check::new("", || async { Ok(()) }).every(Duration::ZERO))
//!     .build()
//!     .unwrap_err();
//! assert_eq!(mistakes.mistakes().len(), 3);
//! # Ok::<(), hardpoint_health::ConfigError>(())
//! ```
//!
//! # Semantics
//!
//! 1. A check starts as *unknown*. Its first pass makes it *up*;
//!    [`fail_after`](Check::fail_after) failures in a row make it *down*.
//! 2. An *up* check becomes *down* after [`fail_after`](Check::fail_after) failures in a row. A
//!    *down* check becomes *up* after [`recover_after`](Check::recover_after) passes in a row.
//! 3. An error, a panic and a run longer than [`timeout`](Check::timeout) are failures. After a
//!    failure, the check continues to run.
//! 4. A check that is down degrades the service. Only a check that
//!    [gates readiness](Check::gates_readiness) takes the service out of traffic. A gating check
//!    must also pass once before the service is ready. A check that
//!    [gates the start](Check::gates_startup) must pass once before the service has started.
//! 5. While a check is down, the checks that [depend on it](Check::depends_on) are *skipped*: they
//!    do not run, keep their state, and count neither as failed nor as passed.
//! 6. The first run starts within 100 ms, the second after a random part of the period, and each
//!    later run one period after the start of the previous one.
//! 7. A run that exceeds its timeout is *overdue*. It counts as failed at its timeout and once per
//!    period from then on, and the report shows its age. The next run starts after it has ended, so
//!    at most one run of a check exists. [`cancel_at_timeout`](Check::cancel_at_timeout) drops the
//!    run instead.
//! 8. Checks run on a thread of their own. If a check blocks it, the other checks move to another
//!    thread after 100 ms; there are never more such threads than checks. Each future is polled in
//!    the context of the runtime in which the lifecycle was built: what it spawns and the
//!    connections it opens belong to that runtime.
//!
//! # Sharing
//!
//! Each check has one atomic word of state per [`Lifecycle`](crate::Lifecycle), which all clones,
//! layers and probes of the lifecycle share. The checks end when the last of these is dropped.
//!
//! # Cancellation
//!
//! The future of a run is dropped when it resolves, when the lifecycle ends, and at its timeout if
//! the check is set so.
//!
//! # Deployment caveats
//!
//! A check whose future never resolves stays down until the process ends, because no second run
//! starts. Give its client a timeout, or set [`cancel_at_timeout`](Check::cancel_at_timeout).
//!
//! If a gating check tests a dependency that all replicas share, its failure takes all replicas out
//! of traffic at once, and clients get refused connections instead of a response that explains the
//! problem. Gate only on dependencies that a single replica can lose, and let shared dependencies
//! degrade the service.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

pub use self::down::Down;
use self::{
    codes::Codes,
    run::Task,
    state::{State, Status, Thresholds},
};
use crate::error::{ConfigError, Mistake};

mod codes;
mod down;
mod graph;
mod plan;
mod pool;
pub(crate) mod run;
mod schedule;
pub(crate) mod state;
#[cfg(test)]
mod tests;

/// One run of a check.
type RunFuture = Pin<Box<dyn Future<Output = Result<(), Down>> + Send>>;

/// Starts a run of a check.
type Run = Box<dyn FnMut() -> RunFuture + Send>;

/// One test of a dependency. See the [module docs](self).
#[must_use = "a check does not run until a lifecycle is built with it"]
pub struct Check {
    name: Arc<str>,
    run: Run,
    every: Duration,
    timeout: Duration,
    cancel_at_timeout: bool,
    thresholds: Thresholds,
    gates_readiness: bool,
    gates_startup: bool,
    depends_on: Vec<Arc<str>>,
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

    fn mistakes(&self) -> impl Iterator<Item = Mistake> {
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
    fn into_parts(self, ancestors: Box<[usize]>) -> (Arc<Tracked>, Task) {
        let tracked = Tracked {
            name: self.name,
            gates_readiness: self.gates_readiness,
            gates_startup: self.gates_startup,
            ancestors,
            thresholds: self.thresholds,
            word: AtomicU64::new(State::START.pack()),
            passed: AtomicBool::new(false),
            overdue_since: AtomicU64::new(0),
            codes: Codes::default(),
        };
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

/// A validated set of checks for a [`Lifecycle`](crate::Lifecycle). Default: empty.
#[derive(Debug, Default)]
#[must_use = "checks do not run until a lifecycle is built with them"]
pub struct Checks {
    checks: Vec<Check>,
    /// For each check, the indices of the checks that it depends on.
    ancestors: Vec<Box<[usize]>>,
}

impl Checks {
    /// Returns an empty builder.
    pub const fn builder() -> ChecksBuilder {
        ChecksBuilder { checks: Vec::new() }
    }

    pub(crate) const fn none() -> Self {
        Self { checks: Vec::new(), ancestors: Vec::new() }
    }

    /// The parts of all checks, in the same order.
    pub(crate) fn into_parts(self) -> (Vec<Arc<Tracked>>, Vec<Task>) {
        let checks = self.checks.into_iter().zip(self.ancestors);
        checks.map(|(check, ancestors)| check.into_parts(ancestors)).unzip()
    }

    pub(crate) const fn len(&self) -> usize {
        self.checks.len()
    }
}

/// Builds [`Checks`]. Created by [`Checks::builder`].
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ChecksBuilder {
    checks: Vec<Check>,
}

impl ChecksBuilder {
    /// Adds a check. Each check costs one call to its dependency per period. All checks share one
    /// thread, unless one blocks it.
    pub fn add_check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Validates and returns the checks.
    ///
    /// # Errors
    /// [`ConfigError`] lists every mistake: empty or duplicate names; periods, timeouts or
    /// thresholds of zero; timeouts that are not shorter than their period; dependencies that are
    /// not checks; and checks that depend on each other.
    pub fn build(self) -> Result<Checks, ConfigError> {
        let mut mistakes: Vec<_> = self.checks.iter().flat_map(Check::mistakes).collect();
        let mut names: Vec<_> = self.checks.iter().map(|check| &check.name).collect();
        names.sort_unstable();
        let mut named_twice: Vec<_> = names
            .array_windows()
            .filter(|[name, next]| name == next && !name.is_empty())
            .map(|[name, _]| Arc::clone(name))
            .collect();
        named_twice.dedup();
        mistakes.extend(named_twice.into_iter().map(|name| Mistake::DuplicateName { name }));
        let (names, depends_on): (Vec<_>, Vec<_>) = self
            .checks
            .iter()
            .map(|check| (Arc::clone(&check.name), check.depends_on.clone()))
            .unzip();
        let ancestors = graph::ancestors(&names, &depends_on).unwrap_or_else(|graph| {
            mistakes.extend(graph);
            Vec::new()
        });
        ConfigError::unless_empty(mistakes)?;
        Ok(Checks { checks: self.checks, ancestors })
    }
}

/// The state of a check, written by the supervisor and read by probes.
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(crate) name: Arc<str>,
    pub(crate) gates_readiness: bool,
    pub(crate) gates_startup: bool,
    /// The indices of the checks that this one depends on, directly or not.
    pub(crate) ancestors: Box<[usize]>,
    thresholds: Thresholds,
    /// A packed [`State`].
    word: AtomicU64,
    /// Whether the check has passed once.
    passed: AtomicBool,
    /// 0, or one more than the second in which the overdue run started.
    overdue_since: AtomicU64,
    codes: Codes,
}

impl Tracked {
    pub(crate) fn state(&self) -> State {
        State::unpack(self.word.load(Ordering::Acquire))
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.passed.load(Ordering::Acquire)
    }

    /// The second in which the overdue run started, if there is one.
    pub(crate) fn overdue_since(&self) -> Option<u64> {
        self.overdue_since.load(Ordering::Acquire).checked_sub(1)
    }

    pub(crate) fn set_overdue_since(&self, second: Option<u64>) {
        let word = second.map_or(0, |second| second.saturating_add(1));
        self.overdue_since.store(word, Ordering::Release);
    }

    /// The code of the last failure, if the state still holds it.
    pub(crate) fn code(&self, state: State) -> Option<&'static str> {
        self.codes.code(state.code)
    }

    /// Records one result and returns the states before and after it. Only the supervisor calls
    /// this: with a single writer, a load followed by a store loses no update.
    pub(crate) fn record(
        &self,
        result: Result<(), &'static str>,
        took: Duration,
        now: u32,
    ) -> (State, State) {
        let before = self.state();
        let result = result.map_err(|code| self.codes.number(code));
        let took_ms = u16::try_from(took.as_millis()).unwrap_or(u16::MAX);
        let after = before.after(self.thresholds, result, took_ms, now);
        if after.status == Status::Up {
            self.passed.store(true, Ordering::Release);
        }
        self.word.store(after.pack(), Ordering::Release);
        (before, after)
    }
}
