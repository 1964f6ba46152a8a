//! The spans of requests and of calls, as `Span` of opentelemetry-proto with the attributes of the semantic
//! conventions for HTTP servers.

use hardpoint_core::{Outcome, event::Ending};

use super::{
    resource::RECORDS,
    wire::{self, Any},
};
use crate::{
    record::{
        attributes::{self, Add, Small, Value},
        span::{CallSpan, RequestSpan},
    },
    redact::Redactor,
};

/// `SPAN_KIND_SERVER` and `SPAN_KIND_CLIENT`.
const SERVER: u64 = 2;
const CLIENT: u64 = 3;
/// `STATUS_CODE_ERROR`.
const ERROR: u64 = 2;
/// The bits of `Span.flags` for whether the parent is in another process, and that this is known.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// Appends the span as a record of a batch.
pub(super) fn encode(out: &mut Vec<u8>, span: &RequestSpan<'_>, redactor: &Redactor) {
    out.reserve(512);
    wire::message::<2>(out, RECORDS, |out| {
        wire::bytes(out, 1, &span.trace.trace_id.to_bytes());
        wire::bytes(out, 2, &span.id.to_bytes());
        if let Some(parent) = span.trace.parent_id {
            wire::bytes(out, 4, &parent.to_bytes());
        }
        name(out, span);
        wire::uint(out, 6, SERVER);
        let start = span.end.saturating_sub(span.event.duration);
        wire::fixed64(out, 7, wire::nanos(start));
        wire::fixed64(out, 8, wire::nanos(span.end));
        let is_error = attributes::visit(span, redactor, &mut Attributes(out));
        if is_error {
            // Status { code: ERROR }
            wire::message::<1>(out, 15, |out| wire::uint(out, 3, ERROR));
        }
        let remote = if span.trace.parent_id.is_some() { IS_REMOTE } else { 0 };
        wire::fixed32(out, 16, HAS_IS_REMOTE | remote | u32::from(span.trace.flags));
    });
}

/// Appends attributes to the fields of a span.
struct Attributes<'a>(&'a mut Vec<u8>);

impl Add for Attributes<'_> {
    // Inlined, so that a key of a known length is a few moves instead of a call that copies it.
    #[inline(always)]
    fn add(&mut self, key: &'static str, value: Value<'_>) {
        wire::attribute(self.0, 9, key, value.into());
    }
}

/// Appends the span of an outgoing call as a record of a batch.
pub(super) fn encode_call(out: &mut Vec<u8>, call: &CallSpan<'_>, redactor: &Redactor) {
    let event = call.event;
    out.reserve(512);
    wire::message::<2>(out, RECORDS, |out| {
        wire::bytes(out, 1, &call.trace.trace_id.to_bytes());
        wire::bytes(out, 2, &call.id.to_bytes());
        if let Some(parent) = call.parent {
            wire::bytes(out, 4, &parent.to_bytes());
        }
        target(out, event.method, Some(event.destination));
        wire::uint(out, 6, CLIENT);
        wire::fixed64(out, 7, wire::nanos(call.end.saturating_sub(event.duration)));
        wire::fixed64(out, 8, wire::nanos(call.end));
        call_attributes(out, call, redactor);
        // The parent is in this process.
        wire::fixed32(out, 16, HAS_IS_REMOTE | u32::from(call.trace.flags));
    });
}

fn call_attributes(out: &mut Vec<u8>, call: &CallSpan<'_>, redactor: &Redactor) {
    let (event, uri) = (call.event, call.uri);
    let mut add = |key: &str, value: Any<'_>| wire::attribute(out, 9, key, value);
    add("http.request.method", Any::Text(event.method));
    add("peer.service", Any::Text(event.destination));
    if let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) {
        let default = if scheme == "https" { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default);
        add("server.address", Any::Text(host));
        add("server.port", Any::Int(port.into()));
        // Without user and query.
        let url = format!("{scheme}://{host}:{port}{}", uri.path());
        add("url.full", Any::Text(&attributes::path(&url, redactor)));
    }
    let status = event.status.map(Small::of);
    if let Some(status) = event.status {
        add("http.response.status_code", Any::Int(status.into()));
    }
    let error = match event.ending {
        Ending::Ok => None,
        Ending::Known(Outcome::Failed) if status.is_some() => status.as_ref().map(Small::as_str),
        other => Some(other.as_str()),
    };
    if let Some(error) = error {
        add("error.type", Any::Text(error));
        // Status { code: ERROR }
        wire::message::<1>(out, 15, |out| wire::uint(out, 3, ERROR));
    }
}

/// The name has few values: method and route.
fn name(out: &mut Vec<u8>, span: &RequestSpan<'_>) {
    target(out, span.event.method, span.event.route);
}

/// A name of a method and of what it asks for.
fn target(out: &mut Vec<u8>, method: &'static str, target: Option<&str>) {
    let method = attributes::method(method);
    match target {
        Some(route) => {
            wire::head(out, 5, method.len() + 1 + route.len());
            out.extend_from_slice(method.as_bytes());
            out.push(b' ');
            out.extend_from_slice(route.as_bytes());
        }
        None => wire::text(out, 5, method),
    }
}

