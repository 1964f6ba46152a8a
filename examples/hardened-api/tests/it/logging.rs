//! Where the log goes, and which requests have a line.

use std::{env, fs, path::PathBuf, process};

use hardpoint_testkit::http::{Client, Process};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{PATIENCE, Service, program, service::addresses, start::refused};

const JWKS: &str = "/.well-known/jwks.json";

/// A directory of one test.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = env::temp_dir().join(format!("hardened-api-{}-{test}", process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_go_to_a_file_up_to_the_last_one() {
    let folder = Folder::new("file");
    let path = folder.0.join("api.log");
    let process = Process::spawn(&mut program(&[("HARDPOINT_LOG_FILE", path.to_str().unwrap())]));
    process.line(PATIENCE, |line| line.ends_with("api.log")).await;
    let read = || fs::read_to_string(&path).unwrap_or_default();
    let first = async {
        loop {
            match read().lines().next() {
                Some(line) if line.ends_with('}') => return line.to_owned(),
                _ => tokio::task::yield_now().await,
            }
        }
    };
    let [public, _] = addresses(&timeout(PATIENCE, first).await.unwrap());
    assert_eq!(Client::new().get(format!("{public}{JWKS}")).await.status.as_u16(), 200);
    process.signal("TERM");
    assert!(process.wait(PATIENCE).await.success());

    let text = read();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["message"] == "request" && line["route"] == JWKS));
    // Checks run on threads of their own, and one that began before the signal may report after it.
    let last = lines.iter().rfind(|line| line["target"] != "hardpoint::health::check");
    assert_eq!(last.unwrap()["message"], "drained", "{text}");
    assert_eq!(process.stdout().len(), 1, "{:?}", process.stdout());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_of_the_successes_has_lines_and_every_failure() {
    // A sample so small that it contains none of these.
    let service = Service::start(&[("HARDPOINT_ACCESS_SAMPLE", "4294967295")]).await;
    for path in [JWKS, JWKS, JWKS, "/nowhere"] {
        Client::new().get(format!("{}{path}", service.public)).await;
    }
    let metrics = Client::new().get(format!("{}/metrics", service.admin)).await;
    let metrics = metrics.text();
    let mut counted = metrics.lines().filter(|line| {
        line.starts_with("http_server_request_duration_seconds_count") && line.contains(JWKS)
    });
    assert!(counted.next_back().unwrap().ends_with(" 3"), "{metrics}");
    service.process.signal("TERM");
    assert!(service.process.wait(PATIENCE).await.success());
    assert_eq!(service.logged(&[("message", json!("request")), ("status", json!(404))]), 1);
    assert_eq!(service.logged(&[("message", json!("request")), ("status", json!(200))]), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_of_none_and_a_file_that_cannot_be_written_are_refused_at_start() {
    let (code, report) = refused(&[("HARDPOINT_ACCESS_SAMPLE", "0")]).await;
    assert_eq!(code, Some(78), "{report}");
    assert!(report.contains("HARDPOINT_ACCESS_SAMPLE is `0`"), "{report}");
    let (code, message) = refused(&[("HARDPOINT_LOG_FILE", "/nowhere/api.log")]).await;
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("/nowhere/api.log"), "{message}");
}
