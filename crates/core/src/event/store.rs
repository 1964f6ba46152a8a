//! Events of stores that do not do what they were asked to.

use super::Event;

/// The purpose of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreKind {
    /// API keys.
    ApiKey,
    /// Attempts to log in.
    Attempt,
    /// One-time tokens.
    OneTime,
    /// The state of rate limits.
    RateLimit,
    /// Revoked sessions and tokens.
    Revocation,
    /// Sessions.
    Session,
}

impl StoreKind {
    /// The label as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Attempt => "attempt",
            Self::OneTime => "one_time",
            Self::RateLimit => "ratelimit",
            Self::Revocation => "revocation",
            Self::Session => "session",
        }
    }
}

/// A store could not queue or send settlements. The cells that they hold stay charged until they
/// time out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettlementsLost {
    /// The store.
    pub store: StoreKind,
    /// The number of lost settlements.
    pub lost: u64,
}

impl SettlementsLost {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(store: StoreKind, lost: u64) -> Self {
        Self { store, lost }
    }
}

impl<'a> From<SettlementsLost> for Event<'a> {
    fn from(event: SettlementsLost) -> Self {
        Self::SettlementsLost(event)
    }
}

/// Why a store did not decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store answered something that its protocol does not allow.
    Corrupt,
    /// The store took longer than its deadline.
    Timeout,
    /// The store cannot be reached.
    Unavailable,
}

impl StoreErrorKind {
    /// The label as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Corrupt => "corrupt",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A store did not decide, so the failure policy decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreFailed {
    /// The store.
    pub store: StoreKind,
    /// The reason.
    pub kind: StoreErrorKind,
}

impl StoreFailed {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(store: StoreKind, kind: StoreErrorKind) -> Self {
        Self { store, kind }
    }
}

impl<'a> From<StoreFailed> for Event<'a> {
    fn from(event: StoreFailed) -> Self {
        Self::StoreFailed(event)
    }
}
