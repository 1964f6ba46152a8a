//! Why a body was rejected or failed.

use std::{error::Error, fmt};

use hardpoint_core::{GrpcCode, Problem, Rejection};
use http::{HeaderMap, HeaderValue, StatusCode, header::ACCEPT_ENCODING};

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

/// The request body is encoded, and the limit cannot bound what it decodes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BodyEncoded;

impl Rejection for BodyEncoded {
    fn problem(&self) -> Problem {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Problem::new(status, "encoding_unsupported", "The encoding of the body is not supported")
            .grpc_code(GrpcCode::Unimplemented)
    }

    /// What is accepted instead (RFC 9110 §15.5.16; in gRPC, `grpc-accept-encoding`).
    fn headers(&self, headers: &mut HeaderMap) {
        let identity = HeaderValue::from_static("identity");
        headers.insert(ACCEPT_ENCODING, identity.clone());
        headers.insert("grpc-accept-encoding", identity);
    }
}

impl fmt::Display for BodyEncoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request body is encoded where its decoded length is not limited")
    }
}

impl Error for BodyEncoded {}

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
