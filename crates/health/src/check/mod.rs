//! Checks: one test of a dependency each, run in the background.
//!
//! A check protects the dependency and the probes from each other: however often a balancer asks,
//! the dependency is tested once a period, and however long the dependency takes, a probe answers
//! at once from memory.
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
//! 1. A check is *unknown* until its first pass, which makes it *up*, or until
//!    [`fail_after`](Check::fail_after) failures in a row, which make it *down*.
//! 2. Up turns into down after [`fail_after`](Check::fail_after) failures in a row, and down into
//!    up after [`recover_after`](Check::recover_after) passes in a row.
//! 3. An error, a run longer than [`timeout`](Check::timeout), and a panic are failures. None of
//!    them ends the check.
//! 4. A check that is down degrades the service. Only one that
//!    [gates readiness](Check::gates_readiness) takes it out of traffic; such a check must also
//!    have passed once before the service is ready.
//! 5. The first run comes within 100 ms, the second after a random part of the period, later ones
//!    one period apart, from start to start. Two runs of one check never overlap.
//!
//! # Sharing
//!
//! Each check has one task and one atomic word of state per [`Lifecycle`](crate::Lifecycle), shared
//! by all its clones, layers and probes. The tasks end when the last of those is dropped.
//!
//! # Cancellation
//!
//! At its timeout a run's future is dropped where it awaits. A check that never awaits, because it
//! blocks its thread, cannot be timed out: use a blocking client inside
//! [`tokio::task::spawn_blocking`].
//!
//! # Deployment caveats
//!
//! A gate on a dependency that all replicas share takes all replicas out at once when it fails,
//! and clients get refused connections in place of an answer that says what is wrong. Gate on what
//! this replica alone can lose, and let shared dependencies degrade.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use self::down::Down;
use self::{
    codes::Codes,
    state::{State, Thresholds},
};
use crate::error::{ConfigError, Mistake};

mod codes;
mod down;
pub(crate) mod run;
mod schedule;
pub(crate) mod state;
#[cfg(test)]
mod tests;

/// Makes a new run of a check.
type Run = Box<dyn FnMut() -> Pin<Box<dyn Future<Output = Result<(), Down>> + Send>> + Send>;

/// One test of a dependency. See the [module docs](self).
#[must_use = "a check runs once it is part of a lifecycle"]
pub struct Check {
    name: Arc<str>,
    run: Run,
    every: Duration,
    timeout: Duration,
    thresholds: Thresholds,
    gates_readiness: bool,
}

impl Check {
    /// A check that calls `run` once a period and fails if its future returns [`Down`].
    ///
    /// The name is shown in the report and in events; it should be short and fixed, such as
    /// `postgres`.
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
            thresholds: Thresholds { fail_after: 3, recover_after: 2 },
            gates_readiness: false,
        }
    }

    /// The time between the starts of two runs. Default: 5 seconds, so that with the default
    /// thresholds an outage shows after 10 to 15 seconds, at a cost of one call per replica every 5
    /// seconds.
    ///
    /// A longer one costs the dependency less and notices an outage later. 0 is a mistake.
    pub const fn every(mut self, period: Duration) -> Self {
        self.every = period;
        self
    }

    /// How long one run may take before it counts as failed. Default: 1 second; a dependency that
    /// takes longer to say that it is there is of no use to a request either.
    ///
    /// It must be shorter than the period. 0 is a mistake.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many failures in a row make the check down. Default: 3, so that one lost packet changes
    /// nothing.
    ///
    /// A higher one notices an outage later. 0 is a mistake.
    pub const fn fail_after(mut self, failures: u8) -> Self {
        self.thresholds.fail_after = failures;
        self
    }

    /// How many passes in a row make a check that is down up again. Default: 2, so that a
    /// dependency that comes and goes does not take traffic with it each time.
    ///
    /// A higher one keeps the service degraded, or out of traffic, for longer. 0 is a mistake.
    pub const fn recover_after(mut self, passes: u8) -> Self {
        self.thresholds.recover_after = passes;
        self
    }

    /// Takes the service out of traffic while this check is down, and until it has passed once.
    /// Default: the check degrades the service and leaves it in traffic.
    ///
    /// What it costs: a dependency that all replicas share takes all of them out at once.
    pub const fn gates_readiness(mut self) -> Self {
        self.gates_readiness = true;
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

    /// The state that probes read, and what the task needs.
    pub(crate) fn into_parts(self) -> (Arc<Tracked>, Duration, Duration, Run) {
        let tracked = Tracked {
            name: self.name,
            gates_readiness: self.gates_readiness,
            thresholds: self.thresholds,
            word: AtomicU64::new(State::START.pack()),
            codes: Codes::default(),
        };
        (Arc::new(tracked), self.every, self.timeout, self.run)
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("every", &self.every)
            .field("timeout", &self.timeout)
            .field("thresholds", &self.thresholds)
            .field("gates_readiness", &self.gates_readiness)
            .finish_non_exhaustive()
    }
}

/// Checks that fit together, to be run by a [`Lifecycle`](crate::Lifecycle). Default: none.
#[derive(Debug, Default)]
#[must_use = "checks run once they are given to a lifecycle"]
pub struct Checks {
    checks: Vec<Check>,
}

impl Checks {
    /// Starts a list of checks.
    pub const fn builder() -> ChecksBuilder {
        ChecksBuilder { checks: Vec::new() }
    }

    pub(crate) const fn none() -> Self {
        Self { checks: Vec::new() }
    }

    pub(crate) fn into_vec(self) -> Vec<Check> {
        self.checks
    }

    pub(crate) const fn len(&self) -> usize {
        self.checks.len()
    }
}

/// A list of checks in the making.
#[derive(Debug, Default)]
#[must_use = "a list in the making does nothing until it is built"]
pub struct ChecksBuilder {
    checks: Vec<Check>,
}

impl ChecksBuilder {
    /// Adds a check. Each costs one task and one call of its dependency a period.
    pub fn add_check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// The checks, if they fit together.
    ///
    /// # Errors
    /// [`ConfigError`] lists every mistake: empty and duplicate names, periods, timeouts and
    /// thresholds of zero, and timeouts that are not shorter than their period.
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
        ConfigError::unless_empty(mistakes)?;
        Ok(Checks { checks: self.checks })
    }
}

/// What the task of a check writes and probes read.
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(crate) name: Arc<str>,
    pub(crate) gates_readiness: bool,
    thresholds: Thresholds,
    /// A packed [`State`].
    word: AtomicU64,
    codes: Codes,
}

impl Tracked {
    pub(crate) fn state(&self) -> State {
        State::unpack(self.word.load(Ordering::Acquire))
    }

    /// The last failure's code, as long as the state remembers it.
    pub(crate) fn code(&self, state: State) -> Option<&'static str> {
        self.codes.code(state.code)
    }

    /// Takes in one result and says what the state was and is. Only the check's own task calls it:
    /// with one writer, a load and a store lose nothing.
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
        self.word.store(after.pack(), Ordering::Release);
        (before, after)
    }
}
