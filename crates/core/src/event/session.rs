//! The events of sessions.

use std::time::Duration;

use super::Event;

/// The result of presenting a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefreshResult {
    /// The application granted nothing any more, so the session ended.
    Denied,
    /// The previous token came late and was forgiven.
    Forgiven,
    /// The text was not a refresh token of this service.
    Invalid,
    /// The previous token came again within the grace, and got the same successor.
    Replayed,
    /// The token had been used before, so the session ended.
    Reused,
    /// The token was newer than the store's state: the store lost a rotation.
    RolledBack,
    /// The token was replaced by its successor.
    Rotated,
    /// The session had ended or expired.
    Unknown,
}

impl RefreshResult {
    /// The label as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Forgiven => "forgiven",
            Self::Invalid => "invalid",
            Self::Replayed => "replayed",
            Self::Reused => "reused",
            Self::RolledBack => "rolled_back",
            Self::Rotated => "rotated",
            Self::Unknown => "unknown",
        }
    }
}

/// A refresh token was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionRefreshed {
    /// The result.
    pub result: RefreshResult,
}

impl SessionRefreshed {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(result: RefreshResult) -> Self {
        Self { result }
    }
}

impl<'a> From<SessionRefreshed> for Event<'a> {
    fn from(event: SessionRefreshed) -> Self {
        Self::SessionRefreshed(event)
    }
}

/// A refresh token was used twice, so a second client has a copy of it. The session has ended.
///
/// It is a security event. It compares the client that last refreshed the session with the one that
/// presented the used token; which of them is the thief is not known. The application gets both
/// clients with the error, for its audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionReused {
    /// How many rotations ago the presented token was replaced.
    pub generations_behind: u64,
    /// How long ago the session was last refreshed.
    pub since_rotation: Duration,
    /// Whether both clients are in the same network; `None` if one of them is not known.
    pub same_network: Option<bool>,
    /// Whether both clients have the same user agent; `None` if one of them is not known.
    pub same_user_agent: Option<bool>,
}

impl SessionReused {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(
        generations_behind: u64,
        since_rotation: Duration,
        same_network: Option<bool>,
        same_user_agent: Option<bool>,
    ) -> Self {
        Self { generations_behind, since_rotation, same_network, same_user_agent }
    }
}

impl<'a> From<SessionReused> for Event<'a> {
    fn from(event: SessionReused) -> Self {
        Self::SessionReused(event)
    }
}
