//! The program over real sockets.

use std::{process::Command, time::Duration};

use hardpoint::auth::{SigningKey, TokenIssuer};
use hardpoint_testkit::http::{Client, Process};
use http::Request;

const PATIENCE: Duration = Duration::from_secs(60);

fn program(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_axum-minimal"));
    command.env_clear().env("LISTEN", "127.0.0.1:0").envs(variables.iter().copied());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_secret_it_prints_what_is_missing_and_exits_with_78() {
    for (variables, start) in [
        (&[][..], "JWT_KEYS is missing: neither the variable `JWT_KEYS` nor `JWT_KEYS_FILE`"),
        (&[("JWT_KEYS", "changeme")], "JWT_KEYS (variable `JWT_KEYS`) is a placeholder"),
        (&[("JWT_KEYS_FILE", "/nonexistent/keys.pem")], "JWT_KEYS ("),
    ] {
        let process = Process::spawn(&mut program(variables));
        assert_eq!(process.wait(PATIENCE).await.code(), Some(78));
        let [line] = process.stderr().try_into().unwrap();
        assert!(line.starts_with(start), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn public_protected_and_unknown_paths_differ() {
    let key = SigningKey::generate().unwrap();
    let public = key.verifying_key();
    let issuer = TokenIssuer::builder(key).issuer("https://id.example").audience("api");
    let token = issuer.build().unwrap().token("alice@example.org").sign().unwrap().into_secret();
    let process = Process::spawn(&mut program(&[("JWT_KEYS", &public.to_pem().unwrap())]));
    let line = process.line(PATIENCE, |line| line.contains("listening")).await;
    let (_, address) = line.split_once("\"address\":\"").unwrap();
    let url = |path: &str| format!("http://{}{path}", address.split('"').next().unwrap());

    let client = Client::new();
    let home = client.get(url("/")).await;
    assert_eq!((home.status.as_u16(), home.text()), (200, "hello"));
    assert_eq!(home.header("x-content-type-options"), "nosniff");
    assert_eq!(client.get(url("/nowhere")).await.status.as_u16(), 404);
    assert_eq!(client.get(url("/me")).await.status.as_u16(), 401);
    let bearer = format!("Bearer {}", token.expose());
    let with_token = |path: &str| Request::get(url(path)).header("authorization", &bearer);
    let me = client.request(with_token("/me"), "").await;
    assert_eq!((me.status.as_u16(), me.text()), (200, "alice@example.org"));
    let panicked = client.request(with_token("/panic"), "").await;
    assert_eq!(
        (panicked.status.as_u16(), panicked.header("content-type")),
        (500, "application/problem+json")
    );
    process.line(PATIENCE, |line| line.contains("\"route\":\"/panic\"")).await;
    let routes = process.stdout().join("\n");
    assert!(routes.contains("\"route\":\"/me\"") && routes.contains("\"route\":\"unmatched\""));
    assert!(!routes.contains(token.expose()), "no line has the token");
}
