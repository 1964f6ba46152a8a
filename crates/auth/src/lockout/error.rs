//! Why an attempt to log in is refused.

use std::time::Duration;

use hardpoint_core::{Problem, Rejection, event::AttemptLane};
use http::StatusCode;

use crate::{rejection::unavailable, store::StoreError};

/// An attempt to log in is refused before a password is checked.
///
/// As a [`Rejection`] all refusals of lanes have one text, so a client learns how long to wait, and
/// neither which lane refused it nor whether the account exists.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockoutError {
    /// Other attempts to log in to the account are being checked, for longer than the guard's patience:
    /// 503.
    #[error("other attempts to log in to the account are being checked")]
    Busy,
    /// Too many attempts failed: 429. The client may try again after this time.
    #[error("too many attempts to log in failed")]
    TooManyAttempts {
        /// The lane that refused the attempt.
        lane: AttemptLane,
        /// The wait. After the hard stop of an account it is the longest delay, though only an unlock
        /// or a known device helps.
        retry_after: Duration,
    },
    /// The store did not decide, and the failure policy refuses: 503.
    #[error("the attempts to log in cannot be counted")]
    Unavailable(#[source] StoreError),
}

impl Rejection for LockoutError {
    fn problem(&self) -> Problem {
        match self {
            Self::TooManyAttempts { retry_after, .. } => {
                let title = "Too many attempts to log in";
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", title)
                    .detail("Wait, log in on a device that you have used before, or reset the password.")
                    .retry_after(*retry_after)
            }
            Self::Busy | Self::Unavailable(_) => unavailable("login_unavailable", 2),
        }
    }
}
