//! Why a body was rejected or failed.

use std::{error::Error, fmt};

use hardpoint_core::{Problem, Rejection};
use http::StatusCode;

/// The request body exceeds the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyTooLarge {
    limit: u64,
}

impl BodyTooLarge {
    pub(super) const fn new(limit: u64) -> Self {
        Self { limit }
    }

    /// Returns the limit in bytes.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }
}

impl Rejection for BodyTooLarge {
    fn problem(&self) -> Problem {
        Problem::from_status(StatusCode::PAYLOAD_TOO_LARGE).add_member("limit", self.limit)
    }
}

impl fmt::Display for BodyTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the request body is longer than {} bytes", self.limit)
    }
}

impl Error for BodyTooLarge {}

/// Reading a [`LimitedBody`](super::LimitedBody) failed.
#[derive(Debug)]
pub struct LimitedBodyError {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Inner(Box<dyn Error + Send + Sync>),
    TooLarge(BodyTooLarge),
}

impl LimitedBodyError {
    pub(super) const fn too_large(limit: u64) -> Self {
        Self { kind: Kind::TooLarge(BodyTooLarge::new(limit)) }
    }

    pub(super) fn inner(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: Kind::Inner(error.into()) }
    }

    /// Returns `true` if the body exceeded the limit. Otherwise the inner body failed: see
    /// [`source`](Error::source).
    #[must_use]
    pub const fn is_too_large(&self) -> bool {
        matches!(self.kind, Kind::TooLarge(_))
    }
}

impl fmt::Display for LimitedBodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("reading the request body failed")
    }
}

impl Error for LimitedBodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Inner(error) => Some(error.as_ref()),
            Kind::TooLarge(error) => Some(error),
        }
    }
}
