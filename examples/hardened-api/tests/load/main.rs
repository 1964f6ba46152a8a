//! The example under load: its program, and clients in processes of their own. Each test prints its
//! figures beside the goals and asserts them with slack, since the machine has other work.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod attack;
mod client;
mod logs;
mod memory;
mod restarts;
mod server;
#[path = "../service/mod.rs"]
mod service;
mod stop;

use std::{net::TcpListener, path::Path, process::Command, time::Duration};

use tokio::sync::RwLock;

use service::{Service, environment};

const PATIENCE: Duration = Duration::from_secs(60);

/// Tests that mostly wait share the machine. Those that need it alone do not.
static MACHINE: RwLock<()> = RwLock::const_new(());

/// `program` with this limit of open files, or with the highest that it may have.
fn limited(program: &Path, files: Option<u32>) -> Command {
    let mut command = Command::new("/bin/sh");
    let limit = files.map_or_else(|| "$(ulimit -Hn)".to_owned(), |files| files.to_string());
    command.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\"")]).arg(program);
    command
}

/// The example with this limit of open files.
async fn start(files: Option<u32>, variables: &[(&str, &str)]) -> Service {
    Service::spawn(&mut example(files, variables)).await
}

fn example(files: Option<u32>, variables: &[(&str, &str)]) -> Command {
    let mut command = limited(Path::new(env!("CARGO_BIN_EXE_hardened-api")), files);
    environment(&mut command, variables);
    command
}

/// The address in a URL without a path.
fn address(url: &str) -> &str {
    url.strip_prefix("http://").unwrap()
}

/// An address that nothing listens on.
fn free() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
