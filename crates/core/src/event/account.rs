//! The events of accounts: passwords, attempts to log in, one-time tokens and their delivery.

use super::{Decider, Event};

/// The result of a password operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PasswordResult {
    /// The password was not verified, and may be correct: the stored hash needs a pepper that is missing or
    /// more than the ceiling, or the hash function failed.
    Failed,
    /// A new hash was made.
    Hashed,
    /// The password matched the hash.
    Matched,
    /// The password did not match.
    Mismatched,
    /// The queue was full.
    Shed,
}

impl PasswordResult {
    /// The label as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Hashed => "hashed",
            Self::Matched => "matched",
            Self::Mismatched => "mismatched",
            Self::Shed => "shed",
        }
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

/// Where an attempt to log in is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttemptLane {
    /// With the account's attempts from unknown devices.
    Account,
    /// With the attempts of a known device.
    Device,
    /// With all attempts from unknown devices.
    Global,
    /// With the attempts from the client's network.
    Network,
}

impl AttemptLane {
    /// The label as one lowercase word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Device => "device",
            Self::Global => "global",
            Self::Network => "network",
        }
    }
}

/// The result of an attempt to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttemptResult {
    /// The attempt was refused for a time.
    Denied,
    /// The password was wrong, or the attempt was dropped.
    Failed,
    /// The attempt was refused because the account reached its hard stop.
    Locked,
    /// The password was right.
    Succeeded,
    /// No password was checked.
    Unverified,
}

impl AttemptResult {
    /// The label as one lowercase word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Locked => "locked",
            Self::Succeeded => "succeeded",
            Self::Unverified => "unverified",
        }
    }
}

/// An attempt to log in was refused or settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoginAttempted {
    /// The result.
    pub result: AttemptResult,
    /// The lane that refused the attempt, or that counted it.
    pub lane: AttemptLane,
    /// Where it was counted.
    pub decider: Decider,
}

impl LoginAttempted {
    /// Creates the event of an attempt that is counted in memory with these fields.
    #[must_use]
    pub const fn new(result: AttemptResult, lane: AttemptLane) -> Self {
        Self { result, lane, decider: Decider::Memory }
    }

    /// Sets where it was counted.
    #[must_use]
    pub const fn by(self, decider: Decider) -> Self {
        Self { decider, ..self }
    }
}

impl<'a> From<LoginAttempted> for Event<'a> {
    fn from(event: LoginAttempted) -> Self {
        Self::LoginAttempted(event)
    }
}

/// The result of sending a message to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeliveryResult {
    /// The queue was full.
    Dropped,
    /// The delivery failed.
    Failed,
    /// The server for outgoing mail took the message.
    Sent,
}

impl DeliveryResult {
    /// The label as one lowercase word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Failed => "failed",
            Self::Sent => "sent",
        }
    }
}

/// A message to a user was sent, or was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageDelivered {
    /// The result.
    pub result: DeliveryResult,
}

impl MessageDelivered {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(result: DeliveryResult) -> Self {
        Self { result }
    }
}

impl<'a> From<MessageDelivered> for Event<'a> {
    fn from(event: MessageDelivered) -> Self {
        Self::MessageDelivered(event)
    }
}

/// The result of an operation on a one-time token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OneTimeResult {
    /// Too many tokens were requested.
    Capped,
    /// The token was consumed.
    Consumed,
    /// A token was made.
    Issued,
    /// The token was unknown, expired, replaced or consumed before.
    Unknown,
    /// The token was made for a state that has changed since.
    Void,
}

impl OneTimeResult {
    /// The label as one lowercase word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Capped => "capped",
            Self::Consumed => "consumed",
            Self::Issued => "issued",
            Self::Unknown => "unknown",
            Self::Void => "void",
        }
    }
}

/// A one-time token was requested, made or presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OneTimeTokenUsed {
    /// The purpose of the token, as one of a few words.
    pub purpose: &'static str,
    /// The result.
    pub result: OneTimeResult,
}

impl OneTimeTokenUsed {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(purpose: &'static str, result: OneTimeResult) -> Self {
        Self { purpose, result }
    }
}

impl<'a> From<OneTimeTokenUsed> for Event<'a> {
    fn from(event: OneTimeTokenUsed) -> Self {
        Self::OneTimeTokenUsed(event)
    }
}
