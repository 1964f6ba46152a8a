//! Why an API key is not issued, listed or ended.

use hardpoint_core::{Problem, Rejection};
use http::StatusCode;

use crate::{rejection::unavailable, store::StoreError};

/// An API key is not issued, or the store did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiKeyError {
    /// The name is empty or too long: 422.
    #[error("the name of an API key has 1 to {most} bytes")]
    Name {
        /// The most bytes.
        most: usize,
    },
    /// The system returned no random bytes: 503.
    #[error("the system returned no random bytes for an API key")]
    Randomness,
    /// The store did not answer: 503.
    #[error("the store of API keys did not decide")]
    Store(#[source] StoreError),
    /// The owner has as many keys as it may have: 409.
    #[error("the owner has {most} API keys, which is the most")]
    TooMany {
        /// The most keys.
        most: u32,
    },
}

impl Rejection for ApiKeyError {
    fn problem(&self) -> Problem {
        let new = Problem::new;
        match self {
            Self::Name { most } => {
                let title = "The name of the key is not accepted";
                new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_api_key_name", title)
                    .detail(format!("Write 1 to {most} bytes."))
            }
            Self::Randomness | Self::Store(_) => unavailable("api_keys_unavailable", 2),
            Self::TooMany { most } => {
                new(StatusCode::CONFLICT, "too_many_api_keys", "No more keys can be made")
                    .detail(format!("You can have at most {most}. Delete one first."))
            }
        }
    }
}
