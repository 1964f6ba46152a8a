//! Methods that make no sense here.

use std::{error::Error, fmt};

use hardpoint_core::{GrpcCode, Problem, Rejection};
use http::{HeaderMap, HeaderValue, StatusCode, header::ALLOW};

/// The keys were asked for with another method than GET or HEAD.
#[derive(Clone, Copy, Debug)]
pub(super) struct MethodNotAllowed;

impl fmt::Display for MethodNotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key set answers GET and HEAD alone")
    }
}

impl Error for MethodNotAllowed {}

impl Rejection for MethodNotAllowed {
    fn problem(&self) -> Problem {
        Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "The method is not allowed here",
        )
    }

    fn grpc_code(&self) -> GrpcCode {
        GrpcCode::Unimplemented
    }

    fn headers(&self, headers: &mut HeaderMap) {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
}
