//! Events of rate limiters.

use super::Event;

/// Who decided about a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Decider {
    /// A cache of refusals in front of a remote store.
    Cache,
    /// This process, in place of a remote store that did not decide.
    Fallback,
    /// This process, which keeps the state.
    #[default]
    Memory,
    /// A remote store.
    Store,
}

impl Decider {
    /// The label as one lowercase word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Fallback => "fallback",
            Self::Memory => "memory",
            Self::Store => "store",
        }
    }
}

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
