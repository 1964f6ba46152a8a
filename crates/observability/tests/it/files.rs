//! A program whose log is a file on a disk that is full.

#![cfg(unix)]

use std::{
    fs::{self, OpenOptions},
    path::PathBuf,
    process::Command,
    time::Duration,
};

use hardpoint_observability::{Logs, logs::LogFile};
use serde_json::Value as Json;
use tracing::info;

const PATH: &str = "HARDPOINT_TEST_LOG";
const PATIENCE: Duration = Duration::from_secs(20);
const LINES: u64 = 500;

#[test]
#[ignore = "a program of its own, started by the next test"]
#[expect(clippy::disallowed_methods, reason = "the test that starts it names the file")]
fn program() {
    let path = PathBuf::from(std::env::var(PATH).unwrap());
    let file = LogFile::new(&path).open().unwrap();
    let logs = Logs::json("orders").init_to(file).unwrap();
    for number in 0..LINES {
        info!(number, "a line of a service that goes on although its disk is full");
    }
    assert!(logs.flush(PATIENCE));
    let dropped = logs.dropped();
    assert!((1..LINES).contains(&dropped), "{dropped}");
    let full = fs::read_to_string(&path).unwrap();
    let (whole, torn) = full.rsplit_once('\n').unwrap();
    let written: Vec<Json> =
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let in_order = written.iter().zip(0..LINES).all(|(line, number)| line["number"] == number);
    assert!(in_order, "{full}");
    assert_eq!(written.len() as u64 + dropped, LINES, "torn: {torn}");

    // The operator makes room.
    OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    info!("after");
    assert!(logs.flush(PATIENCE));
    let text = fs::read_to_string(&path).unwrap();
    // The end of the torn line, if the disk was full within one.
    let lines: Vec<Json> =
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    // The report may have been written first.
    let (reports, others): (Vec<_>, Vec<_>) =
        lines.iter().partition(|line| line["message"] == "log lines dropped");
    assert!(others.len() == 1 && others[0]["message"] == "after", "{text}");
    let reported: u64 = reports.iter().map(|line| line["dropped"].as_u64().unwrap()).sum();
    assert_eq!(reported, dropped, "{text}");
    assert_eq!(logs.dropped(), dropped, "exactly");
}

#[test]
fn a_full_disk_stops_no_service_and_the_lost_lines_are_reported() {
    let name = format!("hardpoint-full-{}.log", std::process::id());
    let path = std::env::temp_dir().join(name);
    let itself = std::env::current_exe().unwrap();
    // A limit on the size of files fails like a full disk, and needs no rights.
    let script =
        "trap '' XFSZ; ulimit -f 20; exec \"$0\" --ignored --exact files::program --nocapture";
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", script]).arg(itself).env(PATH, &path).output().unwrap();
    let _absent = fs::remove_file(&path);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
}
