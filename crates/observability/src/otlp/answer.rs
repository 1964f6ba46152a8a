//! The meaning of a collector's answer (OTLP specification, sections "OTLP/gRPC Response" and
//! "OTLP/HTTP Response"). Pure: it reads bytes.

use std::{fmt, time::Duration};

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, HeaderValue, StatusCode, header::RETRY_AFTER};

use super::wire::{Fields, Value};

/// A collector's answer, or its absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The collector has the records, except for some that it rejected.
    Accepted { rejected: u64, remark: bool },
    /// The same request may succeed later, not before the time that the collector asks for.
    Again { after: Option<Duration>, cause: Cause },
    /// The same request will never succeed.
    Refused { cause: Cause },
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The connection could not be made, or broke.
    Connection,
    /// The status of a gRPC answer.
    Grpc(u64),
    /// The status of an HTTP answer.
    Http(u16),
    /// The answer is not one of OTLP.
    Malformed,
    /// No answer came in time.
    Timeout,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection => f.write_str("connection failed"),
            Self::Grpc(status) => write!(f, "gRPC status {status}"),
            Self::Http(status) => write!(f, "HTTP status {status}"),
            Self::Malformed => f.write_str("answer is not OTLP"),
            Self::Timeout => f.write_str("timed out"),
        }
    }
}

/// Reads the answer of OTLP/HTTP.
pub(super) fn http(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    unix_now: Duration,
) -> Answer {
    let cause = Cause::Http(status.as_u16());
    match status.as_u16() {
        // Some collectors answer 202 or 204.
        200..=299 => accepted(body),
        429 | 502 | 503 | 504 => {
            let after = headers.get(RETRY_AFTER).and_then(|value| retry_after(value, unix_now));
            Answer::Again { after, cause }
        }
        _ => Answer::Refused { cause },
    }
}

/// Reads the answer of OTLP/gRPC. The fields of `trailers` may also be in `headers`, if there is no
/// body.
pub(super) fn grpc(
    status: StatusCode,
    headers: &HeaderMap,
    trailers: Option<&HeaderMap>,
    body: &[u8],
    unix_now: Duration,
) -> Answer {
    if status != StatusCode::OK {
        // A proxy answered.
        return match http(status, headers, &[], unix_now) {
            Answer::Accepted { .. } => Answer::Refused { cause: Cause::Malformed },
            other => other,
        };
    }
    let field = |name: &str| trailers.and_then(|all| all.get(name)).or_else(|| headers.get(name));
    let Some(code) = field("grpc-status").map(|value| value.to_str().ok()?.parse().ok()) else {
        // The connection broke before the end of the answer.
        return Answer::Again { after: None, cause: Cause::Connection };
    };
    let Some(code) = code else { return Answer::Refused { cause: Cause::Malformed } };
    let cause = Cause::Grpc(code);
    let after = field("grpc-status-details-bin").and_then(retry_info);
    match code {
        0 => message(body).map_or(Answer::Refused { cause: Cause::Malformed }, accepted),
        // CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS
        1 | 4 | 10 | 11 | 14 | 15 => Answer::Again { after, cause },
        // RESOURCE_EXHAUSTED can be retried only if the collector says when.
        8 if after.is_some() => Answer::Again { after, cause },
        _ => Answer::Refused { cause },
    }
}

/// The message in a gRPC body, which is one frame without compression.
fn message(body: &[u8]) -> Option<&[u8]> {
    let (head, message) = body.split_first_chunk::<5>()?;
    let [0, len @ ..] = head else { return None };
    (u32::from_be_bytes(*len) as usize == message.len()).then_some(message)
}

