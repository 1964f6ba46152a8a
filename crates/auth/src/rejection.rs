//! Why a request is refused: the answers of RFC 6750 §3.

use std::{error::Error, fmt};

use hardpoint_core::{GrpcCode, Problem, Rejection};
use http::{HeaderMap, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};

use crate::{Scopes, VerifyError};

/// The request needs credentials and has none: 401.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotAuthenticated {
    _private: (),
}

impl NotAuthenticated {
    /// The refusal.
    #[must_use]
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl fmt::Display for NotAuthenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request carries no bearer token")
    }
}

impl Error for NotAuthenticated {}

impl Rejection for NotAuthenticated {
    fn problem(&self) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Authentication required")
    }

    fn grpc_code(&self) -> GrpcCode {
        GrpcCode::Unauthenticated
    }

    fn headers(&self, headers: &mut HeaderMap) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="api""#));
    }
}

/// The token was refused: 401. Why is known to operators alone, through [`source`](Error::source).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidToken {
    cause: VerifyError,
}

impl InvalidToken {
    /// The refusal of a token for this cause.
    #[must_use]
    pub const fn new(cause: VerifyError) -> Self {
        Self { cause }
    }
}

impl fmt::Display for InvalidToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request's bearer token is invalid")
    }
}

impl Error for InvalidToken {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

impl Rejection for InvalidToken {
    fn problem(&self) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, "invalid_token", "Invalid token")
            .detail("The access token is malformed, expired, or not meant for this service.")
    }

    fn grpc_code(&self) -> GrpcCode {
        GrpcCode::Unauthenticated
    }

    fn headers(&self, headers: &mut HeaderMap) {
        let challenge = HeaderValue::from_static(r#"Bearer realm="api", error="invalid_token""#);
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
}

/// The request carries credentials in a way that leaves open which of them count: 400.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InvalidRequest {
    _private: (),
}

impl InvalidRequest {
    pub(crate) const fn new() -> Self {
        Self { _private: () }
    }
}

impl fmt::Display for InvalidRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request has several Authorization headers")
    }
}

impl Error for InvalidRequest {}

impl Rejection for InvalidRequest {
    fn problem(&self) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_request", "Invalid request")
            .detail("Send exactly one Authorization header.")
    }

    fn grpc_code(&self) -> GrpcCode {
        GrpcCode::InvalidArgument
    }

    fn headers(&self, headers: &mut HeaderMap) {
        let challenge = HeaderValue::from_static(r#"Bearer realm="api", error="invalid_request""#);
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
}

/// The token is valid and does not allow this: 403.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsufficientScope {
    required: Scopes,
}

impl InsufficientScope {
    /// The refusal of a token that lacks one of these.
    #[must_use]
    pub const fn new(required: Scopes) -> Self {
        Self { required }
    }

    /// The scopes that are required.
    #[must_use]
    pub const fn required(&self) -> &Scopes {
        &self.required
    }
}

impl fmt::Display for InsufficientScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the token lacks a scope of: {}", self.required.as_str())
    }
}

impl Error for InsufficientScope {}

impl Rejection for InsufficientScope {
    fn problem(&self) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "insufficient_scope", "Insufficient scope")
            .add_member("required_scope", self.required.as_str())
    }

    fn grpc_code(&self) -> GrpcCode {
        GrpcCode::PermissionDenied
    }

    fn headers(&self, headers: &mut HeaderMap) {
        let challenge = format!(
            r#"Bearer realm="api", error="insufficient_scope", scope="{}""#,
            self.required.as_str()
        );
        // Scopes are printable ASCII without quotes, so this is always a header's value.
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
    }
}
