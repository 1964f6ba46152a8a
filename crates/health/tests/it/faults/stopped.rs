//! A process that is stopped and goes on later: this test program, started again.

use std::{process::Command, time::Duration};

use hardpoint_health::{Admin, Lifecycle};
use hardpoint_testkit::http::{Client, Process};
use serde_json::json;
use tokio::{runtime::Builder, time::sleep};

use crate::support::PATIENCE;

/// Marks the processes that the test below starts.
const CHILD: &str = "HARDPOINT_HEALTH_TEST_STOPPED";

#[test]
#[ignore = "a service in a process of its own, started by the test of a stopped process"]
fn service() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _context = runtime.enter();
    let lifecycle = Lifecycle::builder().build().unwrap();
    lifecycle.started();
    let admin = Admin::builder(([127, 0, 0, 1], 0).into()).serve(&lifecycle).unwrap();
    println!("\nlistening {}", admin.local_addr());
    runtime.block_on(async { tokio::spawn(async { nap() }).await.unwrap() });
}

/// Blocks its worker in naps. A nap that the process is stopped in ends when it goes on; the others
/// are still to come.
#[expect(clippy::disallowed_methods, reason = "a worker that blocks is the fault under test")]
fn nap() {
    println!("\nblocked");
    for _ in 0..3_600 {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// The time in which the observer itself did not run is held against no worker.
#[tokio::test]
async fn a_process_that_was_stopped_accuses_none_of_its_workers() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "faults::stopped::service", "--ignored", "--nocapture"])
        .env(CHILD, "");
    let process = Process::spawn(&mut command);
    let line = process.line(PATIENCE, |line| line.starts_with("listening ")).await;
    let health = format!("http://{}/health", line.trim_start_matches("listening "));
    process.line(PATIENCE, |line| line == "blocked").await;
    let runtime = async || Client::new().get(&health).await.json()["runtime"].clone();
    let fine = json!({ "status": "ok", "blocked_workers": 0 });
    // Until it has looked at the blocked worker.
    sleep(Duration::from_millis(500)).await;
    assert_eq!(runtime().await, fine);

    // Longer than a worker may be silent.
    process.signal("STOP");
    sleep(Duration::from_millis(5_500)).await;
    process.signal("CONT");
    for _ in 0..40 {
        assert_eq!(runtime().await, fine);
        sleep(Duration::from_millis(25)).await;
    }
}
