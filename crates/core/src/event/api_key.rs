//! The event of verifying an API key.

use super::Event;

/// Why an API key was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiKeyErrorKind {
    /// The key has expired.
    Expired,
    /// The text starts with the prefix but is not a valid key.
    Malformed,
    /// The client's network presented too many unknown keys and must wait.
    TooManyUnknown,
    /// The store did not answer. The key itself may be valid.
    Unavailable,
    /// No key has this id, or it was revoked or has expired.
    Unknown,
    /// The id exists, but the secret is wrong.
    WrongSecret,
}

impl ApiKeyErrorKind {
    /// The label, in lowercase.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Malformed => "malformed",
            Self::TooManyUnknown => "too_many_unknown",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
            Self::WrongSecret => "wrong_secret",
        }
    }
}

/// An API key was accepted or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiKeyVerified {
    /// `Ok` if the key was accepted, otherwise the reason for the refusal.
    pub result: Result<(), ApiKeyErrorKind>,
}

impl ApiKeyVerified {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(result: Result<(), ApiKeyErrorKind>) -> Self {
        Self { result }
    }
}

impl<'a> From<ApiKeyVerified> for Event<'a> {
    fn from(event: ApiKeyVerified) -> Self {
        Self::ApiKeyVerified(event)
    }
}
