//! What is left of the log when a program ends: each case is this program again, with an argument.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::{
    io::Read,
    process::{Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use hardpoint_observability::{Logs, LogsHandle};
use serde_json::Value as Json;

const ENDINGS: [&str; 7] = ["log", "return", "exit", "exit-in-thread", "panic", "flood", "stalled"];
const LINES: usize = 1_000;
const FLOOD: usize = 100_000;
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    // Other arguments are a test runner's, for the harness that this test does without.
    let ending = std::env::args().nth(1).filter(|argument| ENDINGS.contains(&argument.as_str()));
    if let Some(ending) = ending {
        return program(&ending);
    }
    for (ending, code) in [("return", 7), ("exit", 3), ("exit-in-thread", 4), ("panic", 101)] {
        every_line_is_written(ending, code);
    }
    records_of_the_log_crate_keep_their_target();
    a_reader_that_comes_late_gets_what_fits_and_a_report_of_the_rest();
    a_reader_that_never_reads_does_not_hold_up_the_end();
    println!("endings: 7 passed");
    ExitCode::SUCCESS
}

fn program(ending: &str) -> ExitCode {
    let logs = Logs::json("endings").queue_bytes(1 << 20).init().unwrap();
    let count = if matches!(ending, "flood" | "stalled") { FLOOD } else { LINES };
    for number in 0..count {
        tracing::info!(number, "line");
    }
    if ending == "log" {
        log::warn!(target: "legacy::db", "slow {}", 7);
        log::debug!("filtered");
        tracing::warn!(message = "kept", "{}", "the text");
    }
    match ending {
        "exit" => end(3),
        "exit-in-thread" => {
            let thread = thread::spawn(|| {
                tracing::info!(number = LINES, "line");
                end(4);
            });
            thread.join().unwrap();
        }
        "panic" => panic!("as asked by alice@example.com\n"),
        "flood" => {
            report(&logs);
            // Until the reader has read what the parent waits for.
            assert!(logs.flush(PATIENCE));
        }
        "stalled" => report(&logs),
        _ => {}
    }
    ExitCode::from(7)
}

#[expect(clippy::disallowed_methods, reason = "what is left after it is the question")]
fn end(code: i32) {
    std::process::exit(code);
}

/// Shows the parent, on the other stream, that everything was logged.
fn report(logs: &LogsHandle) {
    eprintln!("{}", logs.dropped());
}

fn start(ending: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .env_remove("RUST_BACKTRACE")
        .arg(ending)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn parsed(text: &str) -> Vec<Json> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn every_line_is_written(ending: &str, code: i32) {
    let output = start(ending).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{ending}: {output:?}");
    let lines = parsed(std::str::from_utf8(&output.stdout).unwrap());
    let expected = LINES + usize::from(ending == "exit-in-thread");
    let (panics, lines): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| line["target"] == "hardpoint::panic");
    assert_eq!(panics.len(), usize::from(ending == "panic"));
    for panic in panics {
        assert_eq!(panic["message"], "panicked: as asked by [redacted:email]\n");
        assert!(panic["place"].as_str().unwrap().contains("endings.rs:"), "{panic}");
        assert_eq!((&panic["level"], &panic["thread"]), (&"ERROR".into(), &"main".into()));
        assert!(output.stderr.is_empty(), "the line replaces the text: {output:?}");
    }
    assert_eq!(lines.len(), expected, "{ending}");
    for number in 0..expected {
        assert!(lines.iter().any(|line| line["number"] == number), "{ending}: {number}");
    }
}

fn records_of_the_log_crate_keep_their_target() {
    let output = start("log").output().unwrap();
    let lines = parsed(std::str::from_utf8(&output.stdout).unwrap());
    let [record, twice] = &lines[LINES..] else { panic!("{lines:?}") };
    assert_eq!((&record["target"], &record["message"]), (&"legacy::db".into(), &"slow 7".into()));
    assert_eq!(record["level"], "WARN");
    assert!(record.as_object().unwrap().keys().all(|name| !name.starts_with("log")), "{record}");
    // Both texts are kept.
    let texts = [&twice["message"], &twice["field_message"]];
    assert!(texts.contains(&&"kept".into()) && texts.contains(&&"the text".into()), "{twice}");
}

fn a_reader_that_comes_late_gets_what_fits_and_a_report_of_the_rest() {
    let mut child = start("flood").spawn().unwrap();
    let mut dropped = [0; 32];
    let read = child.stderr.as_mut().unwrap().read(&mut dropped).unwrap();
    let dropped: usize = std::str::from_utf8(&dropped[..read]).unwrap().trim().parse().unwrap();
    assert!(dropped > FLOOD / 2, "{dropped}");
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7));
    let (reports, lines): (Vec<_>, Vec<_>) =
        parsed(&text).into_iter().partition(|line| line["message"] == "log lines dropped");
    let reported: u64 = reports.iter().map(|line| line["dropped"].as_u64().unwrap()).sum();
    assert!(reports.iter().all(|line| line["level"] == "WARN" && line["service"] == "endings"));
    assert_eq!((lines.len() + dropped, reported), (FLOOD, dropped as u64));
}

fn a_reader_that_never_reads_does_not_hold_up_the_end() {
    let mut child = start("stalled").spawn().unwrap();
    let pipe = child.stdout.take();
    let (sender, ended) = std::sync::mpsc::channel();
    thread::spawn(move || sender.send(child.wait().unwrap().code()).unwrap());
    // It ends after 200 ms of patience; a machine that is busy may take longer.
    assert_eq!(ended.recv_timeout(Duration::from_secs(5)), Ok(Some(7)));
    drop(pipe);
}
