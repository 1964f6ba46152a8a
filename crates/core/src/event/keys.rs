//! Events of an issuer's key sets.

use super::Event;

/// An issuer added or removed keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySetChanged<'a> {
    /// The key set's name.
    pub key_set: &'a str,
    /// The number of keys that were not held before.
    pub added: usize,
    /// The number of keys that were removed.
    pub removed: usize,
}

impl<'a> KeySetChanged<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(key_set: &'a str, added: usize, removed: usize) -> Self {
        Self { key_set, added, removed }
    }
}

impl<'a> From<KeySetChanged<'a>> for Event<'a> {
    fn from(event: KeySetChanged<'a>) -> Self {
        Self::KeySetChanged(event)
    }
}

/// Why the keys of an issuer could not be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefreshErrorKind {
    /// The set has no usable key.
    Empty,
    /// The discovery document points to plain HTTP.
    Insecure,
    /// The discovery document names another issuer.
    Issuer,
    /// The response is neither a key set nor a discovery document.
    Malformed,
    /// The server answered 304 to a request that was not conditional on the current keys.
    NotModified,
    /// The server answered with a redirect that is not followed.
    Redirect,
    /// The server answered with a status other than 200.
    Status,
    /// The fetching task has ended, or the fetch panicked.
    Stopped,
    /// The server took too long.
    Timeout,
    /// The response is larger than 256 KiB or has more than 100 keys.
    TooLarge,
    /// The server did not answer.
    Unreachable,
    /// The discovery document names a location that is not a URL or is inside the network.
    Url,
}

impl RefreshErrorKind {
    /// The label as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Insecure => "insecure",
            Self::Issuer => "issuer",
            Self::Malformed => "malformed",
            Self::NotModified => "not_modified",
            Self::Redirect => "redirect",
            Self::Status => "status",
            Self::Stopped => "stopped",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::Unreachable => "unreachable",
            Self::Url => "url",
        }
    }
}

/// The keys of an issuer could not be fetched. The current keys are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySetFetchFailed<'a> {
    /// The key set's name.
    pub key_set: &'a str,
    /// The reason.
    pub kind: RefreshErrorKind,
}

impl<'a> KeySetFetchFailed<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(key_set: &'a str, kind: RefreshErrorKind) -> Self {
        Self { key_set, kind }
    }
}

impl<'a> From<KeySetFetchFailed<'a>> for Event<'a> {
    fn from(event: KeySetFetchFailed<'a>) -> Self {
        Self::KeySetFetchFailed(event)
    }
}

/// A key of an issuer's set cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySetKeySkipped<'a> {
    /// The key set's name.
    pub key_set: &'a str,
    /// The key's index in the set.
    pub position: usize,
    /// The key's id, if it has one. The issuer chooses it, so it is not for a label.
    pub key_id: Option<&'a str>,
    /// Why the key cannot be used, as one of a few words.
    pub reason: &'static str,
}

impl<'a> KeySetKeySkipped<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(
        key_set: &'a str,
        position: usize,
        key_id: Option<&'a str>,
        reason: &'static str,
    ) -> Self {
        Self { key_set, position, key_id, reason }
    }
}

impl<'a> From<KeySetKeySkipped<'a>> for Event<'a> {
    fn from(event: KeySetKeySkipped<'a>) -> Self {
        Self::KeySetKeySkipped(event)
    }
}

/// The state of an issuer's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeySetState {
    /// The keys are too old to be used.
    Expired,
    /// The keys were fetched recently enough.
    Fresh,
    /// A refresh is overdue. The keys are still used.
    Stale,
}

impl KeySetState {
    /// The label as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
        }
    }
}

/// A key set became fresh, stale or expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySetStateChanged<'a> {
    /// The key set's name.
    pub key_set: &'a str,
    /// The new state.
    pub state: KeySetState,
}

impl<'a> KeySetStateChanged<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(key_set: &'a str, state: KeySetState) -> Self {
        Self { key_set, state }
    }
}

impl<'a> From<KeySetStateChanged<'a>> for Event<'a> {
    fn from(event: KeySetStateChanged<'a>) -> Self {
        Self::KeySetStateChanged(event)
    }
}
