//! Logging in, and the contents of a token.

use axum::{Json, extract::State};
use hardpoint::{
    auth::{Scopes, axum::Authenticated},
    core::{Problem, Secret, axum::RejectionResponse},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{ids, routes::App};

/// The scopes granted by default.
const SCOPES: Scopes = Scopes::from_static("notes:read notes:write");

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
) -> Result<Json<Value>, RejectionResponse> {
    let scopes = asked_for(log_in.scope.as_deref())?;
    let account = app.accounts.find(&log_in.email);
    let stored = account.as_ref().map(|account| &account.password);
    let matches = app.passwords.verify(stored, log_in.password).await?;
    let account = account.filter(|_| matches).ok_or_else(log_in_failed)?;
    let unavailable = || Problem::from_status(StatusCode::SERVICE_UNAVAILABLE);
    let session = ids::random().ok_or_else(unavailable)?;
    let token = app.issuer.token(&account.id).scopes(scopes.iter()).claim("sid", session);
    let token = token.sign().map_err(|_| unavailable())?;
    Ok(Json(json!({
        "access_token": token.expose(),
        "token_type": "Bearer",
        "expires_in": app.issuer.lifetime().as_secs(),
        "scope": scopes.as_str(),
    })))
}

/// Returns the scopes of a session. A client may ask for fewer scopes, but not for more.
fn asked_for(scope: Option<&str>) -> Result<Scopes, Problem> {
    let Some(scope) = scope else { return Ok(SCOPES) };
    let asked = scope.parse::<Scopes>().ok().filter(|asked| asked.is_subset_of(&SCOPES));
    asked.ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_scope", "The scope cannot be granted")
            .detail(format!("Request some of: {}", SCOPES.as_str()))
    })
}

/// The response is the same for a wrong address and a wrong password. The authentication layer adds
/// the challenge.
fn log_in_failed() -> Problem {
    let title = "The address or the password is wrong";
    Problem::new(StatusCode::UNAUTHORIZED, "login_failed", title)
}

/// `GET /api/v1/me`
pub(crate) async fn me(user: Authenticated) -> Json<Value> {
    Json(json!({
        "sub": user.subject(),
        "scopes": user.scopes().collect::<Vec<_>>(),
        "session": user.session_id(),
    }))
}

/// `GET /api/v1/ping`
pub(crate) async fn ping(_user: Authenticated) -> &'static str {
    "pong"
}
