//! Why a request is refused: the answers of RFC 6750 §3.

use std::{error::Error, fmt, time::Duration};

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
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "Credentials are missing or not valid",
        )
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
        f.write_str("the request has several credentials")
    }
}

impl Error for InvalidRequest {}

impl Rejection for InvalidRequest {
    fn problem(&self) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_request", "Invalid request")
            .detail("Send exactly one token, in a header or in a cookie.")
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

/// The token is valid and its claims do not give the role that this needs: 403.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InsufficientRole {
    _private: (),
}

impl InsufficientRole {
    /// The refusal.
    #[must_use]
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl fmt::Display for InsufficientRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the token lacks a role")
    }
}

impl Error for InsufficientRole {}

impl Rejection for InsufficientRole {
    fn problem(&self) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "insufficient_role", "Insufficient role")
    }

    fn grpc_code(&self) -> GrpcCode {
        GrpcCode::PermissionDenied
    }
}

/// The token is valid and its subject logged in too long ago for this: 401, with how fresh a log-in has
/// to be (RFC 9470 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginTooOld {
    most: Duration,
}

impl LoginTooOld {
    /// The refusal of a log-in that is longer ago than `most`.
    #[must_use]
    pub const fn new(most: Duration) -> Self {
        Self { most }
    }

    /// How long ago a log-in may be.
    #[must_use]
    pub const fn most(&self) -> Duration {
        self.most
    }
}

impl fmt::Display for LoginTooOld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the log-in is too long ago")
    }
}

impl Error for LoginTooOld {}

impl Rejection for LoginTooOld {
    fn problem(&self) -> Problem {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "insufficient_user_authentication",
            "A more recent log-in is needed",
        )
        .detail("Log in again to do this.")
    }

    fn grpc_code(&self) -> GrpcCode {
        GrpcCode::Unauthenticated
    }

    fn headers(&self, headers: &mut HeaderMap) {
        let challenge = format!(
            r#"Bearer realm="api", error="insufficient_user_authentication", max_age="{}""#,
            self.most.as_secs()
        );
        // Digits and constants: always a header's value.
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
    }
}

/// It is not known whether the token was revoked: 503. This is no statement about the token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RevocationUnavailable {
    _private: (),
}

impl RevocationUnavailable {
    /// The refusal.
    #[must_use]
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl fmt::Display for RevocationUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is not known whether the token was revoked")
    }
}

impl Error for RevocationUnavailable {}

impl Rejection for RevocationUnavailable {
    fn problem(&self) -> Problem {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "revocation_unavailable",
            "Service unavailable",
        )
        .retry_after(Duration::from_secs(2))
    }

    fn grpc_code(&self) -> GrpcCode {
        GrpcCode::Unavailable
    }
}
