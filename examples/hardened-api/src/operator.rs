//! The operators' actions on accounts: routes of the admin listener, and the command line that
//! calls them.
//!
//! The command talks to the admin listener of a running instance, so it works with state in memory and
//! on a server alike, and needs no secret but the listener's token. The routes exist only if the
//! listener has one: any process on the same machine could call them otherwise.

use std::{process::ExitCode, sync::Arc};

use axum::{Json, Router, extract::State, routing::post};
use bytes::Bytes;
use hardpoint::{
    auth::one_time::{NewOneTimeToken, Purpose},
    core::{Problem, Secret, axum::RejectionResponse},
    secrets::{Environment, Secrets, Spec},
};
use http::{Request, StatusCode, header::AUTHORIZATION, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    USAGE,
    accounts::{Account, counted_as},
    api_keys,
    recovery::state,
    routes::App,
    session,
};

/// The routes of the admin listener.
pub(crate) fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/accounts/reset-password", post(reset_password))
        .route("/accounts/unlock", post(unlock))
        .route("/accounts/sessions", post(sessions))
        .with_state(app)
}

/// The account. It is in the body, so that no access log contains an address.
#[derive(Deserialize)]
struct Target {
    email: String,
    /// For sessions: whether they end.
    #[serde(default)]
    end: bool,
}

/// Makes a token with which the owner chooses a new password, and returns it to the operator, who hands
/// it over. Works without a mail server.
async fn reset_password(
    State(app): State<Arc<App>>,
    Json(target): Json<Target>,
) -> Result<Json<Value>, RejectionResponse> {
    let account = find(&app, &target.email).await?;
    let (email, state) = (counted_as(&target.email), state(&account));
    let token = NewOneTimeToken::new(Purpose::PasswordReset, &email).state(&state);
    let token = app.mail.tokens.issue(token).await?;
    let link = app.mail.outgoing().ok().map(|outgoing| {
        let link = outgoing.link(Purpose::PasswordReset, &token);
        link.expose().to_owned()
    });
    let minutes = Purpose::PasswordReset.lifetime().as_secs() / 60;
    let expiry = format!("{minutes} minutes");
    Ok(Json(json!({ "token": token.expose(), "link": link, "valid_for": expiry })))
}

/// Lifts the lockout of an account, which need not exist.
async fn unlock(
    State(app): State<Arc<App>>,
    Json(target): Json<Target>,
) -> Result<Json<Value>, RejectionResponse> {
    let had_failures = app.guard.unlock(&counted_as(&target.email)).await?;
    Ok(Json(json!({ "had_failures": had_failures })))
}

/// Lists the sessions of an account, or ends them and revokes its API keys.
async fn sessions(
    State(app): State<Arc<App>>,
    Json(target): Json<Target>,
) -> Result<Json<Value>, RejectionResponse> {
    let account = find(&app, &target.email).await?;
    if target.end {
        let ended = app.sessions.revoke_all(&account.id).await?;
        app.api_keys.revoke_all(api_keys::owner(&account.id)).await?;
        return Ok(Json(json!({ "ended": ended })));
    }
    let sessions = app.sessions.sessions(&account.id).await?;
    let shown = sessions.iter().map(|one| session::shown(one, None)).collect::<Vec<_>>();
    Ok(Json(json!({ "sessions": shown })))
}

async fn find(app: &App, email: &str) -> Result<Account, Problem> {
    let account = app.accounts.find(email).await?;
    account.ok_or_else(|| Problem::from_status(StatusCode::NOT_FOUND))
}

const HELP: &str = "\
usage: hardened-api admin reset-password EMAIL   prints a one-time token for the owner
       hardened-api admin unlock EMAIL           forgets failed log-ins
       hardened-api admin sessions EMAIL [--end] lists the sessions, or ends them and revokes all API keys
It calls a running instance at HARDPOINT_ADMIN_LISTEN (default 127.0.0.1:3001) with
HARDPOINT_ADMIN_TOKEN, which that instance must have been started with.";
const TOKEN: &str = "HARDPOINT_ADMIN_TOKEN";

/// Runs a command, and prints the answer as JSON.
pub(crate) async fn run(arguments: &[&str]) -> ExitCode {
    let (path, body) = match arguments {
        ["reset-password", email] => ("reset-password", json!({ "email": email })),
        ["unlock", email] => ("unlock", json!({ "email": email })),
        ["sessions", email] => ("sessions", json!({ "email": email })),
        ["sessions", email, "--end"] => ("sessions", json!({ "email": email, "end": true })),
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(USAGE);
        }
    };
    let environment = Environment::from_process();
    let secrets = Secrets::loader(&environment).add_spec(Spec::text(TOKEN).optional()).load();
    let secrets = match secrets {
        Ok(secrets) => secrets,
        Err(report) => {
            eprintln!("{report}");
            return report.exit_code();
        }
    };
    let Some(token) = secrets.text(TOKEN) else {
        eprintln!("{TOKEN} is not set; set it to the value that the running instance has");
        return ExitCode::from(USAGE);
    };
    let address = environment.get("HARDPOINT_ADMIN_LISTEN").ok().flatten();
    let address = address.unwrap_or("127.0.0.1:3001");
    match call(address, path, token, &body).await {
        Ok((StatusCode::OK, answer)) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Ok((status, answer)) => {
            eprintln!("the instance answered {status}: {answer}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("no instance answers at {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn call(
    address: &str,
    path: &str,
    token: &Secret<str>,
    body: &Value,
) -> Result<(StatusCode, String), Box<dyn std::error::Error>> {
    let request = Request::post(format!("http://{address}/accounts/{path}"))
        .header(AUTHORIZATION, format!("Bearer {}", token.expose()))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (parts, body) = client.request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok((parts.status, String::from_utf8_lossy(&body).into_owned()))
}
