//! Events of requests.

use std::time::Duration;

use super::Event;
use crate::{Outcome, Scheme, TraceContext};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// The body was dropped before its end.
    Aborted,
    /// The future was dropped before it was ready.
    Cancelled,
    /// A layer set the outcome, or it follows from the status.
    Known(Outcome),
    /// The whole response was passed to the server.
    Ok,
}

impl Ending {
    /// The label as one lowercase word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::Cancelled => "cancelled",
            Self::Known(outcome) => outcome.as_str(),
            Self::Ok => "ok",
        }
    }
}

/// A request is over: its response body has ended, or its future or body was dropped.
///
/// The request record reports it together with the access line, exactly once for each
/// [`RequestStarted`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestEnded<'a> {
    /// The method; `_OTHER` if it is neither in RFC 9110 nor `PATCH`.
    pub method: &'static str,
    /// The scheme of the client's connection.
    pub scheme: Scheme,
    /// The template that the request matched, never its path. `None` if it matched none.
    pub route: Option<&'a str>,
    /// The status of the response, or that of a rejection even where gRPC sends 200. `None` if the
    /// request had no response.
    pub status: Option<u16>,
    /// How the request ended.
    pub ending: Ending,
    /// The time from the first hardpoint layer to the end.
    pub duration: Duration,
    /// The declared size of the request body. `None` if it was not declared.
    pub bytes_in: Option<u64>,
    /// The bytes of the response body that were passed to the server.
    pub bytes_out: u64,
    /// The trace of the request.
    pub trace: Option<TraceContext>,
}

impl RequestEnded<'_> {
    /// Creates an event with these fields. The others can be set afterwards.
    #[must_use]
    pub const fn new(
        method: &'static str,
        scheme: Scheme,
        ending: Ending,
        duration: Duration,
    ) -> Self {
        Self {
            method,
            scheme,
            route: None,
            status: None,
            ending,
            duration,
            bytes_in: None,
            bytes_out: 0,
            trace: None,
        }
    }
}

impl<'a> From<RequestEnded<'a>> for Event<'a> {
    fn from(event: RequestEnded<'a>) -> Self {
        Self::RequestEnded(event)
    }
}

/// The request record opened the record of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestStarted {
    /// The method; `_OTHER` if it is neither in RFC 9110 nor `PATCH`.
    pub method: &'static str,
    /// The scheme of the client's connection.
    pub scheme: Scheme,
}

impl RequestStarted {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(method: &'static str, scheme: Scheme) -> Self {
        Self { method, scheme }
    }
}

impl<'a> From<RequestStarted> for Event<'a> {
    fn from(event: RequestStarted) -> Self {
        Self::RequestStarted(event)
    }
}
