//! Sessions: logging in and out, refreshing, and the contents of a token.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use axum::{
    Json,
    extract::{Path, State},
};
use hardpoint::{
    auth::{
        PasswordClient, Scopes,
        axum::Authenticated,
        lockout::LoginClient,
        session::{Grant, Session, SessionClient, SessionId, SessionTokens},
    },
    core::{AuthMethod, Problem, Secret, axum::RejectionResponse},
};
use http::{HeaderMap, StatusCode, header::SET_COOKIE, request::Parts};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    accounts::counted_as,
    passwords::{self, Unverified},
    routes::App,
};

/// The scopes granted by default.
pub(crate) const SCOPES: Scopes = Scopes::from_static("notes:read notes:write");

/// `POST /api/v1/session`
#[derive(Deserialize)]
pub(crate) struct LogIn {
    email: String,
    password: Secret<str>,
    scope: Option<String>,
}

pub(crate) async fn log_in(
    State(app): State<Arc<App>>,
    parts: Parts,
    Json(log_in): Json<LogIn>,
) -> Result<(HeaderMap, Json<Value>), RejectionResponse> {
    let scopes = asked_for(log_in.scope.as_deref())?;
    // Counted before the account is looked up, so that unknown ones are counted alike.
    let client = LoginClient::from_parts(&parts);
    let attempt = app.guard.reserve(&counted_as(&log_in.email), &client).await?;
    let hashes_for = PasswordClient::from_parts(&parts).known_device(attempt.is_known_device());
    let LogIn { email, password, .. } = log_in;
    let account = match passwords::verify(&app, hashes_for, &email, password).await {
        Ok(account) => account,
        Err(Unverified { problem, is_counted }) => {
            if is_counted {
                attempt.failed();
            } else {
                attempt.unverified();
            }
            return Err(problem.into());
        }
    };
    let device = attempt.succeeded();
    let headers = device.iter().map(|device| (SET_COOKIE, device.header())).collect();
    Ok((headers, open(&app, &account.id, &scopes, &parts).await?))
}

/// Opens a session for an account whose owner has proved who it is.
pub(crate) async fn open(
    app: &App,
    subject: &str,
    scopes: &Scopes,
    parts: &Parts,
) -> Result<Json<Value>, RejectionResponse> {
    let grant = Grant::new().scopes(scopes.iter());
    let client = SessionClient::from_parts(parts);
    Ok(pair(&app.sessions.log_in(subject).grant(grant).client(client).open().await?))
}

/// `POST /api/v1/session/refresh`
#[derive(Deserialize)]
pub(crate) struct Refresh {
    refresh_token: Secret<str>,
}

pub(crate) async fn refresh(
    State(app): State<Arc<App>>,
    parts: Parts,
    Json(refresh): Json<Refresh>,
) -> Result<Json<Value>, RejectionResponse> {
    let client = SessionClient::from_parts(&parts);
    // Accounts are never closed and have no roles. A service whose accounts do looks them up here.
    let grant = async |_session: Session| Ok(Grant::new());
    let token = refresh.refresh_token.expose();
    Ok(pair(&app.sessions.refresh(token, &client, grant).await?))
}

/// `DELETE /api/v1/session`
pub(crate) async fn log_out(
    State(app): State<Arc<App>>,
    user: Authenticated,
) -> Result<StatusCode, RejectionResponse> {
    user.require_auth_method(AuthMethod::Token)?;
    let is_over = match current(&user) {
        Some(session) => app.sessions.revoke(user.subject(), session).await?,
        None => false,
    };
    // A token that was issued on the command line has no session.
    if !is_over
        && let Some(token) = user.token()
        && let Some(id) = token.token_id()
    {
        app.sessions.revoke_token(id, token.expiry()).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v1/sessions`
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    user: Authenticated,
) -> Result<Json<Value>, RejectionResponse> {
    user.require_auth_method(AuthMethod::Token)?;
    let current = current(&user);
    let sessions = app.sessions.sessions(user.subject()).await?;
    let shown = sessions.iter().map(|session| shown(session, current)).collect::<Vec<_>>();
    Ok(Json(json!({ "sessions": shown })))
}

/// A session as clients and operators see it.
pub(crate) fn shown(session: &Session, current: Option<SessionId>) -> Value {
    json!({
        "id": session.id.to_string(),
        "created_at": date(session.created),
        "last_used_at": date(session.last_used),
        "user_agent": session.client.agent(),
        "current": current == Some(session.id),
    })
}

/// `DELETE /api/v1/sessions`
pub(crate) async fn end_all(
    State(app): State<Arc<App>>,
    user: Authenticated,
) -> Result<StatusCode, RejectionResponse> {
    user.require_auth_method(AuthMethod::Token)?;
    app.sessions.revoke_all(user.subject()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/v1/sessions/{id}`
pub(crate) async fn end_one(
    State(app): State<Arc<App>>,
    user: Authenticated,
    Path(id): Path<String>,
) -> Result<StatusCode, RejectionResponse> {
    user.require_auth_method(AuthMethod::Token)?;
    if let Ok(session) = id.parse()
        && app.sessions.revoke(user.subject(), session).await?
    {
        return Ok(StatusCode::NO_CONTENT);
    }
    // The same for a session of another user and for one that does not exist.
    Err(Problem::from_status(StatusCode::NOT_FOUND).into())
}

/// The session that the caller's token belongs to.
fn current(user: &Authenticated) -> Option<SessionId> {
    user.session_id()?.parse().ok()
}

pub(crate) fn date(since_1970: Duration) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since_1970).to_string()
}

fn pair(tokens: &SessionTokens) -> Json<Value> {
    Json(json!({
        "access_token": tokens.access_token(),
        "token_type": "Bearer",
        "expires_in": tokens.expires_in().as_secs(),
        "refresh_token": tokens.refresh_token(),
        "scope": tokens.scope(),
    }))
}

/// Returns the scopes of a session. A client may ask for fewer scopes, but not for more.
pub(crate) fn asked_for(scope: Option<&str>) -> Result<Scopes, Problem> {
    let Some(scope) = scope else { return Ok(SCOPES) };
    let asked = scope.parse::<Scopes>().ok().filter(|asked| asked.is_subset_of(&SCOPES));
    asked.ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_scope", "The scope cannot be granted")
            .detail(format!("Request some of: {}", SCOPES.as_str()))
    })
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
