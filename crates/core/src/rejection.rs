//! Refusing a request, in the one place that renders it.

use std::{error::Error, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER},
};

use crate::{HeadFacts, Outcome, Problem, RequestId, ResponseBody};

/// Why a request is refused: one struct per reason, made by the layer that refuses.
///
/// `Display` and `source` are for operators; [`problem`](Self::problem) is all that the client
/// learns.
pub trait Rejection: Error + Send + Sync + 'static {
    /// What the client may read.
    fn problem(&self) -> Problem;

    /// What a gRPC client gets in its trailers.
    fn grpc_code(&self) -> GrpcCode;

    /// How the request ended, for whoever records it. Default: rejected for a problem of 400 to 499,
    /// failed for any other; a layer that refuses because of overload says [`Outcome::Shed`].
    fn outcome(&self) -> Outcome {
        if self.problem().status().is_client_error() { Outcome::Rejected } else { Outcome::Failed }
    }

    /// Adds headers of this kind of refusal, such as `WWW-Authenticate`. Default: none.
    fn headers(&self, _headers: &mut HeaderMap) {}
}

/// Left in the extensions of a refusal's response, so that outer layers can count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    code: &'static str,
}

impl Refused {
    /// The code of the [`Problem`] that was sent.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.code
    }
}

/// Renders a refusal for the request with these facts.
///
/// A gRPC caller gets a trailers-only response: status 200, `grpc-status`, `grpc-message`, and, if
/// the problem says when to try again, a `RetryInfo` in `grpc-status-details-bin`; no body. Every
/// other caller gets `application/problem+json`; the answer to HEAD tells the length that the answer
/// to GET would have, and has no body. All are `Cache-Control: no-store`. The outcome is set in the
/// request's context, if there is one.
#[must_use]
pub fn refuse<B>(head: &HeadFacts, rejection: &dyn Rejection) -> Response<ResponseBody<B>> {
    let problem = rejection.problem();
    let mut response = if head.is_grpc() {
        trailers_only(&problem, rejection.grpc_code())
    } else {
        json(head, &problem)
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = problem.retry_after_seconds() {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    rejection.headers(headers);
    response.extensions_mut().insert(Refused { code: problem.code() });
    if let Some(context) = head.context() {
        context.set_outcome(rejection.outcome());
    }
    response
}

fn json<B>(head: &HeadFacts, problem: &Problem) -> Response<ResponseBody<B>> {
    let body = Bytes::from(problem.to_json(head.request_id().map(RequestId::as_str)));
    let length = body.len();
    // Not every server drops a body that stands in answer to HEAD.
    let body = if head.is_head() { ResponseBody::empty() } else { ResponseBody::full(body) };
    let mut response = Response::new(body);
    *response.status_mut() = problem.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if head.is_head() {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    response
}

fn trailers_only<B>(problem: &Problem, code: GrpcCode) -> Response<ResponseBody<B>> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", (code as u16).into());
    // Titles are constants of ours in plain ASCII; one that is not is left out, not sent broken.
    if let Ok(message) = HeaderValue::from_str(&percent_encode(problem.title())) {
        headers.insert("grpc-message", message);
    }
    if let Some(after) = problem.retry_delay()
        && let Ok(details) = HeaderValue::try_from(retry_info(code, problem.title(), after))
    {
        headers.insert("grpc-status-details-bin", details);
    }
    response
}

/// A `google.rpc.Status` with a `google.rpc.RetryInfo`, as gRPC clients look for it: protocol buffers
/// in base64 without padding.
fn retry_info(code: GrpcCode, message: &str, after: Duration) -> String {
    const VARINT: u64 = 0;
    const BYTES: u64 = 2;

    fn varint(into: &mut Vec<u8>, mut value: u64) {
        while value >= 0x80 {
            into.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        into.push(value.to_le_bytes()[0]);
    }
    let number = |into: &mut Vec<u8>, field: u64, value: u64| {
        // A field that is zero is left out.
        if value > 0 {
            varint(into, field << 3 | VARINT);
            varint(into, value);
        }
    };
    let bytes = |into: &mut Vec<u8>, field: u64, value: &[u8]| {
        varint(into, field << 3 | BYTES);
        varint(into, value.len() as u64);
        into.extend_from_slice(value);
    };
    let (mut delay, mut info, mut any, mut status) = (vec![], vec![], vec![], vec![]);
    number(&mut delay, 1, after.as_secs());
    number(&mut delay, 2, after.subsec_nanos().into());
    bytes(&mut info, 1, &delay);
    bytes(&mut any, 1, b"type.googleapis.com/google.rpc.RetryInfo");
    bytes(&mut any, 2, &info);
    number(&mut status, 1, (code as u16).into());
    bytes(&mut status, 2, message.as_bytes());
    bytes(&mut status, 3, &any);
    STANDARD_NO_PAD.encode(status)
}

/// Percent-encoding of `grpc-message`: everything but printable ASCII without `%`.
fn percent_encode(message: &str) -> String {
    use std::fmt::Write;

    message.bytes().fold(String::with_capacity(message.len()), |mut encoded, byte| {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// The status codes of gRPC that a refusal can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u16)]
pub enum GrpcCode {
    /// The caller sent something that is wrong whatever the state of the system.
    InvalidArgument = 3,
    /// The time to answer was up.
    DeadlineExceeded = 4,
    /// There is no such thing.
    NotFound = 5,
    /// The caller is known, and not allowed.
    PermissionDenied = 7,
    /// A quota is used up.
    ResourceExhausted = 8,
    /// There is no such method.
    Unimplemented = 12,
    /// Something of ours is broken.
    Internal = 13,
    /// Not now; try again later.
    Unavailable = 14,
    /// The caller did not say who it is, or could not prove it.
    Unauthenticated = 16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_info_is_what_googles_classes_make_of_it() {
        // What the Python classes of googleapis-common-protos serialise for code 8, message "x", and
        // a RetryInfo of 300 s and 5 ns.
        let expected = b"\x08\x08\x12\x01x\x1a\x33\x0a\x28type.googleapis.com/google.rpc.RetryInfo\
            \x12\x07\x0a\x05\x08\xac\x02\x10\x05";
        let encoded = retry_info(GrpcCode::ResourceExhausted, "x", Duration::new(300, 5));
        assert_eq!(STANDARD_NO_PAD.decode(encoded).unwrap(), expected);
    }

    #[test]
    fn grpc_messages_are_percent_encoded() {
        assert_eq!(percent_encode("Too many requests"), "Too many requests");
        assert_eq!(percent_encode("100 % caf\u{e9}\n"), "100 %25 caf%C3%A9%0A");
    }
}