/// Reads `ExportTraceServiceResponse` or one of its siblings, which have the same numbers.
fn accepted(body: &[u8]) -> Answer {
    let (mut rejected, mut remark) = (0, false);
    for (field, value) in Fields(body) {
        let (1, Value::Bytes(partial)) = (field, value) else { continue };
        for (field, value) in Fields(partial) {
            match (field, value) {
                // A negative number is nonsense.
                (1, Value::Number(number)) => {
                    rejected = u64::try_from(number.cast_signed()).unwrap_or(0);
                }
                (2, Value::Bytes(text)) => remark = !text.is_empty(),
                _ => {}
            }
        }
    }
    Answer::Accepted { rejected, remark }
}

/// Reads seconds or a date (RFC 9110, section 10.2.3).
fn retry_after(value: &HeaderValue, unix_now: Duration) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let unix = date.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Some(unix.saturating_sub(unix_now))
}

/// Reads the delay of a `google.rpc.RetryInfo` in a `google.rpc.Status`.
fn retry_info(value: &HeaderValue) -> Option<Duration> {
    const EITHER: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

    let status = GeneralPurpose::new(&STANDARD, EITHER).decode(value.as_bytes()).ok()?;
    let details = Fields(&status).filter_map(|field| match field {
        (3, Value::Bytes(detail)) => Some(detail),
        _ => None,
    });
    for detail in details {
        let is_retry_info = |field: (u32, Value<'_>)| matches!(field, (1, Value::Bytes(kind)) if kind.ends_with(b"/google.rpc.RetryInfo"));
        if !Fields(detail).any(is_retry_info) {
            continue;
        }
        let delay = bytes_of(2, detail).map(|info| bytes_of(1, info).unwrap_or_default())?;
        let mut whole = Duration::ZERO;
        for field in Fields(delay) {
            match field {
                (1, Value::Number(seconds)) => {
                    whole += Duration::from_secs(u64::try_from(seconds.cast_signed()).ok()?);
                }
                (2, Value::Number(nanos)) => {
                    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
                    whole = whole.checked_add(Duration::from_nanos(nanos.into()))?;
                }
                _ => {}
            }
        }
        return Some(whole);
    }
    None
}

fn bytes_of(number: u32, message: &[u8]) -> Option<&[u8]> {
    Fields(message).find_map(|field| match field {
        (found, Value::Bytes(bytes)) if found == number => Some(bytes),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD as PADDED, STANDARD_NO_PAD};
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::otlp::wire;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn partial(rejected: i64, text: &str) -> Vec<u8> {
        let partial =
            ExportTracePartialSuccess { rejected_spans: rejected, error_message: text.to_owned() };
        ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec()
    }

    fn frame(message: &[u8]) -> Vec<u8> {
        let len = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[0], len.as_slice(), message].concat()
    }

    /// A `google.rpc.Status` with this detail.
    fn details(kind: &str, seconds: u64, nanos: u64) -> Vec<u8> {
        let mut out = Vec::new();
        wire::uint(&mut out, 1, 8);
        wire::message::<1>(&mut out, 3, |out| {
            wire::text(out, 1, kind);
            wire::message::<1>(out, 2, |out| {
                wire::message::<1>(out, 1, |out| {
                    wire::uint(out, 1, seconds);
                    wire::uint(out, 2, nanos);
                });
            });
        });
        out
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_partial_success_is_read_from_both_protocols() {
        let accepted = |rejected, remark| Answer::Accepted { rejected, remark };
        for (body, expected) in [
            (Vec::new(), accepted(0, false)),
            (partial(3, "too old"), accepted(3, true)),
            (partial(0, "a warning"), accepted(0, true)),
            (partial(-1, ""), accepted(0, false)),
        ] {
            let read = http(StatusCode::OK, &HeaderMap::new(), &body, NOW);
            assert_eq!(read, expected);
            let trailers = headers(&[("grpc-status", "0")]);
            let none = HeaderMap::new();
            assert_eq!(grpc(StatusCode::OK, &none, Some(&trailers), &frame(&body), NOW), expected);
        }
    }

    #[test]
    fn only_what_may_succeed_later_is_tried_again() {
        for (status, again) in [
            (429, true),
            (502, true),
            (503, true),
            (504, true),
            (400, false),
            (401, false),
            (404, false),
            (413, false),
            (500, false),
            (301, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let read = http(status, &HeaderMap::new(), &[], NOW);
            assert_eq!(matches!(read, Answer::Again { .. }), again, "{status}");
            let read = grpc(status, &HeaderMap::new(), None, &[], NOW);
            assert_eq!(matches!(read, Answer::Again { .. }), again, "{status} to gRPC");
        }
        for (code, again) in [
            ("1", true),
            ("2", false),
            ("3", false),
            ("4", true),
            ("7", false),
            ("8", false),
            ("10", true),
            ("11", true),
            ("12", false),
            ("13", false),
            ("14", true),
            ("15", true),
            ("16", false),
            ("x", false),
        ] {
            let none = HeaderMap::new();
            let only_headers =
                grpc(StatusCode::OK, &headers(&[("grpc-status", code)]), None, &[], NOW);
            let trailers = headers(&[("grpc-status", code)]);
            let with_trailers = grpc(StatusCode::OK, &none, Some(&trailers), &frame(&[]), NOW);
            assert_eq!(only_headers, with_trailers);
            assert_eq!(matches!(only_headers, Answer::Again { .. }), again, "{code}");
        }
        let cut = grpc(StatusCode::OK, &HeaderMap::new(), None, &frame(&[]), NOW);
        assert_eq!(cut, Answer::Again { after: None, cause: Cause::Connection });
    }

    #[test]
    fn the_time_that_the_collector_asks_for_is_read() {
        let asked = |value: &str| match http(
            StatusCode::TOO_MANY_REQUESTS,
            &headers(&[("retry-after", value)]),
            &[],
            NOW,
        ) {
            Answer::Again { after, .. } => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("Fri, 15 Jan 2027 08:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(asked("Thu, 15 Jan 2026 08:00:30 GMT"), Some(Duration::ZERO));
        assert_eq!((asked("soon"), asked("-1"), asked("1.5")), (None, None, None));

        let grpc_asked = |text: &str| {
            let trailers = headers(&[("grpc-status", "8"), ("grpc-status-details-bin", text)]);
            grpc(StatusCode::OK, &HeaderMap::new(), Some(&trailers), &[], NOW)
        };
        let info = details("type.googleapis.com/google.rpc.RetryInfo", 1, 500_000_000);
        for text in [PADDED.encode(&info), STANDARD_NO_PAD.encode(&info)] {
            let (after, cause) = (Some(Duration::from_millis(1500)), Cause::Grpc(8));
            assert_eq!(grpc_asked(&text), Answer::Again { after, cause });
        }
        let other = PADDED.encode(details("type.googleapis.com/google.rpc.Help", 1, 0));
        for text in [other.as_str(), "not base64!"] {
            assert_eq!(grpc_asked(text), Answer::Refused { cause: Cause::Grpc(8) }, "{text}");
        }
    }

    #[test]
    fn an_answer_of_something_else_is_refused() {
        let trailers = headers(&[("grpc-status", "0")]);
        for body in [&b""[..], b"\x01\0\0\0\0", b"\0\0\0\0\x09x", b"<html>"] {
            let read = grpc(StatusCode::OK, &HeaderMap::new(), Some(&trailers), body, NOW);
            assert_eq!(read, Answer::Refused { cause: Cause::Malformed }, "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_panic(body: Vec<u8>, detail: Vec<u8>) {
            let _ = http(StatusCode::OK, &HeaderMap::new(), &body, NOW);
            let detail = PADDED.encode(detail);
            let trailers = headers(&[("grpc-status", "0"), ("grpc-status-details-bin", &detail)]);
            let _ = grpc(StatusCode::OK, &HeaderMap::new(), Some(&trailers), &body, NOW);
        }
    }
}
