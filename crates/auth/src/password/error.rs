//! A password was neither hashed nor verified.

use std::{error::Error, fmt};

use hardpoint_core::{Outcome, Problem, Rejection};

use crate::rejection::unavailable;

/// A password was neither hashed nor verified: 503. The password may be correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordError {
    kind: PasswordErrorKind,
}

impl PasswordError {
    /// Why.
    #[must_use]
    pub fn kind(&self) -> PasswordErrorKind {
        self.kind
    }
}

impl From<PasswordErrorKind> for PasswordError {
    fn from(kind: PasswordErrorKind) -> Self {
        Self { kind }
    }
}

texts! {
    /// The kinds of [`PasswordError`].
    pub enum PasswordErrorKind {
        /// The hash function failed, or its thread did.
        Failed = "the password hash function failed",
        /// Too many callers wait, or this one waited too long.
        Overloaded = "too many passwords wait to be hashed",
    }
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())
    }
}

impl Error for PasswordError {}

impl Rejection for PasswordError {
    fn problem(&self) -> Problem {
        let is_shed = self.kind == PasswordErrorKind::Overloaded;
        let outcome = if is_shed { Outcome::Shed } else { Outcome::Failed };
        unavailable("password_unavailable", 2).outcome(outcome)
    }
}
