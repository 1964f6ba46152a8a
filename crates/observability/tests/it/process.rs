//! The log of a whole program: one that the tests start, since it is installed only once.

use std::{fmt, process::Command};

use hardpoint_observability::{ConfigError, Logs};
use serde_json::{Value as Json, json};
use tracing::info;

/// Logs while it is written, as a lazily connected client does.
struct Chatty;

impl fmt::Debug for Chatty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!("from within");
        f.write_str("chatty")
    }
}

#[test]
#[ignore = "a program of its own, started by the next test"]
fn program() {
    // What the test runner has written stands on a line of its own.
    println!();
    let handle = Logs::json("orders").version("1.4.2").environment("test").init().unwrap();
    info!(value = ?Chatty, "said");
    let again = Logs::human().init().err();
    let place = again.as_ref().map(ToString::to_string).unwrap_or_default();
    let refused = matches!(again, Some(ConfigError::AlreadyInstalled { .. }));
    info!(refused = refused && place.contains("process.rs:24:"), place);
    assert_eq!(handle.dropped(), 0);
}

#[test]
fn a_program_logs_to_standard_output_once_installed() {
    let itself = std::env::current_exe().unwrap();
    let output = Command::new(itself)
        .args(["--ignored", "--exact", "process::program", "--nocapture"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Json> = text
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    // A value that logs has its line first, and breaks the one around it as little.
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[0]["message"], "from within");
    assert_eq!((&lines[1]["message"], &lines[1]["value"]), (&json!("said"), &json!("chatty")));
    assert_eq!(lines[2]["refused"], true);
}
