//! Events of links to servers.

use std::time::Duration;

use super::{Event, StoreErrorKind};

/// A command that was given to a link was answered, or failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkAnswered<'a> {
    /// The link's name.
    pub link: &'a str,
    /// `Ok` if the server answered in time, otherwise the reason.
    pub result: Result<(), StoreErrorKind>,
    /// The time since the command was given to the link. Zero if the link refused it at once.
    pub took: Duration,
}

impl<'a> LinkAnswered<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(link: &'a str, result: Result<(), StoreErrorKind>, took: Duration) -> Self {
        Self { link, result, took }
    }
}

impl<'a> From<LinkAnswered<'a>> for Event<'a> {
    fn from(event: LinkAnswered<'a>) -> Self {
        Self::LinkAnswered(event)
    }
}

/// The state of a link to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkState {
    /// The link connects: for the first time, or for one deadline after it lost its connection.
    /// Commands wait for it until their deadline.
    Connecting,
    /// The server does not answer in time, or not at all. Commands fail at once.
    Down,
    /// The server answers.
    Up,
}

impl LinkState {
    /// The label as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Down => "down",
            Self::Up => "up",
        }
    }
}

/// A link to a server went up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkChanged<'a> {
    /// The link's name.
    pub link: &'a str,
    /// The new state.
    pub state: LinkState,
}

impl<'a> LinkChanged<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(link: &'a str, state: LinkState) -> Self {
        Self { link, state }
    }
}

impl<'a> From<LinkChanged<'a>> for Event<'a> {
    fn from(event: LinkChanged<'a>) -> Self {
        Self::LinkChanged(event)
    }
}
