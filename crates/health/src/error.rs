//! Mistakes in the configuration of checks and of the drain.

use std::{error::Error, fmt, io, sync::Arc, time::Duration};

/// All mistakes in a configuration.
///
/// `Display` lists them, separated by `; `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    mistakes: Vec<Mistake>,
}

impl ConfigError {
    /// Returns `Err` with all `mistakes`, or `Ok` if there are none.
    pub(crate) fn unless_empty(mistakes: Vec<Mistake>) -> Result<(), Self> {
        if mistakes.is_empty() { Ok(()) } else { Err(Self { mistakes }) }
    }

    /// The mistakes. Never empty.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl From<Mistake> for ConfigError {
    fn from(mistake: Mistake) -> Self {
        Self { mistakes: vec![mistake] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl Error for ConfigError {}

/// One mistake in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mistake {
    /// Checks depend on each other, so each would wait for the others.
    DependencyCycle {
        /// Their names.
        checks: Box<[Arc<str>]>,
    },
    /// Two checks have the same name.
    DuplicateName {
        /// The name.
        name: Arc<str>,
    },
    /// A check has no name.
    EmptyName,
    /// The drain takes longer than the platform waits before it kills the process.
    GracePeriodTooShort {
        /// What delay, deadline, hooks and exit take together.
        takes: Duration,
        /// What the platform grants.
        grace_period: Duration,
    },
    /// There are checks, but no tokio runtime to run them on.
    NoRuntime {
        /// The number of checks.
        checks: usize,
    },
    /// The operating system did not start a thread for the checks.
    NoThread {
        /// The reason.
        reason: io::ErrorKind,
    },
    /// The settle time is not shorter than the drain deadline.
    SettleNotShorter {
        /// The settle time.
        settle: Duration,
        /// The drain deadline.
        drain_deadline: Duration,
    },
    /// The timeout of a check is not shorter than its period, so two runs could overlap.
    TimeoutNotShorter {
        /// The check's name.
        check: Arc<str>,
        /// Its timeout.
        timeout: Duration,
        /// Its period.
        every: Duration,
    },
    /// A check depends on a name that no check has.
    UnknownDependency {
        /// The check's name.
        check: Arc<str>,
        /// The unknown name.
        dependency: Arc<str>,
    },
    /// The drain deadline is zero and leaves no time for the requests in flight.
    ZeroDrainDeadline,
    /// The period of a check is zero.
    ZeroPeriod {
        /// The check's name.
        check: Arc<str>,
    },
    /// A threshold of a check is zero, so its status would change without a result.
    ZeroThreshold {
        /// The check's name.
        check: Arc<str>,
        /// The setter: `fail_after` or `recover_after`.
        setter: &'static str,
    },
    /// The timeout of a check is zero, so it could never pass.
    ZeroTimeout {
        /// The check's name.
        check: Arc<str>,
    },
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DependencyCycle { checks } => {
                f.write_str("the checks `")?;
                for (index, check) in checks.iter().enumerate() {
                    write!(f, "{}{check}", if index > 0 { "`, `" } else { "" })?;
                }
                f.write_str(
                    "` depend on each other, so that none would run while one is down; remove one \
                     of the dependencies",
                )
            }
            Self::DuplicateName { name } => {
                write!(f, "two checks are named `{name}`; give each check a different name")
            }
            Self::EmptyName => f.write_str(
                "a check has an empty name; name it after its dependency, such as `postgres`",
            ),
            Self::GracePeriodTooShort { takes, grace_period } => write!(
                f,
                "the drain takes up to {takes:?} (delay, deadline, hooks, and 1s to exit), but the \
                 platform kills the process after {grace_period:?}; shorten the drain, or grant \
                 {takes:?}"
            ),
            Self::NoRuntime { checks } => write!(
                f,
                "no tokio runtime to run {checks} checks on; build the lifecycle inside a runtime, \
                 such as in an async main"
            ),
            Self::NoThread { reason } => write!(
                f,
                "cannot start a thread for the checks: {reason}; raise the limit of threads of the \
                 process"
            ),
            Self::SettleNotShorter { settle, drain_deadline } => write!(
                f,
                "settle time {settle:?} is not shorter than the drain deadline {drain_deadline:?}; \
                 use a settle time of {:?}, or a drain deadline longer than {settle:?}",
                *drain_deadline / 2
            ),
            Self::TimeoutNotShorter { check, timeout, every } => write!(
                f,
                "check `{check}` has a timeout of {timeout:?} and runs every {every:?}, so two \
                 runs could overlap; use a timeout shorter than the period"
            ),
            Self::UnknownDependency { check, dependency } => write!(
                f,
                "check `{check}` depends on `{dependency}`, but no check has that name; add the \
                 check or correct the name"
            ),
            Self::ZeroDrainDeadline => f.write_str(
                "a drain deadline of 0 cuts every request in flight; use at least the duration of \
                 the slowest request, such as 20s",
            ),
            Self::ZeroPeriod { check } => write!(
                f,
                "check `{check}` has a period of 0 and would run without pause; use a period such \
                 as 5s"
            ),
            Self::ZeroThreshold { check, setter } => write!(
                f,
                "check `{check}` has a `{setter}` of 0, but a status changes only on a result; use \
                 1 to change it on the first one"
            ),
            Self::ZeroTimeout { check } => write!(
                f,
                "check `{check}` has a timeout of 0 and could never pass; use a timeout such as 1s"
            ),
        }
    }
}
