//! Why a one-time token is not made or not consumed.

use std::time::Duration;

use hardpoint_core::{Problem, Rejection};
use http::StatusCode;

use crate::{rejection::unavailable, store::StoreError};

/// A one-time token is not made or not consumed.
///
/// As a [`Rejection`] every token that is not consumed gets the same 400, so that a client does not
/// learn whether it was used, replaced or never made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OneTimeError {
    /// The token is malformed, expired, or was replaced, consumed or voided; or the code is wrong.
    #[error("the one-time token is not valid")]
    Invalid,
    /// The queue of messages is full: 503.
    #[error("too many messages wait for their delivery")]
    QueueFull,
    /// The system returned no random bytes: 503.
    #[error("the system returned no random bytes for a one-time token")]
    Randomness,
    /// The store did not answer: 503.
    #[error("the store of one-time tokens did not decide")]
    Store(#[source] StoreError),
    /// Too many tokens were requested for the recipient or from the network: 429.
    #[error("too many one-time tokens were requested")]
    TooManyRequests {
        /// After how long the next request is admitted.
        retry_after: Duration,
    },
}

impl Rejection for OneTimeError {
    fn problem(&self) -> Problem {
        match self {
            Self::Invalid => {
                let (code, title) = ("invalid_one_time_token", "Invalid one-time token");
                Problem::new(StatusCode::BAD_REQUEST, code, title)
                    .detail("The token was used, replaced, or has expired. Request a new one.")
            }
            Self::TooManyRequests { retry_after } => {
                let title = "Too many messages were requested";
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_messages", title)
                    .retry_after(*retry_after)
            }
            Self::QueueFull | Self::Randomness | Self::Store(_) => {
                unavailable("one_time_unavailable", 5)
            }
        }
    }
}
