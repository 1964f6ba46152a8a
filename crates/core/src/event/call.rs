//! Events of outgoing calls.

use std::time::Duration;

use super::{Ending, Event};
use crate::TraceContext;

/// An outgoing call ended. A call that is retried reports each attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallEnded<'a> {
    /// The name that the caller gave the destination, never its host.
    pub destination: &'a str,
    /// The method; `_OTHER` if it is neither in RFC 9110 nor `PATCH`.
    pub method: &'static str,
    /// The status of the response. `None` if the call had none.
    pub status: Option<u16>,
    /// How the call ended: `Ok`, `Failed` (an error, or a status of 400 or more), or `Cancelled`.
    pub ending: Ending,
    /// The time until the head of the response, or until the call failed or was dropped.
    pub duration: Duration,
    /// The trace of the request that the call belongs to.
    pub trace: Option<TraceContext>,
}

impl<'a> CallEnded<'a> {
    /// Creates an event with these fields. The others can be set afterwards.
    #[must_use]
    pub const fn new(
        destination: &'a str,
        method: &'static str,
        ending: Ending,
        duration: Duration,
    ) -> Self {
        Self { destination, method, status: None, ending, duration, trace: None }
    }
}

impl<'a> From<CallEnded<'a>> for Event<'a> {
    fn from(event: CallEnded<'a>) -> Self {
        Self::CallEnded(event)
    }
}
