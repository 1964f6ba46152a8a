//! The example as a black box: its program, its environment, its sockets.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod edge;
mod load;
mod lockout;
mod operator;
mod otlp;
mod passwords;
mod prometheus;
mod quote;
mod recovery;
mod session;
mod shared;
mod start;
mod token;
mod trace;

use std::{process::Command, time::Duration};

use hardpoint_testkit::http::{Client, Process};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);
const PASSWORD: &str = "correct horse battery staple";

/// The program with an environment that holds nothing but these variables and free ports.
fn program(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hardened-api"));
    command
        .env_clear()
        .envs([("HARDPOINT_LISTEN", "127.0.0.1:0"), ("HARDPOINT_ADMIN_LISTEN", "127.0.0.1:0")]);
    command.envs(variables.iter().copied());
    command
}

/// A running service.
struct Service {
    process: Process,
    public: String,
    admin: String,
}

impl Service {
    async fn start(variables: &[(&str, &str)]) -> Self {
        let process = Process::spawn(&mut program(variables));
        let line = process.line(PATIENCE, |line| line.contains("listening")).await;
        let address = |name: &str| {
            let (_, rest) = line.split_once(&format!("{name}=")).unwrap();
            format!("http://{}", rest.split_whitespace().next().unwrap())
        };
        Self { public: address(" address"), admin: address("admin_address"), process }
    }

    async fn sign_up(&self, email: &str) {
        let account = json!({ "email": email, "password": PASSWORD });
        let reply =
            Client::new().post_json(format!("{}/api/v1/accounts", self.public), &account).await;
        assert_eq!(reply.status.as_u16(), 201, "{}", reply.text());
    }

    async fn in_flight(&self) -> u64 {
        let report = Client::new().get(format!("{}/health", self.admin)).await.json();
        report.get("in_flight").and_then(Value::as_u64).unwrap()
    }
}
