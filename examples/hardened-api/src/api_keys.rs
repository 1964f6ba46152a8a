//! API keys: credentials that a user gives to programs.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
};
use hardpoint::{
    auth::{
        api_key::{ApiKeyOwner, ApiKeyRecord, IssuedApiKey, NewApiKey},
        axum::Authenticated,
    },
    core::{AuthMethod, Problem, axum::RejectionResponse},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    routes::{App, ISSUER},
    session::{asked_for, date},
};

/// The owner with this account.
pub(crate) fn owner(account: &str) -> ApiKeyOwner<'_> {
    ApiKeyOwner::new(account).issuer(ISSUER)
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest life of a key, in days.
const MOST_DAYS: u32 = 365;
/// How long both keys of a rotation work.
const OVERLAP: Duration = DAY;

/// `POST /api/v1/api-keys`
#[derive(Deserialize)]
pub(crate) struct Add {
    name: String,
    scope: Option<String>,
    days: Option<u32>,
}

pub(crate) async fn add(
    State(app): State<Arc<App>>,
    user: Authenticated,
    Json(add): Json<Add>,
) -> Result<(StatusCode, Json<Value>), RejectionResponse> {
    // A leaked key issues no others.
    user.require_auth_method(AuthMethod::Token)?;
    let scopes = asked_for(add.scope.as_deref())?;
    // Nor does a session give more than it has.
    user.require(&scopes)?;
    let mut new = NewApiKey::new(ApiKeyOwner::from(&*user)).name(&add.name).scopes(&scopes);
    if let Some(days) = add.days {
        if days == 0 || days > MOST_DAYS {
            let detail = format!("write 1 to {MOST_DAYS}");
            let error = json!({ "pointer": "#/days", "detail": detail });
            let problem = Problem::from_status(StatusCode::UNPROCESSABLE_ENTITY);
            return Err(problem.add_member("errors", json!([error])).into());
        }
        new = new.lifetime(DAY * days);
    }
    Ok((StatusCode::CREATED, issued(&app.api_keys.issue(new).await?)))
}

/// `GET /api/v1/api-keys`
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    user: Authenticated,
) -> Result<Json<Value>, RejectionResponse> {
    user.require_auth_method(AuthMethod::Token)?;
    let keys = app.api_keys.list(ApiKeyOwner::from(&*user)).await?;
    Ok(Json(json!({ "api_keys": keys.iter().map(shown).collect::<Vec<_>>() })))
}

/// `DELETE /api/v1/api-keys/{id}`
pub(crate) async fn end(
    State(app): State<Arc<App>>,
    user: Authenticated,
    Path(id): Path<String>,
) -> Result<StatusCode, RejectionResponse> {
    user.require_auth_method(AuthMethod::Token)?;
    if let Ok(id) = id.parse()
        && app.api_keys.revoke(ApiKeyOwner::from(&*user), id).await?
    {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(not_found().into())
}

/// `POST /api/v1/api-keys/{id}/rotate`
pub(crate) async fn rotate(
    State(app): State<Arc<App>>,
    user: Authenticated,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Value>), RejectionResponse> {
    user.require_auth_method(AuthMethod::Token)?;
    let owner = ApiKeyOwner::from(&*user);
    let keys = app.api_keys.list(owner).await?;
    let former = keys.iter().find(|key| key.id.as_str() == id).ok_or_else(not_found)?;
    // Nor does a session renew scopes that it does not have.
    if !former.scope.is_empty() {
        user.require(&former.scope.parse().map_err(|_| not_found())?)?;
    }
    let next = app.api_keys.rotate(owner, former.id, OVERLAP).await?.ok_or_else(not_found)?;
    Ok((StatusCode::CREATED, issued(&next)))
}

/// The same for a key of another user and for one that does not exist.
fn not_found() -> Problem {
    Problem::from_status(StatusCode::NOT_FOUND)
}

/// The only answer that contains a key.
fn issued(key: &IssuedApiKey) -> Json<Value> {
    Json(json!({ "id": key.id.as_str(), "key": key.text.expose() }))
}

fn shown(key: &ApiKeyRecord) -> Value {
    json!({
        "id": key.id.as_str(),
        "name": &*key.name,
        "scope": &*key.scope,
        "created_at": date(key.created),
        "expires_at": key.expires.map(date),
    })
}
