//! The attributes of a request's span, by the semantic conventions for HTTP servers.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
};

use http::Version;

use super::span::RequestSpan;
use crate::{
    metrics::http::{ErrorType, error_type},
    redact::{Personal, Redactor},
};

/// The longest path that a span has.
pub(crate) const PATH_MAX: usize = 512;

/// The value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Int(i64),
    Text(&'a str),
}

/// Receives attributes.
pub(crate) trait Add {
    fn add(&mut self, key: &'static str, value: Value<'_>);
}

/// Adds each attribute that is known. Returns whether the span is an error.
#[inline]
pub(crate) fn visit<A: Add>(span: &RequestSpan<'_>, redactor: &Redactor, to: &mut A) -> bool {
    let event = span.event;
    to.add("http.request.method", Value::Text(event.method));
    to.add("url.scheme", Value::Text(event.scheme.as_str()));
    to.add("url.path", Value::Text(&path(span.path, redactor)));
    if let Some(route) = event.route {
        to.add("http.route", Value::Text(route));
    }
    if let Some(status) = event.status {
        to.add("http.response.status_code", Value::Int(status.into()));
    }
    if let Some(version) = version(span.version) {
        to.add("network.protocol.version", Value::Text(version));
    }
    if let Some(host) = span.host {
        let name = host.name();
        to.add("server.address", Value::Text(name));
        let port = host.as_str().get(name.len()..).and_then(|rest| rest.strip_prefix(':'));
        if let Some(port) = port.and_then(|port| port.parse::<u16>().ok()) {
            to.add("server.port", Value::Int(port.into()));
        }
    }
    let (client, peer) = (span.client.map(Small::of), span.peer.map(Small::of));
    for (name, what, text) in [
        ("client.address", Personal::Client, client.as_ref().map(Small::as_str)),
        ("network.peer.address", Personal::Client, peer.as_ref().map(Small::as_str)),
        ("user_agent.original", Personal::UserAgent, span.user_agent),
    ] {
        if let Some(shown) = text.and_then(|text| redactor.show(what, text)) {
            to.add(name, Value::Text(&shown));
        }
    }
    if let Some(bytes) = event.bytes_in.and_then(|bytes| i64::try_from(bytes).ok()) {
        to.add("http.request.body.size", Value::Int(bytes));
    }
    if let Ok(bytes) = i64::try_from(event.bytes_out) {
        to.add("http.response.body.size", Value::Int(bytes));
    }
    if let Some(id) = span.request_id {
        to.add("hardpoint.request_id", Value::Text(id));
    }
    let status = event.status.map(Small::of);
    let error = match error_type(event) {
        ErrorType::None => None,
        ErrorType::Status => status.as_ref().map(Small::as_str),
        ErrorType::Word(word) => Some(word),
    };
    if let Some(error) = error {
        to.add("error.type", Value::Text(error));
    }
    error.is_some()
}

/// The method as it begins a span's name.
pub(crate) fn method(method: &'static str) -> &'static str {
    if method == "_OTHER" { "HTTP" } else { method }
}

/// The path as it is exported: its beginning, redacted like the log.
pub(crate) fn path<'p>(path: &'p str, redactor: &Redactor) -> Cow<'p, str> {
    redactor.redact(path.get(..path.floor_char_boundary(PATH_MAX)).unwrap_or_default())
}

const fn version(version: Version) -> Option<&'static str> {
    Some(match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_11 => "1.1",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => return None,
    })
}

/// A short text without an allocation.
pub(crate) struct Small {
    bytes: [u8; Self::MAX],
    len: usize,
}

impl Small {
    /// The longest address: IPv6 with an embedded IPv4.
    const MAX: usize = 45;

    pub(crate) fn of(value: impl fmt::Display) -> Self {
        let mut small = Self { bytes: [0; Self::MAX], len: 0 };
        // Everything that is written here fits.
        let _fits = write!(small, "{value}");
        small
    }

    pub(crate) fn as_str(&self) -> &str {
        self.bytes.get(..self.len).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or("")
    }
}

impl fmt::Write for Small {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
