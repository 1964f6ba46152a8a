//! Real signals, each to a process of its own: this test program, started again.

use std::{process::Command, time::Duration};

use axum::{Router, routing::get};
use hardpoint_health::{DrainLayer, Lifecycle};
use hardpoint_testkit::http::{Client, Process};
use tokio::net::TcpListener;

const PATIENCE: Duration = Duration::from_secs(20);
/// Set for the processes that the tests below start.
const CHILD: &str = "HARDPOINT_HEALTH_TEST_CHILD";

#[tokio::test]
#[ignore = "a service in a process of its own, started by the tests of signals"]
async fn service() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let lifecycle =
        Lifecycle::builder().drain_delay(Duration::ZERO).drain_deadline(PATIENCE).build().unwrap();
    let draining = lifecycle.draining();
    let goodbye = lifecycle.clone();
    let app = Router::new()
        .route("/", get(|| async { "hello" }))
        .route(
            "/stream",
            get(async move || {
                println!("\nentered");
                goodbye.draining().await;
                "goodbye"
            }),
        )
        .route(
            "/stuck",
            get(async || {
                println!("\nentered");
                std::future::pending::<()>().await;
            }),
        )
        .layer(DrainLayer::new(&lifecycle));
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("\nlistening {}", socket.local_addr().unwrap());
    tokio::spawn(async move {
        draining.await;
        println!("\ndraining");
    });
    let server = axum::serve(socket, app).with_graceful_shutdown(lifecycle.stop_accepting());
    println!("\nended {:?}", lifecycle.run(server).await);
}

/// The service, once it answers: then it listens for signals too.
async fn start() -> (Process, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "faults::signals::service", "--ignored", "--nocapture"])
        .env(CHILD, "1");
    let process = Process::spawn(&mut command);
    let line = process.line(PATIENCE, |line| line.starts_with("listening ")).await;
    let url = format!("http://{}", line.trim_start_matches("listening "));
    assert_eq!(Client::new().get(&url).await.text(), "hello");
    (process, url)
}

async fn ended(process: Process) -> String {
    let line = process.line(PATIENCE, |line| line.starts_with("ended ")).await;
    process.wait(PATIENCE).await;
    line.trim_start_matches("ended ").to_owned()
}

fn code(code: u8) -> String {
    format!("{:?}", std::process::ExitCode::from(code))
}

#[tokio::test]
async fn one_signal_drains_and_ends_with_0() {
    for signal in ["TERM", "INT"] {
        let (process, url) = start().await;
        let request = tokio::spawn(async move { Client::new().get(format!("{url}/stream")).await });
        process.line(PATIENCE, |line| line == "entered").await;
        process.signal(signal);
        assert_eq!(request.await.unwrap().text(), "goodbye");
        assert_eq!(ended(process).await, code(0));
    }
}

#[tokio::test]
async fn a_twin_of_the_signal_cuts_no_request() {
    for (first, twin) in [("TERM", "TERM"), ("INT", "TERM")] {
        let (process, url) = start().await;
        let request = tokio::spawn(async move { Client::new().get(format!("{url}/stream")).await });
        process.line(PATIENCE, |line| line == "entered").await;
        process.signal(first);
        process.signal(twin);
        assert_eq!(request.await.unwrap().text(), "goodbye");
        assert_eq!(ended(process).await, code(0));
    }
}

#[tokio::test]
async fn an_insisting_signal_ends_at_once_with_its_own_code() {
    for (pause, signal, exit) in [(2_100, "TERM", 143), (0, "INT", 130)] {
        let (process, url) = start().await;
        let stuck = tokio::spawn(async move {
            let head = http::Request::get(format!("{url}/stuck"));
            Client::new().try_request(head, "").await.is_err()
        });
        process.line(PATIENCE, |line| line == "entered").await;
        process.signal("TERM");
        process.line(PATIENCE, |line| line == "draining").await;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        process.signal(signal);
        assert_eq!(ended(process).await, code(exit));
        assert!(stuck.await.unwrap(), "a stuck request cannot have an answer");
    }
}
