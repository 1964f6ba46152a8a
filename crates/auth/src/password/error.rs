//! A password was not verified.

use hardpoint_core::{Outcome, Problem, Rejection};
use http::StatusCode;

use super::PepperId;
use crate::rejection::unavailable;

/// A password does not match, or was neither hashed nor verified.
///
/// Errors that depend on the account have one response, 401 `login_failed`: another one for a stored hash
/// that cannot be verified would reveal that the account exists. The operator learns of it from the log,
/// and its user chooses a new password. If nothing could be hashed, the response is 503
/// `password_unavailable` with `Retry-After`.
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
    /// Whether a log-in that ends with this error counts as a failed attempt: the error depends on the
    /// account. Otherwise the hasher was overloaded or failed, for this account as for any other.
    #[must_use]
    pub const fn is_counted(&self) -> bool {
        matches!(self, Self::AboveCeiling | Self::Mismatch | Self::UnknownPepper(_))
    }
}

impl Rejection for PasswordError {
    fn problem(&self) -> Problem {
        // The same for an account that does not exist.
        let login_failed = || {
            let title = "The address or the password is wrong";
            Problem::new(StatusCode::UNAUTHORIZED, "login_failed", title)
        };
        let unavailable = || unavailable("password_unavailable", RETRY_AFTER);
        match self {
            Self::Mismatch => login_failed(),
            // The outcome is not sent. It is in the access line.
            Self::AboveCeiling | Self::UnknownPepper(_) => login_failed().outcome(Outcome::Failed),
            Self::Failed => unavailable().outcome(Outcome::Failed),
            Self::Overloaded => unavailable().outcome(Outcome::Shed),
        }
    }
}

/// In seconds. A full queue is empty after 5 s at most.
const RETRY_AFTER: u64 = 2;
