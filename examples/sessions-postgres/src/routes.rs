//! The handlers.

use std::sync::Arc;

use axum::{Json, extract::State};
use hardpoint_auth::{
    LoginGuard, PasswordClient, PasswordError, PasswordHash, PasswordHasher, SessionIssuer,
    axum::Authenticated,
    lockout::LoginClient,
    session::{Grant, SessionClient, SessionTokens},
};
use hardpoint_core::{Secret, axum::RejectionResponse};
use http::{HeaderMap, StatusCode, header::SET_COOKIE, request::Parts};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) account: Arc<(String, PasswordHash)>,
    pub(crate) guard: LoginGuard,
    pub(crate) passwords: PasswordHasher,
    pub(crate) sessions: SessionIssuer,
}

#[derive(Deserialize)]
pub(crate) struct LogIn {
    account: String,
    password: Secret<str>,
}

pub(crate) async fn log_in(
    State(app): State<App>,
    parts: Parts,
    Json(log_in): Json<LogIn>,
) -> Result<(HeaderMap, Json<Value>), RejectionResponse> {
    let typed = log_in.account.trim().to_lowercase();
    let attempt = app.guard.reserve(&typed, &LoginClient::from_parts(&parts)).await?;
    let (name, hash) = &*app.account;
    let stored = (*name == log_in.account).then_some(hash);
    let turn = PasswordClient::from_parts(&parts).known_device(attempt.is_known_device());
    // The account's hash is made anew at each start, so it is never outdated.
    if let Err(error) = app.passwords.verify(turn, stored, log_in.password).await {
        match error {
            PasswordError::Overloaded | PasswordError::Failed => attempt.unverified(),
            _ => attempt.failed(),
        }
        return Err(error.into());
    }
    let device = attempt.succeeded();
    let headers = device.iter().map(|device| (SET_COOKIE, device.header())).collect();
    let client = SessionClient::from_parts(&parts);
    Ok((headers, pair(&app.sessions.log_in(name).client(client).open().await?)))
}

#[derive(Deserialize)]
pub(crate) struct Refresh {
    refresh_token: Secret<str>,
}

pub(crate) async fn refresh(
    State(app): State<App>,
    parts: Parts,
    Json(refresh): Json<Refresh>,
) -> Result<Json<Value>, RejectionResponse> {
    let client = SessionClient::from_parts(&parts);
    // A service asks here what the subject may do now.
    let grant = async |_| Ok(Grant::new());
    Ok(pair(&app.sessions.refresh(refresh.refresh_token.expose(), &client, grant).await?))
}

pub(crate) async fn log_out(
    State(app): State<App>,
    user: Authenticated,
) -> Result<StatusCode, RejectionResponse> {
    if let Some(Ok(session)) = user.session_id().map(str::parse) {
        app.sessions.revoke(user.subject(), session).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn subject(user: Authenticated) -> String {
    user.subject().to_owned()
}

fn pair(tokens: &SessionTokens) -> Json<Value> {
    let (access, refresh) = (tokens.access_token(), tokens.refresh_token());
    Json(json!({ "token_type": "Bearer", "access_token": access, "refresh_token": refresh }))
}
