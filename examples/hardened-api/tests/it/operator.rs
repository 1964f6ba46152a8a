//! `hardened-api admin`: what operators do to accounts of a running instance.

use std::process::Output;

use hardpoint_testkit::{
    http::{Client, Reply},
    redis::RedisServer,
};
use serde_json::{Value, json};

use super::{PASSWORD, PATIENCE, Service, lockout::lock, program, shared::Fleet};

const EMAIL: &str = "alice@example.org";
const TOKEN: (&str, &str) = ("HARDPOINT_ADMIN_TOKEN", "a token for operators");

/// Runs the command beside an instance.
async fn admin(service: &Service, token: &str, arguments: &[&str]) -> Output {
    let address = service.admin.trim_start_matches("http://").to_owned();
    let mut command = program(&[("HARDPOINT_ADMIN_LISTEN", &address), (TOKEN.0, token)]);
    command.arg("admin").args(arguments);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn answer(service: &Service, arguments: &[&str]) -> Value {
    let output = admin(service, TOKEN.1, arguments).await;
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), &output.stderr);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(errors));
    serde_json::from_str(&text).unwrap()
}

async fn post(service: &Service, path: &str, body: Value) -> Reply {
    Client::new().post_json(format!("{}/api/v1{path}", service.public), &body).await
}

async fn log_in(service: &Service, password: &str) -> u16 {
    let body = json!({ "email": EMAIL, "password": password });
    post(service, "/session", body).await.status.as_u16()
}

async fn commands(service: &Service) {
    service.sign_up(EMAIL).await;
    assert_eq!(log_in(service, PASSWORD).await, 200);
    lock(service, &[EMAIL]).await;
    assert_eq!(log_in(service, PASSWORD).await, 429);
    assert_eq!(answer(service, &["unlock", EMAIL]).await, json!({ "had_failures": true }));
    assert_eq!(log_in(service, PASSWORD).await, 200);

    let listed = answer(service, &["sessions", EMAIL]).await;
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 2);
    assert_eq!(answer(service, &["sessions", EMAIL, "--end"]).await, json!({ "ended": 2 }));
    assert_eq!(answer(service, &["sessions", EMAIL]).await, json!({ "sessions": [] }));

    let unknown = admin(service, TOKEN.1, &["reset-password", "nobody@example.org"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("404"));
    let made = answer(service, &["reset-password", EMAIL]).await;
    let new = "a password that nobody knows yet";
    let confirm = json!({ "token": made["token"], "password": new });
    let reset = post(service, "/password/reset/confirm", confirm).await;
    assert_eq!(reset.status.as_u16(), 204, "{}", reset.text());
    assert_eq!(log_in(service, new).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_unlock_accounts_end_sessions_and_hand_over_tokens() {
    commands(&Service::start(&[TOKEN]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_do_the_same_with_shared_state() {
    let server = RedisServer::start();
    let fleet = Fleet::new(&server);
    commands(&fleet.instance(&[TOKEN]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_token_nobody_is_an_operator() {
    let service = Service::start(&[TOKEN]).await;
    service.sign_up(EMAIL).await;
    let wrong = admin(&service, "another token, as long", &["unlock", EMAIL]).await;
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("401"));
    let url = format!("{}/accounts/reset-password", service.admin);
    let anonymous = Client::new().post_json(url, &json!({ "email": EMAIL })).await;
    assert_eq!(anonymous.status.as_u16(), 401);
    let public = format!("{}/accounts/reset-password", service.public);
    let public = Client::new().post_json(public, &json!({ "email": EMAIL })).await;
    assert_eq!(public.status.as_u16(), 404, "not on the public listener");

    let open = Service::start(&[]).await;
    let url = format!("{}/accounts/reset-password", open.admin);
    let missing = Client::new().post_json(url, &json!({ "email": EMAIL })).await;
    assert_eq!(missing.status.as_u16(), 404, "a listener without a token has no such routes");
    let usage = admin(&service, TOKEN.1, &["unlock"]).await;
    assert_eq!(usage.status.code(), Some(64));
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_more_for_some_time() {
    let service = Service::start(&[TOKEN]).await;
    let ask = async |token: &str, body: Value| {
        let request = http::Request::put(format!("{}/log-filter", service.admin));
        let request = request.header("authorization", format!("Bearer {token}"));
        let request = request.header("content-type", "application/json");
        Client::new().request(request, body.to_string()).await
    };
    let more = json!({ "filter": "info,hardpoint=debug" });
    assert_eq!(ask("another token", more.clone()).await.status.as_u16(), 401);
    let wrong = ask(TOKEN.1, json!({ "filter": "hardened-api=debug" })).await;
    assert_eq!(wrong.status.as_u16(), 422);
    assert!(wrong.json()["detail"].as_str().unwrap().ends_with("write `hardened_api=debug`"));
    assert_eq!(ask(TOKEN.1, more).await.status.as_u16(), 204);
    let unauthenticated = Client::new().get(format!("{}/api/v1/me", service.public)).await;
    assert_eq!(unauthenticated.status.as_u16(), 401);
    service.process.line(PATIENCE, |line| line.contains("\"level\":\"DEBUG\"")).await;
}
