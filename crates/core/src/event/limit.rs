//! Events of rate limiters and their stores.

use super::{Decider, Event, StoreErrorKind, StoreKind};

/// A rate limiter decided on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limited<'a> {
    /// The policy that decided: the one that denied, or the one with the least room left.
    pub policy: &'a str,
    /// Whether the policy had room for the request.
    pub allowed: bool,
    /// Whether a denial refuses the request; `false` for a shadow policy.
    pub enforced: bool,
    /// Where it was decided.
    pub decider: Decider,
}

impl<'a> Limited<'a> {
    /// Creates the event of a decision in memory with these fields.
    #[must_use]
    pub const fn new(policy: &'a str, allowed: bool, enforced: bool) -> Self {
        Self { policy, allowed, enforced, decider: Decider::Memory }
    }

    /// Sets where it was decided.
    #[must_use]
    pub const fn by(self, decider: Decider) -> Self {
        Self { decider, ..self }
    }
}

impl<'a> From<Limited<'a>> for Event<'a> {
    fn from(event: Limited<'a>) -> Self {
        Self::Limited(event)
    }
}

/// A rate limiter admitted a request and left its key with fewer cells than the warning level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NearLimit<'a> {
    /// The policy.
    pub policy: &'a str,
    /// The cells that are left.
    pub remaining: u64,
}

impl<'a> NearLimit<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(policy: &'a str, remaining: u64) -> Self {
        Self { policy, remaining }
    }
}

impl<'a> From<NearLimit<'a>> for Event<'a> {
    fn from(event: NearLimit<'a>) -> Self {
        Self::NearLimit(event)
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
