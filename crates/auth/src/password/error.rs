//! A password was neither hashed nor verified.

use hardpoint_core::{Outcome, Problem, Rejection};

use crate::rejection::unavailable;

/// A password was neither hashed nor verified: 503. The password may be correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The hash function failed, or its thread did.
    #[error("the password hash function failed")]
    Failed,
    /// Too many callers wait, or this one waited too long.
    #[error("too many passwords wait to be hashed")]
    Overloaded,
}

impl Rejection for PasswordError {
    fn problem(&self) -> Problem {
        let is_shed = *self == Self::Overloaded;
        let outcome = if is_shed { Outcome::Shed } else { Outcome::Failed };
        unavailable("password_unavailable", 2).outcome(outcome)
    }
}
