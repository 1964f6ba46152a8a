//! Following a stream.

use std::time::Duration;

use hardpoint_redis::Redis;
use hardpoint_testkit::redis::RedisServer;
use tokio::time::Instant;

use crate::support::{PATIENCE, up};

/// A link whose deadline a busy machine keeps.
async fn patient(server: &RedisServer) -> Redis {
    let redis = Redis::builder(server.url()).deadline(PATIENCE).build().unwrap();
    up(&redis).await;
    redis
}

async fn add(redis: &Redis, value: &str) -> String {
    let id = redis.send("XADD", ["s", "*", "session", value]).await.unwrap();
    String::from_utf8(id.into_bytes().unwrap().unwrap()).unwrap()
}

#[tokio::test]
async fn entries_arrive_once_and_in_order_while_commands_go_on() {
    let server = RedisServer::start();
    let redis = patient(&server).await;
    let first = add(&redis, "a").await;
    let mut tail = redis.tail("s");
    let entries = tail.next(PATIENCE).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].id.as_str(), tail.after()), (first.as_str(), first.as_str()));
    assert_eq!(entries[0].fields, [(b"session".to_vec(), b"a".to_vec())]);

    // It waits now: on a connection of its own.
    let waiting = tokio::spawn(async move { (tail.next(PATIENCE).await.unwrap(), tail) });
    let began = Instant::now();
    let second = add(&redis, "b").await;
    let (entries, mut tail) = waiting.await.unwrap();
    assert_eq!(
        entries.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(),
        [second.as_str()]
    );
    assert!(began.elapsed() < PATIENCE);
    assert_eq!(tail.next(Duration::from_millis(1)).await.unwrap(), [], "no entry comes twice");
    let mut other = redis.tail("s").starting_after(first);
    assert_eq!(other.next(PATIENCE).await.unwrap(), entries, "without the first");
}

#[tokio::test]
async fn a_tail_goes_on_after_the_server_was_away_and_loses_no_entry_when_dropped() {
    let server = RedisServer::start();
    let redis = patient(&server).await;
    let mut tail = redis.tail("s");
    server.pause();
    tail.next(Duration::from_millis(10)).await.unwrap_err();
    server.resume();
    redis.up().await;
    add(&redis, "a").await;
    // A call that is given up after its first poll has read nothing.
    tokio::select! {
        biased;
        entries = tail.next(PATIENCE) => panic!("no connection is that fast: {entries:?}"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(tail.next(PATIENCE).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_idle_server_answers_in_time_with_the_default_deadline() {
    let server = RedisServer::start();
    let redis = Redis::builder(server.url()).build().unwrap();
    up(&redis).await;
    let mut tail = redis.tail("s");
    // The server notices that a client has waited long enough at its next tick only.
    for patience in [30, 70, 110, 150] {
        assert_eq!(tail.next(Duration::from_millis(patience)).await.unwrap(), [], "{patience} ms");
    }
}
