//! The rejection of a probe request with the wrong method.

use std::{error::Error, fmt};

use hardpoint_core::{Problem, Rejection};
use http::{HeaderMap, HeaderValue, StatusCode, header::ALLOW};

/// A probe received a method other than GET or HEAD.
#[derive(Clone, Copy, Debug)]
pub(super) struct MethodNotAllowed;

impl fmt::Display for MethodNotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a probe answers only GET and HEAD")
    }
}

impl Error for MethodNotAllowed {}

impl Rejection for MethodNotAllowed {
    fn problem(&self) -> Problem {
        Problem::from_status(StatusCode::METHOD_NOT_ALLOWED)
    }

    fn headers(&self, headers: &mut HeaderMap) {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
}
