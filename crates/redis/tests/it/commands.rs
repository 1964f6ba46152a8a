//! What commands and scripts answer.

use hardpoint_redis::{Arg, ErrorKind, LinkState, Redis, Script, Value};
use hardpoint_testkit::redis::RedisServer;

use crate::support::{PATIENCE, up};

#[tokio::test]
async fn the_first_command_waits_for_the_connection() {
    let server = RedisServer::start();
    let redis = Redis::builder(server.url()).deadline(PATIENCE).build().unwrap();
    assert_eq!(redis.state(), LinkState::Connecting);
    assert_eq!(redis.send("SET", ["k", "v"]).await.unwrap(), Value::Bytes(b"OK".into()));
    assert_eq!(redis.state(), LinkState::Up);
    assert_eq!(redis.send("GET", ["k"]).await.unwrap().into_bytes().unwrap().unwrap(), b"v");
}

#[tokio::test]
async fn a_script_that_the_server_does_not_have_is_loaded() {
    let server = RedisServer::start();
    let redis = Redis::builder(server.url()).deadline(PATIENCE).build().unwrap();
    let add = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    for expected in [2, 4] {
        assert_eq!(redis.run(&add, ["k"], [2_i64]).await.unwrap().into_int().unwrap(), expected);
    }
    assert_eq!(server.command(&["SCRIPT", "FLUSH"]), "+OK");
    assert_eq!(redis.run(&add, ["k"], [Arg::Int(2)]).await.unwrap(), Value::Int(6));
}

#[tokio::test]
async fn a_command_is_sent_although_its_reply_is_dropped_unpolled() {
    let server = RedisServer::start();
    let redis = Redis::builder(server.url()).deadline(PATIENCE).build().unwrap();
    for _ in 0..10 {
        drop(redis.send("INCR", ["k"]));
    }
    assert_eq!(redis.send("GET", ["k"]).await.unwrap().into_int().unwrap(), 10);
}

#[test]
fn a_link_that_is_built_before_any_runtime_works_in_every_one() {
    let server = RedisServer::start();
    let redis = Redis::builder(server.url()).deadline(PATIENCE).build().unwrap();
    for expected in [1, 2] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(redis.send("INCR", ["k"])).unwrap();
        assert_eq!(answer, Value::Int(expected));
    }
}

#[tokio::test]
async fn an_error_of_the_server_has_a_kind_and_a_code() {
    let server = RedisServer::start();
    let redis = Redis::builder(server.url()).build().unwrap();
    up(&redis).await;
    redis.send("SET", ["k", "v"]).await.unwrap();
    let error = redis.send("LPUSH", ["k", "v"]).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Rejected, Some("WRONGTYPE")));
    assert_eq!(redis.state(), LinkState::Up);
}
