//! The state of the keys that are held.

use hardpoint_core::Mono;

/// The state of fetched keys, for a health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeysState {
    /// No keys have been fetched yet: every token is refused.
    Empty,
    /// The keys were too old and were dropped: every token is refused.
    Expired,
    /// The keys are as fresh as the issuer demands.
    Fresh,
    /// The keys should have been replaced and could not be. They are still used.
    Stale {
        /// Since when.
        since: Mono,
    },
}

impl KeysState {
    /// The state as one lower-case word, for a report or a metric's label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Expired => "expired",
            Self::Fresh => "fresh",
            Self::Stale { .. } => "stale",
        }
    }

    /// Whether tokens can be verified: fresh or stale.
    #[must_use]
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Fresh | Self::Stale { .. })
    }
}
