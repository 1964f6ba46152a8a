//! Dropped futures and bodies.

use hardpoint_health::{DrainLayer, Lifecycle};
use hardpoint_testkit::{TestBody, spy::Spy};
use http::Request;
use tower::{Layer, Service, ServiceExt};

use crate::support::{Seen, started};

#[tokio::test]
async fn a_dropped_request_leaves_the_count() {
    let lifecycle = started([], &Seen::default());
    let (spy, handle) = Spy::new();
    handle.hold();
    let mut service = DrainLayer::new(&lifecycle).layer(spy);
    let ready = ServiceExt::<Request<TestBody>>::ready(&mut service).await;
    let answer = ready.unwrap().call(Request::new(TestBody::default()));
    assert_eq!(lifecycle.in_flight(), 1);
    drop(answer);
    assert_eq!(lifecycle.in_flight(), 0);
    assert_eq!(handle.counts().cancelled, 1);
}

#[tokio::test]
async fn a_dropped_body_leaves_the_count() {
    let lifecycle = started([], &Seen::default());
    let (spy, _handle) = Spy::new();
    let service = DrainLayer::new(&lifecycle).layer(spy);
    let response = service.oneshot(Request::new(TestBody::default())).await;
    assert_eq!(lifecycle.in_flight(), 1);
    drop(response);
    assert_eq!(lifecycle.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn waiters_may_be_dropped_and_made_again() {
    let lifecycle = Lifecycle::builder().build().unwrap();
    for _ in 0..3 {
        let waiting = std::time::Duration::from_secs(1);
        let waiter = tokio::time::timeout(waiting, lifecycle.stop_accepting());
        assert!(waiter.await.is_err());
    }
    lifecycle.begin_drain();
    lifecycle.stop_accepting().await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_run_leaves_the_state_and_the_next_one_goes_on() {
    let lifecycle = started([], &Seen::default());
    let stuck = || std::future::pending::<Result<(), std::io::Error>>();
    let waiting = std::time::Duration::from_secs(1);
    let run = tokio::time::timeout(waiting, lifecycle.run(stuck()));
    assert!(run.await.is_err());
    assert!(!lifecycle.is_draining());
    lifecycle.begin_drain();
    let start = tokio::time::Instant::now();
    let code = lifecycle.run(stuck()).await;
    assert_eq!(code, std::process::ExitCode::from(75));
    assert!(start.elapsed() >= std::time::Duration::from_secs(25));
}
