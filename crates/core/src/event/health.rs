//! Events of health checks and of the readiness.

use super::Event;

/// A health check's status changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckChanged<'a> {
    /// The check's name.
    pub check: &'a str,
    /// Whether the check passes now.
    pub healthy: bool,
}

impl<'a> CheckChanged<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(check: &'a str, healthy: bool) -> Self {
        Self { check, healthy }
    }
}

impl<'a> From<CheckChanged<'a>> for Event<'a> {
    fn from(event: CheckChanged<'a>) -> Self {
        Self::CheckChanged(event)
    }
}

/// Whether a service accepts new work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Readiness {
    /// The service is shutting down: requests in flight finish, new ones should go elsewhere.
    Draining,
    /// A check that gates readiness fails.
    NotReady,
    /// The service accepts new work.
    Ready,
    /// The service has not finished starting.
    Starting,
}

impl Readiness {
    /// The label as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::NotReady => "not_ready",
            Self::Ready => "ready",
            Self::Starting => "starting",
        }
    }
}

/// The service's readiness changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadinessChanged {
    /// The new readiness.
    pub readiness: Readiness,
}

impl ReadinessChanged {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(readiness: Readiness) -> Self {
        Self { readiness }
    }
}

impl<'a> From<ReadinessChanged> for Event<'a> {
    fn from(event: ReadinessChanged) -> Self {
        Self::ReadinessChanged(event)
    }
}
