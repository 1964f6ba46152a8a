//! Password resets, magic links and verified addresses.
//!
//! Each has a request and a confirmation. A request is counted, handed to the courier and answered at
//! once, so that the answer is the same for known and unknown addresses. A confirmation consumes the
//! token, by `POST` only.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use hardpoint::{
    auth::{
        PasswordClient, PasswordHash,
        one_time::{FoundToken, NewOneTimeToken, OneTimeError, Purpose},
    },
    core::{Problem, Secret, axum::RejectionResponse},
};
use http::{HeaderMap, StatusCode, header::SET_COOKIE, request::Parts};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    accounts::{Account, counted_as, created},
    api_keys, ids,
    mail::prepared,
    passwords,
    routes::App,
    session,
};

/// The answer to every request for a message.
pub(crate) type Accepted = (StatusCode, Json<Value>);

/// `POST /api/v1/password/reset`, `POST /api/v1/magic-link`
#[derive(Deserialize)]
pub(crate) struct Ask {
    email: String,
}

pub(crate) async fn ask_reset(
    State(app): State<Arc<App>>,
    parts: Parts,
    Json(ask): Json<Ask>,
) -> Result<Accepted, RejectionResponse> {
    ask_link(app, &parts, &ask.email, Purpose::PasswordReset).await
}

pub(crate) async fn ask_magic_link(
    State(app): State<Arc<App>>,
    parts: Parts,
    Json(ask): Json<Ask>,
) -> Result<Accepted, RejectionResponse> {
    ask_link(app, &parts, &ask.email, Purpose::MagicLink).await
}

async fn ask_link(
    app: Arc<App>,
    parts: &Parts,
    email: &str,
    purpose: Purpose,
) -> Result<Accepted, RejectionResponse> {
    let email = counted_as(email);
    let outgoing = app.mail.outgoing()?.clone();
    app.mail.admit(purpose, &email, parts).await?;
    outgoing.submit(async move {
        let account = app.accounts.find(&email).await.ok()??;
        let state = state(&account);
        let token = NewOneTimeToken::new(purpose, &email).state(&state);
        prepared(&app.mail, token, purpose, &email).await
    })?;
    Ok(accepted())
}

/// `POST /api/v1/password/reset/confirm`
#[derive(Deserialize)]
pub(crate) struct Reset {
    token: Secret<str>,
    password: Secret<str>,
}

pub(crate) async fn reset(
    State(app): State<Arc<App>>,
    parts: Parts,
    Json(reset): Json<Reset>,
) -> Result<StatusCode, RejectionResponse> {
    let (token, account) = find(&app, Purpose::PasswordReset, &reset.token).await?;
    // What may fail comes before the token is consumed.
    app.policy.check(&reset.password, &[token.subject()]).map_err(passwords::weak)?;
    let password = app.passwords.hash(PasswordClient::from_parts(&parts), reset.password).await?;
    // A client that closes the connection drops this future, but not a task: a new password without the
    // end of the sessions would leave those of a thief open.
    let complete = tokio::spawn(complete(app, token, account, password));
    complete.await.map_err(|_| Problem::from_status(StatusCode::INTERNAL_SERVER_ERROR))?
}

