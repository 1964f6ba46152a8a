//! The program under test.

use std::{process::Command, time::Duration};

use hardpoint_testkit::http::Process;

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
        let process = Process::spawn(command);
        let line = process.line(PATIENCE, |line| line.contains("listening")).await;
        let [public, admin] = addresses(&line);
        Self { process, public, admin }
    }
}

/// The two addresses of the first line.
pub(crate) fn addresses(line: &str) -> [String; 2] {
    [" address", "admin_address"].map(|name| {
        let (_, rest) = line.split_once(&format!("{name}=")).unwrap();
        format!("http://{}", rest.split_whitespace().next().unwrap())
    })
}

/// Sets an environment that holds nothing but these variables and free ports.
pub(crate) fn environment(command: &mut Command, variables: &[(&str, &str)]) {
    command
        .env_clear()
        .envs([("HARDPOINT_LISTEN", "127.0.0.1:0"), ("HARDPOINT_ADMIN_LISTEN", "127.0.0.1:0")]);
    command.envs(variables.iter().copied());
}
