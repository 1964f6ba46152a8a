//! Renders refusals for gRPC clients.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};

use crate::{Problem, ResponseBody};

/// The gRPC status codes that a refusal can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u16)]
pub enum GrpcCode {
    /// The request is invalid in any state of the system.
    InvalidArgument = 3,
    /// The deadline passed.
    DeadlineExceeded = 4,
    /// The entity does not exist.
    NotFound = 5,
    /// The caller is known but lacks the permission.
    PermissionDenied = 7,
    /// A quota is exhausted.
    ResourceExhausted = 8,
    /// The method does not exist.
    Unimplemented = 12,
    /// The service is broken.
    Internal = 13,
    /// The service is not available now; a retry may succeed.
    Unavailable = 14,
    /// The caller presented no valid credentials.
    Unauthenticated = 16,
}

impl GrpcCode {
    /// The code for an HTTP status. A path without a route is a method that does not exist, so 404
    /// becomes `UNIMPLEMENTED`.
    #[must_use]
    pub fn from_status(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 | 405 | 501 => Self::Unimplemented,
            410 => Self::NotFound,
            408 | 504 => Self::DeadlineExceeded,
            413 | 429 | 431 => Self::ResourceExhausted,
            502 | 503 => Self::Unavailable,
            500 | 505.. => Self::Internal,
            _ => Self::InvalidArgument,
        }
    }
}

/// Makes the response that gRPC calls *trailers-only*: its head ends the stream.
pub(super) fn trailers_only<B>(problem: &Problem) -> Response<ResponseBody<B>> {
    let code = problem.grpc_code_or_default();
    let mut response = Response::new(ResponseBody::empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", (code as u16).into());
    // Percent-encoded text is printable ASCII, which is always a valid header value.
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

/// Encodes a `google.rpc.Status` with a `google.rpc.RetryInfo`, which gRPC clients look for, as
/// protocol buffers in base64 without padding.
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
        // proto3 omits a field that is zero.
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

/// Percent-encodes a `grpc-message`: `%` and every byte that is not printable ASCII.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_info_equals_the_output_of_googles_classes() {
        // The Python classes of googleapis-common-protos serialise this for code 8, message "x",
        // and a RetryInfo of 300 s and 5 ns.
        let expected = b"\x08\x08\x12\x01x\x1a\x33\x0a\x28type.googleapis.com/google.rpc.RetryInfo\
            \x12\x07\x0a\x05\x08\xac\x02\x10\x05";
        let encoded = retry_info(GrpcCode::ResourceExhausted, "x", Duration::new(300, 5));
        assert_eq!(STANDARD_NO_PAD.decode(encoded).unwrap(), expected);
    }

    #[test]
    fn server_errors_are_never_the_callers_fault() {
        for number in 500..=599 {
            let code = GrpcCode::from_status(StatusCode::from_u16(number).unwrap());
            assert!(!matches!(code, GrpcCode::InvalidArgument | GrpcCode::NotFound), "{number}");
        }
    }

    #[test]
    fn grpc_messages_are_percent_encoded() {
        assert_eq!(percent_encode("Too many requests"), "Too many requests");
        assert_eq!(percent_encode("100 % caf\u{e9}\n"), "100 %25 caf%C3%A9%0A");
    }
}
