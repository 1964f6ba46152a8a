//! A password was neither hashed nor verified.

use std::{error::Error, fmt, time::Duration};

use hardpoint_core::{GrpcCode, Outcome, Problem, Rejection};
use http::StatusCode;

/// A password was neither hashed nor verified: 503. It says nothing about the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordError {
    kind: PasswordErrorKind,
}

impl PasswordError {
    pub(super) const fn new(kind: PasswordErrorKind) -> Self {
        Self { kind }
    }

    /// Why.
    #[must_use]
    pub const fn kind(&self) -> PasswordErrorKind {
        self.kind
    }
}

/// The kinds of [`PasswordError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordErrorKind {
    /// The hash function failed, or its thread did.
    Failed,
    /// Too many callers wait, or this one has waited for too long.
    Overloaded,
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            PasswordErrorKind::Failed => "the password hash function failed",
            PasswordErrorKind::Overloaded => "too many passwords wait to be hashed",
        })
    }
}

impl Error for PasswordError {}

impl Rejection for PasswordError {
    fn problem(&self) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "password_unavailable", "Service unavailable")
            .retry_after(Duration::from_secs(2))
    }

    fn grpc_code(&self) -> GrpcCode {
        GrpcCode::Unavailable
    }

    fn outcome(&self) -> Outcome {
        match self.kind {
            PasswordErrorKind::Failed => Outcome::Failed,
            PasswordErrorKind::Overloaded => Outcome::Shed,
        }
    }
}
