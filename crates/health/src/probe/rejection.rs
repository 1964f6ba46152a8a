//! Requests that no probe answers.

use std::{error::Error, fmt};

use hardpoint_core::{GrpcCode, Problem, Rejection};
use http::{HeaderMap, HeaderValue, StatusCode, header::ALLOW};

/// A probe was asked with another method than GET or HEAD.
#[derive(Clone, Copy, Debug)]
pub(super) struct MethodNotAllowed;

impl fmt::Display for MethodNotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a probe answers GET and HEAD alone")
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

/// There is no probe at this path.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotFound;

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no probe at this path")
    }
}

impl Error for NotFound {}

impl Rejection for NotFound {
    fn problem(&self) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not_found", "There is nothing here")
    }

    fn grpc_code(&self) -> GrpcCode {
        GrpcCode::Unimplemented
    }
}
