//! What is wrong from the start.

use std::time::Duration;

use hardpoint_redis::{ErrorKind, LinkState, Redis};
use hardpoint_testkit::redis::RedisServer;
use tokio::time::Instant;

use crate::support::{DEADLINE, PATIENCE, up};

#[tokio::test]
async fn a_server_that_is_absent_at_the_start_is_found_when_it_comes() {
    let mut server = RedisServer::start();
    server.kill();
    let built = Instant::now();
    let redis = Redis::builder(server.url()).deadline(DEADLINE).build().unwrap();
    assert!(built.elapsed() < DEADLINE, "build does not wait");
    let error = redis.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    server.restart();
    let started = Instant::now();
    up(&redis).await;
    assert!(started.elapsed() <= Duration::from_secs(2), "up after {:?}", started.elapsed());
    redis.check().await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_fails_commands_and_its_text_stays_out_of_errors() {
    let server = RedisServer::builder().password("correct-horse").start();
    let url = format!("redis://:hunter2@{}", server.address());
    let redis = Redis::builder(url).deadline(PATIENCE).build().unwrap();
    let error = redis.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
    assert_eq!(redis.state(), LinkState::Down);
    let shown = format!("{error:?} {error} {redis:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    // The right one is accepted by the same server.
    up(&Redis::builder(server.url()).build().unwrap()).await;
}

#[tokio::test]
async fn a_replica_is_refused_at_the_start() {
    let server = RedisServer::builder().set("replicaof", "127.0.0.1 1").start();
    let redis = Redis::builder(server.url()).deadline(PATIENCE).build().unwrap();
    assert_eq!(redis.check().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(redis.state(), LinkState::Down);
}
