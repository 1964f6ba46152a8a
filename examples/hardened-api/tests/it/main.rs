//! The example as a black box: its program, its environment, its sockets.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod api_keys;
mod canaries;
mod day;
mod edge;
mod enumeration;
mod load;
mod lockout;
mod logging;
mod operator;
mod otlp;
mod passwords;
mod prometheus;
mod quote;
mod recovery;
#[path = "../service/mod.rs"]
mod service;
mod session;
mod shared;
mod start;
mod token;
mod trace;

use std::{collections::BTreeMap, net::SocketAddr, process::Command, time::Duration};

use hardpoint_testkit::http::{Client, Reply};
use serde_json::{Value, json};
use service::{Service, environment};

const PATIENCE: Duration = Duration::from_secs(60);
const PASSWORD: &str = "correct horse battery staple";

fn program(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hardened-api"));
    environment(&mut command, variables);
    command
}

impl Service {
    async fn start(variables: &[(&str, &str)]) -> Self {
        Self::spawn(&mut program(variables)).await
    }

    async fn sign_up(&self, email: &str) {
        let account = json!({ "email": email, "password": PASSWORD });
        let reply =
            Client::new().post_json(format!("{}/api/v1/accounts", self.public), &account).await;
        assert_eq!(reply.status.as_u16(), 201, "{}", reply.text());
    }

    /// The address of the public listener.
    fn address(&self) -> SocketAddr {
        self.public.strip_prefix("http://").unwrap().parse().unwrap()
    }

    async fn in_flight(&self) -> u64 {
        let report = Client::new().get(format!("{}/health", self.admin)).await.json();
        report.get("in_flight").and_then(Value::as_u64).unwrap()
    }
}

/// The parts of a reply that may not depend on whether an account exists.
fn shape(reply: &Reply) -> (u16, BTreeMap<String, String>, Value) {
    let differs = ["date", "x-request-id"];
    let headers = reply.headers.iter().filter(|(name, _)| !differs.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| {
        // What is left of the limit by address differs from request to request.
        let value =
            if name.as_str().starts_with("ratelimit") { "" } else { value.to_str().unwrap() };
        (name.to_string(), value.to_owned())
    });
    let mut body = reply.json();
    body.as_object_mut().unwrap().remove("request_id");
    (reply.status.as_u16(), headers.collect(), body)
}
