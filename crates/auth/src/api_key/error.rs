//! Why an API key is not issued, listed or revoked.

use hardpoint_core::{Problem, Rejection};
use http::StatusCode;

use crate::{rejection::unavailable, store::StoreError};

/// An API key is not issued, or the store did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiKeyError {
    /// The name is empty or too long: 422.
    #[error("the name of the API key is empty or longer than {max} bytes")]
    Name {
        /// The most bytes.
        max: usize,
    },
    /// The system returned no random bytes: 503.
    #[error("the system returned no random bytes for an API key")]
    Randomness,
    /// The store did not answer: 503.
    #[error("the store of API keys did not decide")]
    Store(#[source] StoreError),
    /// The owner has as many keys as it may have: 409.
    #[error("the owner already has the maximum of {max} API keys")]
    TooMany {
        /// The most keys.
        max: u32,
    },
}

impl Rejection for ApiKeyError {
    fn problem(&self) -> Problem {
        let new = Problem::new;
        match self {
            Self::Name { max } => {
                let (code, title) = ("invalid_api_key_name", "Invalid API key name");
                new(StatusCode::UNPROCESSABLE_ENTITY, code, title)
                    .detail(format!("Use a name of 1 to {max} bytes."))
            }
            Self::Randomness | Self::Store(_) => unavailable("api_keys_unavailable", 2),
            Self::TooMany { max } => {
                new(StatusCode::CONFLICT, "too_many_api_keys", "Too many API keys")
                    .detail(format!("You can have at most {max}. Revoke one first."))
            }
        }
    }
}
