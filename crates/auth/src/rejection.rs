//! Why a request is refused (RFC 6750 §3, RFC 9470 §3).

use std::time::Duration;

use hardpoint_core::{Challenge, Problem};
use http::StatusCode;

use crate::{Scopes, VerifyError};

rejection! {
    /// The request carries no credentials, and the route needs some: 401.
    #[derive(Copy, Default)]
    NotAuthenticated {}
    "the request carries no credentials",
    |_| Problem::new(
        StatusCode::UNAUTHORIZED, "unauthenticated", "Credentials are missing or not valid",
    )
}

rejection! {
    /// The token is refused: 401. Only operators learn the [`cause`](Self::cause).
    #[derive(Copy)]
    InvalidToken {
        /// Why the token was refused.
        cause: VerifyError
    }
    "the request's credentials are not valid" [source: cause],
    |_| Problem::new(StatusCode::UNAUTHORIZED, "invalid_token", "Invalid token")
        .detail("The access token is malformed, expired, or not meant for this service.")
        .challenge(Challenge::new("invalid_token"))
}

rejection! {
    /// The request carries several credentials, or names another caller than an outer layer
    /// authenticated: 400.
    #[derive(Copy, Default)]
    InvalidRequest {}
    "the request carries credentials that contradict each other",
    |_| Problem::new(StatusCode::BAD_REQUEST, "invalid_request", "Invalid request")
        .detail("Send exactly one credential, in a header or in a cookie.")
        .challenge(Challenge::new("invalid_request"))
}

rejection! {
    /// The caller lacks one of the required scopes: 403.
    InsufficientScope {
        /// The required scopes.
        required: Scopes
    }
    "the caller lacks a required scope",
    |own| Problem::new(StatusCode::FORBIDDEN, "insufficient_scope", "Insufficient scope")
        .add_member("required_scope", own.required.as_str())
        .challenge(Challenge::new("insufficient_scope").scope(own.required.as_str().to_owned()))
}

rejection! {
    /// The caller lacks one of the required roles: 403.
    #[derive(Copy, Default)]
    InsufficientRole {}
    "the caller lacks a required role",
    |_| Problem::new(StatusCode::FORBIDDEN, "insufficient_role", "Insufficient role")
}

rejection! {
    /// The caller's log-in is older than the route allows: 401.
    #[derive(Copy)]
    LoginTooOld {
        /// The greatest age that is allowed.
        most: Duration
    }
    "the caller's log-in is too old",
    |own| Problem::new(
            StatusCode::UNAUTHORIZED,
            "insufficient_user_authentication",
            "A more recent log-in is needed",
        )
        .detail("Log in again to do this.")
        .challenge(Challenge::new("insufficient_user_authentication").max_age(own.most))
}

rejection! {
    /// Whether the token was revoked is not known: 503. The token itself may be good.
    #[derive(Copy, Default)]
    RevocationUnavailable {}
    "it is not known whether the token was revoked",
    |_| unavailable("revocation_unavailable", 2)
}

rejection! {
    /// The issuer's keys are not known now: 503. The token itself may be good.
    #[derive(Copy, Default)]
    KeysUnavailable {}
    "the issuer's keys are not known",
    |_| unavailable("keys_unavailable", 5)
}

pub(crate) fn unavailable(code: &'static str, retry_after: u64) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, "Service unavailable")
        .retry_after(Duration::from_secs(retry_after))
}
