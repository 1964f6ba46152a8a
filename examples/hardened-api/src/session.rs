//! Logging in, and the contents of a token.

use std::{error::Error, fmt};

use axum::{Json, extract::State};
use hardpoint::{
    auth::{Scopes, axum::Authenticated},
    core::{GrpcCode, Problem, Rejection, Secret},
    edge::problem::of_status,
};
use http::{HeaderMap, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{error::ApiError, ids, routes::App};

/// The scopes granted by default.
const SCOPES: &str = "notes:read notes:write";

/// `POST /api/v1/session`
#[derive(Deserialize)]
pub(crate) struct LogIn {
    email: String,
    password: Secret<str>,
    scope: Option<String>,
}

pub(crate) async fn log_in(
    State(app): State<App>,
    Json(log_in): Json<LogIn>,
) -> Result<Json<Value>, ApiError> {
    let scopes = asked_for(log_in.scope.as_deref())?;
    let account = app.accounts.find(&log_in.email);
    let stored = account.as_ref().map(|account| &account.password);
    let matches = app.passwords.verify(stored, log_in.password).await?;
    let Some(account) = account.filter(|_| matches) else {
        return Err(ApiError::Rejection(LogInFailed.into()));
    };
    let unavailable = || of_status(StatusCode::SERVICE_UNAVAILABLE);
    let session = ids::random().ok_or_else(unavailable)?;
    let token = app
        .issuer
        .issue_with(&account.id, &scopes, [("sid", session.into())])
        .map_err(|_| unavailable())?;
    Ok(Json(json!({
        "access_token": token.expose(),
        "token_type": "Bearer",
        "expires_in": app.issuer.token_lifetime().as_secs(),
        "scope": scopes.as_str(),
    })))
}

/// Returns the scopes of a session. A client may ask for fewer scopes, but not for more.
fn asked_for(scope: Option<&str>) -> Result<Scopes, Problem> {
    let all: Scopes = SCOPES.parse().unwrap_or_default();
    let Some(scope) = scope else { return Ok(all) };
    let asked = scope.parse::<Scopes>().ok().filter(|asked| asked.is_subset_of(&all));
    asked.ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_scope", "The scope cannot be granted")
            .detail(format!("Request some of: {SCOPES}"))
    })
}

/// The address or the password is wrong. The response is the same for both.
#[derive(Debug)]
struct LogInFailed;

impl fmt::Display for LogInFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("login failed")
    }
}

impl Error for LogInFailed {}

impl Rejection for LogInFailed {
    fn problem(&self) -> Problem {
        let title = "The address or the password is wrong";
        Problem::new(StatusCode::UNAUTHORIZED, "login_failed", title)
    }

    fn grpc_code(&self) -> GrpcCode {
        GrpcCode::Unauthenticated
    }

    fn headers(&self, headers: &mut HeaderMap) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="api""#));
    }
}

/// `GET /api/v1/me`
pub(crate) async fn me(user: Authenticated) -> Json<Value> {
    Json(json!({
        "sub": user.subject(),
        "scopes": user.scopes().iter().collect::<Vec<_>>(),
        "session": user.claims().text("sid"),
    }))
}

/// `GET /api/v1/ping`
pub(crate) async fn ping(_user: Authenticated) -> &'static str {
    "pong"
}
