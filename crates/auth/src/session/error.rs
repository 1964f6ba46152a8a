//! Why a session is not opened or refreshed.

use std::error::Error;

use hardpoint_core::{Challenge, Problem, Rejection};
use http::StatusCode;

use super::{Reuse, StoreError};
use crate::{IssueError, rejection::unavailable};

/// A session was not opened, refreshed, listed or ended.
///
/// As a [`Rejection`] every reason that a client is responsible for is the same 401, so that a thief
/// does not learn whether the theft was noticed; all others are 503.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The application grants nothing any more. The session has ended.
    #[error("the subject may not use the session any more")]
    Denied,
    /// What the application grants cannot be made into a token.
    #[error("the granted scopes or claims make no token")]
    Issue(#[source] IssueError),
    /// The text is not a refresh token of this service, or it belongs to another client.
    #[error("the refresh token is not valid")]
    Invalid,
    /// The system returned no random bytes.
    #[error("the system returned no random bytes for a session")]
    Randomness,
    /// The refresh token was used before. The session has ended, and its access tokens are revoked.
    #[error("the refresh token was used before")]
    Reused(Box<Reuse>),
    /// The refresh token is newer than what the store knows: the store lost a rotation. It is not
    /// evidence of theft.
    #[error("the refresh token is newer than the store's state")]
    RolledBack,
    /// The store did not decide.
    #[error("the store of sessions did not decide")]
    Store(#[source] StoreError),
    /// It is not known what the subject may do.
    #[error("it is not known what the subject may do")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The session has ended or expired, or never existed.
    #[error("the session has ended")]
    Unknown,
}

impl Rejection for SessionError {
    fn problem(&self) -> Problem {
        match self {
            Self::Denied | Self::Invalid | Self::Reused(_) | Self::RolledBack | Self::Unknown => {
                let code = "invalid_refresh_token";
                Problem::new(StatusCode::UNAUTHORIZED, code, "Invalid refresh token")
                    .detail("The session has ended. Log in again.")
                    .challenge(Challenge::new("invalid_token"))
            }
            Self::Issue(_) | Self::Randomness | Self::Store(_) | Self::Unavailable(_) => {
                unavailable("session_unavailable", RETRY_AFTER)
            }
        }
    }
}

/// In seconds. Within the default grace, so that a client that retries gets the successor of its token.
const RETRY_AFTER: u64 = 2;
