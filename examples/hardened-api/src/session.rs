//! Logging in, and what a token says.

use axum::{Json, extract::State};
use hardpoint::{
    auth::{Scopes, axum::Authenticated},
    core::{Problem, Rejection, Secret},
    edge::{axum::ProblemResponse, problem::of_status},
};
use http::{HeaderName, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{ids, routes::App};

/// What a session may do if nothing less was asked for.
const SCOPES: &str = "notes:read notes:write";

/// `POST /api/v1/session`
#[derive(Deserialize)]
pub(crate) struct LogIn {
    email: String,
    password: Secret<str>,
    scope: Option<String>,
}

/// A failed log-in: the same for an unknown address and for a wrong password.
type Failed = ([(HeaderName, HeaderValue); 1], ProblemResponse);

pub(crate) async fn log_in(
    State(app): State<App>,
    Json(log_in): Json<LogIn>,
) -> Result<Json<Value>, LogInError> {
    let scopes = asked_for(log_in.scope.as_deref())?;
    let account = app.accounts.find(&log_in.email);
    let stored = account.as_ref().map(|account| &account.password);
    let verified = app.passwords.verify(stored, log_in.password).await;
    let matches = verified.map_err(|error| error.problem())?;
    let Some(account) = account.filter(|_| matches) else { return Err(LogInError::Failed) };
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

/// Scopes may be narrowed, not widened.
fn asked_for(scope: Option<&str>) -> Result<Scopes, Problem> {
    let all: Scopes = SCOPES.parse().unwrap_or_default();
    let Some(scope) = scope else { return Ok(all) };
    let asked = scope.parse::<Scopes>().ok().filter(|asked| asked.is_subset_of(&all));
    asked.ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_scope", "The scope cannot be granted")
            .detail(format!("Ask for some of: {SCOPES}"))
    })
}

pub(crate) enum LogInError {
    Failed,
    Problem(Problem),
}

impl From<Problem> for LogInError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl axum::response::IntoResponse for LogInError {
    fn into_response(self) -> axum::response::Response {
        match self {
            Self::Problem(problem) => ProblemResponse(problem).into_response(),
            Self::Failed => {
                let challenge = HeaderValue::from_static(r#"Bearer realm="api""#);
                let problem = Problem::new(
                    StatusCode::UNAUTHORIZED,
                    "login_failed",
                    "The address or the password is wrong",
                );
                let failed: Failed = ([(WWW_AUTHENTICATE, challenge)], ProblemResponse(problem));
                failed.into_response()
            }
        }
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
