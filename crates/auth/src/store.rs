//! What the stores of sessions, attempts and one-time tokens have in common.

use std::{error::Error, fmt, pin::Pin, time::Duration};

use hardpoint_core::{Mono, Time, event::StoreErrorKind};

/// A future that a store answers with.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// A store did not decide.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// An error of this kind.
    #[must_use]
    pub const fn new(kind: StoreErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What failed.
    #[must_use]
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            StoreErrorKind::Corrupt => "the store answered what its protocol forbids",
            StoreErrorKind::Timeout => "the store did not answer in time",
            _ => "the store cannot be reached, or is full",
        })
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// Milliseconds since 1970 that never go back, so that a calendar that is set back extends neither a
/// session nor a wait.
pub(crate) struct StoreClock {
    time: Time,
    unix: u64,
    mono: Mono,
}

impl StoreClock {
    pub(crate) fn new(time: Time) -> Self {
        Self { unix: millis(time.unix()), mono: time.now(), time }
    }

    pub(crate) fn now(&self) -> u64 {
        self.unix.saturating_add(millis(self.time.now().saturating_since(self.mono)))
    }
}

/// Whole milliseconds, saturating.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The error of an answer that the protocol of a store on Redis forbids.
#[cfg(feature = "redis")]
pub(crate) const fn corrupt() -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt)
}

/// The error of a store whose command failed.
#[cfg(feature = "redis")]
pub(crate) fn failed(error: hardpoint_redis::Error) -> StoreError {
    use hardpoint_redis::ErrorKind;

    let kind = match error.kind() {
        ErrorKind::Corrupt | ErrorKind::Rejected => StoreErrorKind::Corrupt,
        ErrorKind::Timeout => StoreErrorKind::Timeout,
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::new(kind).with_source(error)
}
