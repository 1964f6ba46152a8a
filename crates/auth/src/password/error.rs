//! A password was not verified.

use std::time::Duration;

use hardpoint_core::{Outcome, Problem, Rejection};
use http::StatusCode;

use super::PepperId;
use crate::rejection::unavailable;

/// A password does not match, or was neither hashed nor verified.
///
/// Only [`Mismatch`](Self::Mismatch) is an answer about the password, 401 `login_failed`. For all others
/// the password may be correct, so the response is 503 `password_unavailable` with `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The stored hash demands more than the hasher's ceiling allows.
    #[error(
        "the stored hash demands more than the ceiling; raise it with StoredCeiling, or reset the password"
    )]
    AboveCeiling,
    /// The hash function failed, or its thread did.
    #[error("the password hash function failed")]
    Failed,
    /// The password is wrong, or the account does not exist.
    #[error("the password does not match")]
    Mismatch,
    /// Too many callers of this client are waiting, or this caller waited too long.
    #[error("too many passwords wait to be hashed")]
    Overloaded,
    /// The stored hash was made with a pepper that the hasher does not have.
    #[error("the stored hash was made with the pepper {0}, which is not in the ring; put it back")]
    UnknownPepper(PepperId),
}

impl PasswordError {
    /// Whether the password is wrong, or the account does not exist.
    #[must_use]
    pub const fn is_mismatch(&self) -> bool {
        matches!(self, Self::Mismatch)
    }
}

impl Rejection for PasswordError {
    fn problem(&self) -> Problem {
        let outcome = match self {
            // The same for an account that does not exist.
            Self::Mismatch => {
                let title = "The address or the password is wrong";
                return Problem::new(StatusCode::UNAUTHORIZED, "login_failed", title);
            }
            Self::Overloaded => Outcome::Shed,
            Self::AboveCeiling | Self::Failed | Self::UnknownPepper(_) => Outcome::Failed,
        };
        unavailable("password_unavailable", RETRY_AFTER.as_secs()).outcome(outcome)
    }
}

/// A full queue is empty after 5 s at most.
const RETRY_AFTER: Duration = Duration::from_secs(2);
