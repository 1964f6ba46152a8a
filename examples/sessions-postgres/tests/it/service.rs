//! The service, as its clients meet it.

use std::process::Command;

use hardpoint_testkit::http::{Client, Process};
use http::{Request, StatusCode};
use serde_json::json;

use crate::server::{PATIENCE, Server};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_logs_in_refreshes_and_logs_out() {
    let server = Server::start().await;
    let service = Process::spawn(
        Command::new(env!("CARGO_BIN_EXE_sessions-postgres"))
            .env("DATABASE_URL", format!("postgres://postgres@{}/postgres", server.address()))
            .env("ROOT_SECRET", "0123456789abcdef0123456789abcdef")
            .envs([("ACCOUNT", "alice"), ("PASSWORD", "correct horse"), ("LISTEN", "127.0.0.1:0")]),
    );
    let line = service.line(PATIENCE, |line| line.starts_with("listening on ")).await;
    let url = format!("http://{}/session", line.strip_prefix("listening on ").unwrap());
    let client = Client::new();
    let log_in = async |password: &str| {
        client.post_json(&url, &json!({ "account": "alice", "password": password })).await
    };
    assert_eq!(log_in("wrong").await.status, StatusCode::UNAUTHORIZED);
    let pair = log_in("correct horse").await.json();
    let with = |method: &str, pair: &serde_json::Value| {
        let token = pair["access_token"].as_str().unwrap();
        Request::builder()
            .method(method)
            .uri(&url)
            .header("authorization", format!("Bearer {token}"))
    };
    assert_eq!(client.request(with("GET", &pair), "").await.text(), "alice");
    let refresh = async |pair: &serde_json::Value| {
        let body = json!({ "refresh_token": pair["refresh_token"] });
        client.post_json(format!("{url}/refresh"), &body).await
    };
    let next = refresh(&pair).await.json();
    assert_eq!(refresh(&pair).await.json()["refresh_token"], next["refresh_token"], "a retry");
    assert_eq!(client.request(with("DELETE", &next), "").await.status, StatusCode::NO_CONTENT);
    for pair in [&pair, &next] {
        assert_eq!(client.request(with("GET", pair), "").await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(refresh(pair).await.status, StatusCode::UNAUTHORIZED);
    }
}
