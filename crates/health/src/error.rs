//! Mistakes in the configuration of checks and of the drain.

use std::{error::Error, fmt, sync::Arc, time::Duration};

/// Every mistake that was found in a configuration, all at once.
///
/// `Display` lists them, separated by `; `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    mistakes: Vec<Mistake>,
}

impl ConfigError {
    /// `Err` with all of `mistakes`, or `Ok` if there are none.
    pub(crate) fn unless_empty(mistakes: Vec<Mistake>) -> Result<(), Self> {
        if mistakes.is_empty() { Ok(()) } else { Err(Self { mistakes }) }
    }

    /// The mistakes, at least one.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
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
    /// Two checks have one name.
    DuplicateName {
        /// The name.
        name: Arc<str>,
    },
    /// A check has no name.
    EmptyName,
    /// There are checks, but no tokio runtime to run them on.
    NoRuntime {
        /// How many checks there are.
        checks: usize,
    },
    /// The settle time leaves nothing of the drain deadline.
    SettleNotShorter {
        /// The settle time.
        settle: Duration,
        /// The drain deadline.
        drain_deadline: Duration,
    },
    /// A check may take as long as its period, so that two runs would meet.
    TimeoutNotShorter {
        /// The check's name.
        check: Arc<str>,
        /// Its timeout.
        timeout: Duration,
        /// Its period.
        every: Duration,
    },
    /// A drain without time for the requests in flight.
    ZeroDrainDeadline,
    /// A check without a pause between two runs.
    ZeroPeriod {
        /// The check's name.
        check: Arc<str>,
    },
    /// A check whose status would change after no result at all.
    ZeroThreshold {
        /// The check's name.
        check: Arc<str>,
        /// The setter: `fail_after` or `recover_after`.
        setter: &'static str,
    },
    /// A check that could never pass.
    ZeroTimeout {
        /// The check's name.
        check: Arc<str>,
    },
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateName { name } => {
                write!(f, "two checks are named `{name}`; give each check a name of its own")
            }
            Self::EmptyName => f.write_str(
                "a check has an empty name; name it after what it looks at, such as `postgres`",
            ),
            Self::NoRuntime { checks } => write!(
                f,
                "no tokio runtime to run {checks} checks on; build the lifecycle inside the \
                 runtime, such as in an async main"
            ),
            Self::SettleNotShorter { settle, drain_deadline } => write!(
                f,
                "settle time {settle:?} leaves nothing of the drain deadline {drain_deadline:?}; \
                 write a settle time of {:?}, or a drain deadline longer than {settle:?}",
                *drain_deadline / 2
            ),
            Self::TimeoutNotShorter { check, timeout, every } => write!(
                f,
                "check `{check}` has a timeout of {timeout:?} and runs every {every:?}, so that two \
                 runs could meet; write a timeout shorter than the period"
            ),
            Self::ZeroDrainDeadline => f.write_str(
                "a drain deadline of 0 cuts every request in flight; write at least the time of \
                 the slowest request, such as 20s",
            ),
            Self::ZeroPeriod { check } => write!(
                f,
                "check `{check}` runs every 0s, which is all the time; write a period, such as 5s"
            ),
            Self::ZeroThreshold { check, setter } => write!(
                f,
                "check `{check}` has a `{setter}` of 0, and a status cannot change after no \
                 result; write 1 to change with the first one"
            ),
            Self::ZeroTimeout { check } => write!(
                f,
                "check `{check}` has a timeout of 0 and could never pass; write a timeout, such as 1s"
            ),
        }
    }
}
