//! The program against a server that fails.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::{process::Command, time::Duration};

use hardpoint_testkit::{
    TestBody,
    http::{Process, serve},
    spy::Spy,
};

const PATIENCE: Duration = Duration::from_secs(60);

async fn lines(url: &str, calls: &str) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_client-policy"));
    let process = Process::spawn(command.args([url, calls]));
    let status = process.wait(PATIENCE).await;
    assert!(status.success(), "{:?}", process.stderr());
    process.stdout()
}

fn with_status(status: u16) -> http::Response<TestBody> {
    http::Response::builder().status(status).body(TestBody::from("hello")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_now_and_then_is_retried_and_an_outage_opens_the_circuit() {
    let (spy, handle) = Spy::new();
    let server = serve(spy).await;
    let count = std::sync::atomic::AtomicUsize::new(0);
    handle.respond(move |_| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(with_status(if number.is_multiple_of(4) { 503 } else { 200 }))
    });
    let seen = lines(&server.url("/"), "3").await;
    assert_eq!(
        seen,
        ["call 1: 200 OK, 5 bytes", "call 2: 200 OK, 5 bytes", "call 3: 200 OK, 5 bytes"]
    );
    assert_eq!(handle.seen().len(), 4, "one of them took two attempts");

    handle.respond(|_| Ok(with_status(503)));
    let before = handle.seen().len();
    let seen = lines(&server.url("/"), "10").await;
    assert!(seen[0].starts_with("call 1: 503"), "{seen:?}");
    assert!(seen[9].starts_with("call 10: not sent, the circuit is open for"), "{seen:?}");
    let sent = handle.seen().len() - before;
    assert!(sent < 10, "{sent} attempts for 10 calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_gets_the_last_good_response() {
    let (spy, handle) = Spy::new();
    let server = serve(spy).await;
    let count = std::sync::atomic::AtomicUsize::new(0);
    handle.respond(move |_| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(with_status(if number == 0 { 200 } else { 503 }))
    });
    let seen = lines(&server.url("/"), "10").await;
    assert_eq!(seen[0], "call 1: 200 OK, 5 bytes");
    for (line, number) in seen[1..].iter().zip(2..) {
        assert!(line.starts_with(&format!("call {number}: 200 OK, 5 bytes, from ")), "{line}");
    }
    assert!(handle.seen().len() < 10, "most were not sent: the circuit saw the failures");
}
