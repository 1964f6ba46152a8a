//! Why a request is refused (RFC 6750 §3, RFC 9470 §3).

use std::time::Duration;

use hardpoint_core::{Challenge, Problem, Rejection, event::ApiKeyErrorKind};
use http::StatusCode;

use crate::{Scopes, VerifyError};

/// A request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthRejection {
    /// The store of API keys did not answer: 503. The key itself may be good.
    #[error("it is not known whether the API key is valid")]
    ApiKeysUnavailable,
    /// The route does not accept this type of credential, such as an API key: 403.
    #[error("the route does not accept this type of credential")]
    AuthMethodNotAllowed,
    /// The caller lacks one of the required roles: 403.
    #[error("the caller lacks a required role")]
    InsufficientRole,
    /// The caller lacks one of these required scopes: 403.
    #[error("the caller lacks a required scope")]
    InsufficientScope(Scopes),
    /// The request carries several credentials, or names another caller than an outer layer
    /// authenticated: 400.
    #[error("the request carries credentials that contradict each other")]
    InvalidRequest,
    /// The API key is refused: 401. Only operators learn why.
    #[error("the API key is not valid: {}", .0.as_str())]
    InvalidApiKey(ApiKeyErrorKind),
    /// The token is refused: 401. Only operators learn why.
    #[error("the request's credentials are not valid")]
    InvalidToken(#[source] VerifyError),
    /// The issuer's keys are not known now: 503. The token itself may be good.
    #[error("the issuer's keys are not known")]
    KeysUnavailable,
    /// The caller's log-in is older than this, which is the most that the route allows: 401.
    #[error("the caller's log-in is too old")]
    LoginTooOld(Duration),
    /// The request carries no credentials, and the route needs some: 401.
    #[error("the request carries no credentials")]
    NotAuthenticated,
    /// Whether the token was revoked is not known: 503. The token itself may be good.
    #[error("it is not known whether the token was revoked")]
    RevocationUnavailable,
    /// The token names an unknown key, as did so many others of the client's network that it must wait
    /// this long: 429.
    #[error("the client's network named too many unknown keys")]
    TooManyKeyIds(Duration),
    /// The client's network presented too many unknown API keys, and must wait this long: 429.
    #[error("the client's network presented too many unknown API keys")]
    TooManyUnknownApiKeys(Duration),
    /// The token leaves out the claim with the caller's roles: 503. The caller may have the role.
    #[error("it is not known whether the caller has a required role")]
    RolesUnknown,
    /// A browser may have sent the credential, such as a cookie, and the headers do not show that a page
    /// of the service's own origin, or of a trusted one, caused the request: 403.
    #[error("`Sec-Fetch-Site` and `Origin` do not show a trusted page")]
    UntrustedOrigin,
}

impl Rejection for AuthRejection {
    fn problem(&self) -> Problem {
        let new = Problem::new;
        match self {
            Self::ApiKeysUnavailable => unavailable("api_keys_unavailable", 2),
            Self::AuthMethodNotAllowed => {
                let (code, title) = ("auth_method_not_allowed", "Credential type not allowed");
                new(StatusCode::FORBIDDEN, code, title).detail(
                    "This route does not accept this type of credential. Use, for example, an access \
                     token instead of an API key.",
                )
            }
            Self::InsufficientRole => {
                new(StatusCode::FORBIDDEN, "insufficient_role", "Insufficient role")
            }
            Self::InsufficientScope(required) => {
                let scopes = required.as_str();
                new(StatusCode::FORBIDDEN, "insufficient_scope", "Insufficient scope")
                    .add_member("required_scope", scopes)
                    .challenge(Challenge::new("insufficient_scope").scope(scopes.to_owned()))
            }
            Self::InvalidRequest => {
                new(StatusCode::BAD_REQUEST, "invalid_request", "Invalid request")
                    .detail("Send exactly one credential, in a header or in a cookie.")
                    .challenge(Challenge::new("invalid_request"))
            }
            Self::InvalidApiKey(_) => {
                new(StatusCode::UNAUTHORIZED, "invalid_api_key", "Invalid API key")
                    .detail("The API key is malformed, unknown, revoked or expired.")
                    .challenge(Challenge::new("invalid_token"))
            }
            Self::InvalidToken(_) => {
                new(StatusCode::UNAUTHORIZED, "invalid_token", "Invalid token")
                    .detail(
                        "The access token is malformed, expired, or not meant for this service.",
                    )
                    .challenge(Challenge::new("invalid_token"))
            }
            Self::KeysUnavailable => unavailable("keys_unavailable", 5),
            Self::LoginTooOld(most) => {
                let code = "insufficient_user_authentication";
                new(StatusCode::UNAUTHORIZED, code, "A more recent log-in is needed")
                    .detail("Log in again to do this.")
                    .challenge(Challenge::new(code).max_age(*most))
            }
            Self::NotAuthenticated => {
                let title = "Credentials are missing or not valid";
                new(StatusCode::UNAUTHORIZED, "unauthenticated", title)
            }
            Self::RevocationUnavailable => unavailable("revocation_unavailable", 2),
            Self::TooManyKeyIds(wait) => {
                let title = "Too many tokens with unknown keys";
                new(StatusCode::TOO_MANY_REQUESTS, "too_many_key_ids", title).retry_after(*wait)
            }
            Self::TooManyUnknownApiKeys(wait) => {
                let (code, title) = ("too_many_unknown_api_keys", "Too many unknown API keys");
                new(StatusCode::TOO_MANY_REQUESTS, code, title).retry_after(*wait)
            }
            Self::RolesUnknown => unavailable("roles_unknown", 60),
            Self::UntrustedOrigin => {
                new(StatusCode::FORBIDDEN, "untrusted_origin", "Untrusted origin").detail(
                    "A cookie is accepted only in requests from pages of trusted origins. Other \
                     clients send a token in the Authorization header.",
                )
            }
        }
    }
}

pub(crate) fn unavailable(code: &'static str, retry_after: u64) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, "Service unavailable")
        .retry_after(Duration::from_secs(retry_after))
}
