//! The program under test.

use std::{process::Command, time::Duration};

use hardpoint_testkit::http::Process;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running service and its addresses, as URLs.
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) public: String,
    pub(crate) admin: String,
}

impl Service {
    /// Starts a command of the program and waits for its first line.
    pub(crate) async fn spawn(command: &mut Command) -> Self {
        Self::of(Process::spawn(command)).await
    }

    /// The service that this process runs. Whatever a test makes it log is read strictly.
    pub(crate) async fn of(process: Process) -> Self {
        let process = process.expect_json();
        let line = process.line(PATIENCE, |line| line.contains("listening")).await;
        let [public, admin] = addresses(&line);
        Self { process, public, admin }
    }

    /// How many lines of the log so far have all of these fields.
    pub(crate) fn logged(&self, fields: &[(&str, Value)]) -> usize {
        let has = |line: &Value| fields.iter().all(|(name, value)| line[*name] == *value);
        let lines = self.process.stdout();
        lines.iter().filter_map(|line| serde_json::from_str(line).ok()).filter(has).count()
    }
}

/// The two addresses of the first line, as URLs.
pub(crate) fn addresses(line: &str) -> [String; 2] {
    let line: Value = serde_json::from_str(line).unwrap();
    ["address", "admin_address"].map(|name| format!("http://{}", line[name].as_str().unwrap()))
}

/// Sets an environment that holds nothing but these variables and free ports, and logs JSON.
pub(crate) fn environment(command: &mut Command, variables: &[(&str, &str)]) {
    command.env_clear().envs([
        ("HARDPOINT_LISTEN", "127.0.0.1:0"),
        ("HARDPOINT_ADMIN_LISTEN", "127.0.0.1:0"),
        ("HARDPOINT_LOG_FORMAT", "json"),
    ]);
    command.envs(variables.iter().copied());
}