/// Completes a reset. It is not interrupted.
async fn complete(
    app: Arc<App>,
    token: FoundToken,
    account: Account,
    password: PasswordHash,
) -> Result<StatusCode, RejectionResponse> {
    let email = token.subject().to_owned();
    token.consume(&state(&account)).await?;
    // Before, so that no session outlives the old password if this fails; and after, for a log-in with
    // the old password meanwhile.
    app.sessions.revoke_all(&account.id).await?;
    if !app.accounts.replace_password(&email, &account.password, &password).await? {
        // It has changed since it was found.
        return Err(OneTimeError::Invalid.into());
    }
    // Including the sessions of a thief of the old password, and the API keys that the thief issued.
    app.sessions.revoke_all(&account.id).await?;
    app.api_keys.revoke_all(api_keys::owner(&account.id)).await?;
    unlock(&app, &email).await;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/v1/magic-link/confirm`
#[derive(Deserialize)]
pub(crate) struct Enter {
    token: Secret<str>,
}

pub(crate) async fn enter(
    State(app): State<Arc<App>>,
    parts: Parts,
    Json(enter): Json<Enter>,
) -> Result<(HeaderMap, Json<Value>), RejectionResponse> {
    let (token, account) = find(&app, Purpose::MagicLink, &enter.token).await?;
    let email = token.subject().to_owned();
    token.consume(&state(&account)).await?;
    unlock(&app, &email).await;
    let device = app.guard.remember(&email);
    let headers = device.iter().map(|device| (SET_COOKIE, device.header())).collect();
    Ok((headers, session::open(&app, &account.id, &session::SCOPES, &parts).await?))
}

/// An account whose address is not verified yet. It is kept with the token of its link.
#[derive(Deserialize, Serialize)]
struct Pending {
    id: String,
    password: String,
}

/// Signs up once messages are delivered: the answer is the same for free and taken addresses, and so is
/// the work before it.
pub(crate) async fn sign_up(
    app: Arc<App>,
    parts: &Parts,
    email: String,
    password: Secret<str>,
) -> Result<Accepted, RejectionResponse> {
    let outgoing = app.mail.outgoing()?.clone();
    let purpose = Purpose::EmailVerification;
    app.mail.admit(purpose, &email, parts).await?;
    let password = app.passwords.hash(PasswordClient::from_parts(parts), password).await?;
    let id = ids::random().ok_or_else(|| Problem::from_status(StatusCode::SERVICE_UNAVAILABLE))?;
    outgoing.clone().submit(async move {
        if app.accounts.find(&email).await.ok()?.is_some() {
            return Some(outgoing.already_an_account(&email));
        }
        let pending = json!(Pending { id, password: password.as_str().to_owned() }).to_string();
        let token = NewOneTimeToken::new(purpose, &email).data(pending.as_bytes());
        prepared(&app.mail, token, purpose, &email).await
    })?;
    Ok(accepted())
}

/// `POST /api/v1/accounts/confirm`
#[derive(Deserialize)]
pub(crate) struct Activate {
    token: Secret<str>,
    password: Secret<str>,
}

/// Opens an account whose address is verified, and asks for the sign-up's password again. Otherwise
/// the owner of an address might open a link that a stranger had requested, and get an account with
/// the stranger's password.
pub(crate) async fn activate(
    State(app): State<Arc<App>>,
    parts: Parts,
    Json(activate): Json<Activate>,
) -> Result<Response, RejectionResponse> {
    app.mail.accepts(Purpose::EmailVerification)?;
    let token = app.mail.tokens.find(Purpose::EmailVerification, activate.token.expose()).await?;
    let broken = || Problem::from_status(StatusCode::INTERNAL_SERVER_ERROR);
    let Pending { id, password } = serde_json::from_slice(token.data()).map_err(|_| broken())?;
    let password = PasswordHash::parse(&password).map_err(|_| broken())?;
    let client = PasswordClient::from_parts(&parts);
    let verified = app.passwords.verify(client, Some(&password), activate.password).await?;
    let password = verified.replacement().cloned().unwrap_or(password);
    let email = token.subject().to_owned();
    token.consume(&[]).await?;
    app.accounts.add(email, Account { id: id.clone(), password }).await?;
    Ok(created(&id))
}

/// Finds the token of an account.
async fn find(
    app: &App,
    purpose: Purpose,
    token: &Secret<str>,
) -> Result<(FoundToken, Account), RejectionResponse> {
    app.mail.accepts(purpose)?;
    let token = app.mail.tokens.find(purpose, token.expose()).await?;
    let account = app.accounts.find(token.subject()).await?;
    let account = account.ok_or(OneTimeError::Invalid)?;
    Ok((token, account))
}

/// The state that a link is bound to: a changed password voids it.
pub(crate) fn state(account: &Account) -> Vec<u8> {
    format!("{} {}", account.id, account.password.as_str()).into_bytes()
}

/// Lifts the lockout of an account whose owner has proved who it is.
pub(crate) async fn unlock(app: &App, email: &str) {
    if app.guard.unlock(email).await.is_err() {
        // The token is used, and the user can log in on a known device, or later.
        tracing::warn!("an account could not be unlocked");
    }
}

fn accepted() -> Accepted {
    (StatusCode::ACCEPTED, Json(json!({})))
}
