//! What the keys that are held are worth.

use hardpoint_core::Mono;

/// The state of keys that are fetched, for a health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeysState {
    /// None have come yet: every token is refused.
    Empty,
    /// They are older than may be: they were let go, and every token is refused.
    Expired,
    /// They are as fresh as the issuer wants.
    Fresh,
    /// They should have been replaced, and could not be. They are used on.
    Stale {
        /// Since when.
        since: Mono,
    },
}

impl KeysState {
    /// The state as one lower-case word, for a report or a metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Expired => "expired",
            Self::Fresh => "fresh",
            Self::Stale { .. } => "stale",
        }
    }

    /// Whether tokens can be verified: fresh or stale.
    #[must_use]
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Fresh | Self::Stale { .. })
    }
}