impl<'a> From<Value<'a>> for Any<'a> {
    #[inline]
    fn from(value: Value<'a>) -> Self {
        match value {
            Value::Int(number) => Self::Int(number),
            Value::Text(text) => Self::Text(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv6Addr, time::Duration};

    use hardpoint_core::{
        Outcome, Scheme, SpanId, TraceContext, TraceId,
        event::{Ending, RequestEnded},
    };
    use http::Version;
    use opentelemetry_proto::tonic::{
        common::v1::any_value::Value,
        trace::v1::{ScopeSpans, Span, span::SpanKind, status::StatusCode},
    };
    use prost::Message as _;

    use super::*;
    use crate::record::attributes::PATH_MAX;

    fn decode(span: &RequestSpan<'_>) -> Span {
        let mut out = Vec::new();
        encode(&mut out, span, &Redactor::new());
        // A batch is what records follow on each other.
        let once = out.len();
        out.extend_from_within(..);
        let batch = ScopeSpans::decode(&*out).unwrap();
        assert_eq!(batch.spans.len(), 2, "{once} bytes");
        assert_eq!(batch.spans[0], batch.spans[1]);
        batch.spans.into_iter().next().unwrap()
    }

    fn event(status: u16, ending: Ending) -> RequestEnded<'static> {
        let mut event = RequestEnded::new("GET", Scheme::Https, ending, Duration::from_millis(20));
        event.route = Some("/notes/{id}");
        event.status = Some(status);
        event.bytes_in = Some(3);
        event.bytes_out = 70_000;
        event
    }

    fn span<'a>(event: &'a RequestEnded<'a>) -> RequestSpan<'a> {
        let trace = TraceId::from_bytes([7; 16]).unwrap();
        RequestSpan {
            id: SpanId::from_bytes([2; 8]).unwrap(),
            trace: TraceContext::new(trace, SpanId::from_bytes([3; 8]), 1),
            end: Duration::from_secs(1_800_000_000),
            event,
            request_id: Some("an-id"),
            path: "/notes/alice@example.org",
            version: Version::HTTP_2,
            host: None,
            client: Some(Ipv6Addr::from_bits(u128::MAX).into()),
            peer: Some([10, 0, 0, 1].into()),
            user_agent: Some("curl/8"),
        }
    }

    fn attributes_of(span: &Span) -> Vec<(String, String)> {
        let text = |value: &Value| match value {
            Value::StringValue(text) => text.clone(),
            Value::IntValue(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        span.attributes
            .iter()
            .map(|pair| {
                (pair.key.clone(), text(pair.value.as_ref().unwrap().value.as_ref().unwrap()))
            })
            .collect()
    }

    #[test]
    fn an_independent_decoder_reads_every_field() {
        let event = event(200, Ending::Ok);
        let decoded = decode(&span(&event));
        assert_eq!(decoded.trace_id, [7; 16]);
        assert_eq!(
            (decoded.span_id.as_slice(), decoded.parent_span_id.as_slice()),
            ([2; 8].as_slice(), [3; 8].as_slice())
        );
        assert_eq!(decoded.name, "GET /notes/{id}");
        assert_eq!(decoded.kind(), SpanKind::Server);
        let second = 1_000_000_000;
        assert_eq!(decoded.end_time_unix_nano, 1_800_000_000 * second);
        assert_eq!(decoded.end_time_unix_nano - decoded.start_time_unix_nano, 20_000_000);
        assert_eq!(decoded.flags, 0x301);
        assert_eq!(decoded.status, None);
        let pairs = attributes_of(&decoded);
        let pairs: Vec<_> =
            pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("http.request.method", "GET"),
                ("url.scheme", "https"),
                ("url.path", "/notes/[redacted:email]"),
                ("http.route", "/notes/{id}"),
                ("http.response.status_code", "200"),
                ("network.protocol.version", "2"),
                ("client.address", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
                ("network.peer.address", "10.0.0.1"),
                ("user_agent.original", "curl/8"),
                ("http.request.body.size", "3"),
                ("http.response.body.size", "70000"),
                ("hardpoint.request_id", "an-id"),
            ]
        );
    }

    #[test]
    fn only_what_the_service_does_wrong_is_an_error() {
        for (status, ending, error) in [
            (404, Ending::Ok, None),
            (429, Ending::Known(Outcome::Rejected), None),
            (500, Ending::Known(Outcome::Failed), Some("500")),
            (200, Ending::Known(Outcome::Failed), Some("failed")),
            (200, Ending::Aborted, Some("aborted")),
            (503, Ending::Known(Outcome::Shed), Some("shed")),
        ] {
            let event = event(status, ending);
            let decoded = decode(&span(&event));
            let pairs = attributes_of(&decoded);
            let found = pairs.iter().find(|(key, _)| key == "error.type");
            assert_eq!(found.map(|(_, value)| value.as_str()), error, "{status} {ending:?}");
            let code = decoded.status.map(|status| status.code());
            assert_eq!(code, error.map(|_| StatusCode::Error), "{status} {ending:?}");
        }
    }

    #[test]
    fn a_trace_that_starts_here_has_no_parent_and_an_unmatched_request_no_route() {
        let mut event = RequestEnded::new("_OTHER", Scheme::Http, Ending::Ok, Duration::ZERO);
        event.status = Some(404);
        let mut span = span(&event);
        span.trace.parent_id = None;
        let long = "/\u{e9}".repeat(PATH_MAX);
        span.path = &long;
        let decoded = decode(&span);
        assert_eq!((decoded.name.as_str(), decoded.flags), ("HTTP", 0x101));
        assert!(decoded.parent_span_id.is_empty());
        let pairs = attributes_of(&decoded);
        assert!(pairs.iter().all(|(key, _)| key != "http.route"));
        let path = pairs.iter().find(|(key, _)| key == "url.path");
        assert!(path.is_some_and(|(_, path)| (510..=512).contains(&path.len())));
    }
}
