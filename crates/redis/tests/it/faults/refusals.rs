//! The server answers, and refuses.

use std::time::Duration;

use hardpoint_redis::{ErrorKind, LinkState, Redis};
use hardpoint_testkit::redis::RedisServer;
use tokio::time::Instant;

use super::outages::REFUSED;
use crate::support::{DEADLINE, KEY, Load, PATIENCE, charge, link, up};

#[tokio::test]
async fn memory_that_is_full_refuses_writes_at_once_and_keeps_reads() {
    let server = RedisServer::start();
    let redis = link(server.url()).await;
    redis.send("SET", [KEY, "1"]).await.unwrap();
    assert_eq!(server.command(&["CONFIG", "SET", "maxmemory", "1"]), "+OK");
    for _ in 0..10 {
        let began = Instant::now();
        let error = redis.run(&charge(), [KEY], [1_i64]).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, Some("OOM")));
        assert!(began.elapsed() <= 2 * DEADLINE);
        assert_eq!(redis.send("GET", [KEY]).await.unwrap().into_int().unwrap(), 1);
    }
    assert_eq!(redis.state(), LinkState::Up, "reads are served");
    assert_eq!(server.command(&["CONFIG", "SET", "maxmemory", "0"]), "+OK");
    assert_eq!(redis.run(&charge(), [KEY], [1_i64]).await.unwrap().into_int().unwrap(), 2);
}

#[tokio::test]
async fn a_wrong_type_under_a_key_fails_that_key_only() {
    let server = RedisServer::start();
    let redis = link(server.url()).await;
    redis.send("LPUSH", [KEY, "x"]).await.unwrap();
    let error = redis.run(&charge(), [KEY], [1_i64]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(redis.run(&charge(), ["other"], [1_i64]).await.unwrap().into_int().unwrap(), 1);
    assert_eq!(redis.state(), LinkState::Up);
}

#[tokio::test]
async fn a_command_that_the_acl_forbids_is_denied_and_the_link_stays_up() {
    let server = RedisServer::start();
    let rule = ["ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-evalsha", "-info"];
    assert_eq!(server.command(&rule), "+OK");
    let url = format!("redis://app:secret@{}", server.address());
    let redis = link(url).await;
    let error = redis.run(&charge(), [KEY], [1_i64]).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, Some("NOPERM")));
    redis.send("SET", [KEY, "1"]).await.unwrap();
    assert_eq!(redis.state(), LinkState::Up);
}

#[tokio::test]
async fn a_primary_that_becomes_a_replica_is_left_until_it_is_a_primary_again() {
    let server = RedisServer::start();
    let redis = link(server.url()).await;
    let load = Load::start(&redis, 8);
    load.charges(100).await;
    let caused = Instant::now();
    assert_eq!(server.command(&["REPLICAOF", "127.0.0.1", "1"]), "+OK");
    load.failures(REFUSED).await;
    assert_eq!(redis.state(), LinkState::Down);
    assert_eq!(server.command(&["REPLICAOF", "NO", "ONE"]), "+OK");
    let promoted = Instant::now();
    up(&redis).await;
    load.charges(100).await;
    let report = load.stop().await;
    let (waited, longest) = report.assert_bounded(caused, promoted);
    let back = report.first_success_after(promoted);
    println!(
        "READONLY: {waited} failed with an answer, the longest after {longest:?}; back after {back:?}"
    );
    assert!(back <= Duration::from_secs(2), "back after {back:?}");
    let charged: u64 = server.command(&["GET", KEY]).parse().unwrap();
    let (least, most) = (report.succeeded(), report.succeeded() + report.unknown());
    assert!((least..=most).contains(&charged), "charged {charged}, not {least} to {most}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_loads_its_data_is_left_until_it_has() {
    let server = RedisServer::builder().set("enable-debug-command", "yes").start();
    let redis = link(server.url()).await;
    assert_eq!(server.command(&["DEBUG", "POPULATE", "10000"]), "+OK");
    // Each key takes 200 µs to load, and the server answers others meanwhile.
    assert_eq!(server.command(&["CONFIG", "SET", "key-load-delay", "200"]), "+OK");
    let often = ["CONFIG", "SET", "loading-process-events-interval-bytes", "1024"];
    assert_eq!(server.command(&often), "+OK");
    let load = Load::start(&redis, 8);
    load.charges(100).await;
    let caused = Instant::now();
    let reloaded = std::thread::scope(|scope| {
        let reload = scope.spawn(|| (server.command(&["DEBUG", "RELOAD"]), Instant::now()));
        tokio::task::block_in_place(|| reload.join().unwrap())
    });
    assert_eq!(reloaded.0, "+OK");
    up(&redis).await;
    load.charges(100).await;
    let report = load.stop().await;
    let (waited, longest) = report.assert_bounded(caused, reloaded.1);
    let back = report.first_success_after(reloaded.1);
    println!(
        "LOADING: {waited} waited or were answered, the longest for {longest:?}; back after {back:?}"
    );
    assert!(back <= Duration::from_secs(2), "back after {back:?}");
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let server = RedisServer::start();
    let redis = Redis::builder(server.url())
        .deadline(PATIENCE)
        .queue(std::num::NonZeroU32::MIN)
        .build()
        .unwrap();
    up(&redis).await;
    server.pause();
    let replies: Vec<_> = (0..10).map(|_| redis.send("INCR", [KEY])).collect();
    let refused = replies.iter().filter_map(hardpoint_redis::Reply::refused);
    assert!(refused.clone().count() >= 7, "one in the queue, one in flight, one in between");
    assert!(refused.into_iter().all(|error| error.kind() == ErrorKind::Overloaded));
    server.resume();
    for reply in replies {
        if reply.refused().is_none() {
            reply.await.unwrap();
        }
    }
}
