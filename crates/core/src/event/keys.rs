//! Events of keys, tokens and passwords.

use super::{Event, KeySetState, PasswordResult, RefreshErrorKind, VerifyErrorKind};

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

/// A token was accepted or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenVerified {
    /// `Ok` if the token was accepted, otherwise the reason for the refusal.
    pub result: Result<(), VerifyErrorKind>,
}

impl TokenVerified {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(result: Result<(), VerifyErrorKind>) -> Self {
        Self { result }
    }
}

impl<'a> From<TokenVerified> for Event<'a> {
    fn from(event: TokenVerified) -> Self {
        Self::TokenVerified(event)
    }
}

/// A password was hashed or verified, or refused because the queue was full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PasswordChecked {
    /// The result.
    pub result: PasswordResult,
}

impl PasswordChecked {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(result: PasswordResult) -> Self {
        Self { result }
    }
}

impl<'a> From<PasswordChecked> for Event<'a> {
    fn from(event: PasswordChecked) -> Self {
        Self::PasswordChecked(event)
    }
}
