//! Events of health checks and of the readiness.

use super::{Event, Readiness};

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
