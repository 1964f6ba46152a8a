//! The program over real sockets, driven by the generated client.

use std::{process::Command, time::Duration};

use hardpoint::auth::{SigningKey, TokenIssuer};
use hardpoint_testkit::http::Process;
use serde_json::Value;
use tonic::{Code, Request};
use tonic_minimal::{Name, greeter_client::GreeterClient};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_authenticated_limited_and_recorded_by_their_code() {
    let key = SigningKey::generate().unwrap();
    let public = key.verifying_key().to_pem().unwrap();
    let issuer = TokenIssuer::builder(key).issuer("https://id.example").audience("greeter");
    let token = issuer.build().unwrap().token("alice").sign().unwrap().into_secret();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tonic-minimal"));
    command.env_clear().envs([("LISTEN", "127.0.0.1:0"), ("JWT_KEYS", &public)]);
    let process = Process::spawn(&mut command);
    let line = process.line(PATIENCE, |line| line.contains("listening")).await;
    let (_, address) = line.split_once("\"address\":\"").unwrap();
    let url = format!("http://{}", address.split('"').next().unwrap());

    let mut client = GreeterClient::connect(url).await.unwrap();
    let request = |name: &str, token: Option<&str>| {
        let mut request = Request::new(Name { name: name.to_owned() });
        if let Some(token) = token {
            let bearer = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", bearer);
        }
        request
    };
    let token = Some(token.expose());
    let greeting = client.greet(request("bob", token)).await.unwrap().into_inner();
    assert_eq!(greeting.text, "alice greets bob");
    for (name, token, code) in [
        ("bob", None, Code::Unauthenticated),
        ("", token, Code::InvalidArgument),
        ("database", token, Code::Internal),
        ("bob", Some("forged"), Code::Unauthenticated),
        ("bob", token, Code::ResourceExhausted),
    ] {
        let status = client.greet(request(name, token)).await.unwrap_err();
        assert_eq!(status.code(), code, "{name}");
    }
    let requests = || -> Vec<Value> {
        let lines = process.stdout();
        let lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["message"] == "request").collect()
    };
    hardpoint_testkit::eventually("all lines", async || requests().len() == 6).await;
    let lines = requests();
    let mut calls: Vec<_> = lines
        .iter()
        .map(|line| {
            assert_eq!(
                (&line["route"], &line["client"]),
                (&"/hello.v1.Greeter/Greet".into(), &"127.0.0.1".into())
            );
            (
                line["status"].as_u64().unwrap(),
                line["outcome"].as_str().unwrap(),
                line["level"].as_str().unwrap(),
            )
        })
        .collect();
    // A line is written when the response has been sent, which the next call need not wait for.
    calls.sort_unstable();
    assert_eq!(
        calls,
        [
            (200, "ok", "INFO"),
            (400, "ok", "INFO"),
            (401, "rejected", "INFO"),
            (401, "rejected", "INFO"),
            (429, "rejected", "INFO"),
            (500, "failed", "ERROR"),
        ]
    );
}
