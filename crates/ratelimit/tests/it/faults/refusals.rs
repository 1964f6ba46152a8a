//! The server answers, and refuses or surprises.

use std::time::Duration;

use hardpoint_ratelimit::{Decider, OnFailure, Quota, RateLimiter, redis::RedisStore};
use hardpoint_redis::{LinkState, Redis};
use hardpoint_testkit::redis::RedisServer;
use tokio::time::{Instant, timeout};

use super::{DEADLINE, Load, PATIENCE, charged, digests, link, outage, strict, up};
use crate::{ACME, handle, left, per_tenant};

/// The name of the bucket of `acme` under a policy.
pub(crate) fn bucket(policy: &str) -> String {
    // The lowest six bits are for quotas of a key's own.
    let digest = digests().digest(&ACME) & !0x3f;
    format!("hardpoint:v1:limit:{{{digest:032x}}}:{policy}")
}

#[tokio::test]
async fn memory_that_is_full() {
    let server = RedisServer::start();
    let redis = link(server.url()).await;
    let limiter = strict(&redis);
    let check = handle(&limiter, "t");
    check.check(&ACME).await.unwrap();
    assert_eq!(server.command(&["CONFIG", "SET", "maxmemory", "1"]), "+OK");
    for _ in 0..10 {
        let began = Instant::now();
        assert!(check.check(&ACME).await.unwrap_err().is_undecided());
        assert!(began.elapsed() <= 2 * DEADLINE);
    }
    assert_eq!(redis.state(), LinkState::Up);
    assert_eq!(server.command(&["CONFIG", "SET", "maxmemory", "0"]), "+OK");
    check.check(&ACME).await.unwrap();
    assert_eq!(charged(&redis).await, 2, "what failed was not charged");
}

#[tokio::test]
async fn a_value_of_another_type_or_size_counts_as_lost_and_is_replaced() {
    let server = RedisServer::start();
    let redis = link(server.url()).await;
    let limiter = strict(&redis);
    let check = handle(&limiter, "t");
    for spoil in [["RPUSH", "x"], ["SET", "garbage"]] {
        check.check(&ACME).await.unwrap();
        assert_eq!(server.command(&["EXISTS", &bucket("t")]), ":1", "the name is as documented");
        assert_eq!(server.command(&["DEL", &bucket("t")]), ":1");
        let spoilt = server.command(&[spoil[0], &bucket("t"), spoil[1]]);
        assert!(spoilt == ":1" || spoilt == "+OK", "{spoilt}");
        for _ in 0..3 {
            check.check(&ACME).await.unwrap();
        }
        assert_eq!(charged(&redis).await, 3);
    }
}

#[tokio::test]
async fn a_command_that_the_acl_forbids() {
    let server = RedisServer::start();
    for forbidden in ["-evalsha", "-set", "-mget"] {
        let rule = ["ACL", "SETUSER", "app", "reset", "on", ">secret", "~*", "+@all", forbidden];
        assert_eq!(server.command(&rule), "+OK");
        let redis = link(format!("redis://app:secret@{}", server.address())).await;
        let limiter = strict(&redis);
        assert!(handle(&limiter, "t").check(&ACME).await.unwrap_err().is_undecided());
        assert_eq!(redis.state(), LinkState::Up, "{forbidden}");
    }
    // The commands that the documentation lists are enough.
    let needed = "+evalsha +script|load +time +mget +set +del +ping +info +hello";
    let rule = ["ACL", "SETUSER", "app", "reset", "on", ">secret", "~hardpoint:*"];
    let rule: Vec<_> = rule.into_iter().chain(needed.split(' ')).collect();
    assert_eq!(server.command(&rule), "+OK");
    let redis = link(format!("redis://app:secret@{}", server.address())).await;
    let limiter = strict(&redis);
    handle(&limiter, "t").check(&ACME).await.unwrap();
    handle(&limiter, "t").reset(&ACME).await.unwrap();
    assert_eq!(charged(&redis).await, 0);
}

#[tokio::test]
async fn a_wrong_password_is_decided_without_the_server() {
    let server = RedisServer::builder().password("right").start();
    let url = format!("redis://:wrong@{}", server.address());
    let redis = Redis::builder(url).deadline(DEADLINE).build().unwrap();
    let policy = per_tenant("t", Quota::per_hour(3)).on_failure(OnFailure::Local { share: 1.0 });
    let store = RedisStore::new(&redis, &digests());
    let limiter = RateLimiter::builder().policy(policy).store(store).build().unwrap();
    let check = handle(&limiter, "t");
    for left in [2, 1, 0] {
        let admitted =
            timeout(PATIENCE, check.check(&ACME)).await.expect("no check hangs").unwrap();
        assert_eq!((admitted.remaining(), admitted.decider()), (left, Decider::Fallback));
    }
    let denied = check.check(&ACME).await.unwrap_err();
    assert_eq!((denied.is_undecided(), denied.decider()), (false, Decider::Fallback));
}

#[tokio::test]
async fn a_server_that_becomes_a_replica() {
    let server = RedisServer::start();
    let redis = link(server.url()).await;
    let (demote, promote) = (["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]);
    let cause = || assert_eq!(server.command(&demote), "+OK");
    let end = || assert_eq!(server.command(&promote), "+OK");
    let report = outage("READONLY", &redis, cause, end).await;
    report.assert_charged(&redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_loads_its_data() {
    let server = RedisServer::builder().set("enable-debug-command", "yes").start();
    let redis = link(server.url()).await;
    assert_eq!(server.command(&["DEBUG", "POPULATE", "5000"]), "+OK");
    // Each key takes 200 µs to load, and the server answers others meanwhile.
    assert_eq!(server.command(&["CONFIG", "SET", "key-load-delay", "200"]), "+OK");
    let often = ["CONFIG", "SET", "loading-process-events-interval-bytes", "1024"];
    assert_eq!(server.command(&often), "+OK");
    let load = Load::start(&redis);
    load.admissions(100).await;
    let ended = tokio::task::block_in_place(|| {
        assert_eq!(server.command(&["DEBUG", "RELOAD"]), "+OK");
        Instant::now()
    });
    load.admissions(100).await;
    up(&redis).await;
    assert!(ended.elapsed() <= Duration::from_secs(2), "{:?}", ended.elapsed());
    let report = load.stop().await;
    report.assert_bounded("LOADING");
    report.assert_charged(&redis).await;
}

#[tokio::test]
async fn a_clock_that_was_ahead_locks_nobody_out() {
    let server = RedisServer::start();
    let redis = link(server.url()).await;
    let now: u64 = server.info("server_time_usec").unwrap().trim().parse().unwrap();
    let ahead = hardpoint_core::ManualClock::default();
    ahead.advance(Duration::from_micros(now) + Duration::from_secs(3_600));
    let quota = Quota::per_minute(4);
    let build = |builder: hardpoint_ratelimit::redis::RedisStoreBuilder| {
        let policies = [per_tenant("t", quota), per_tenant("held", quota).reservable()];
        let builder = RateLimiter::builder().store(builder.build());
        policies
            .into_iter()
            .fold(builder, |builder, policy| builder.policy(policy))
            .build()
            .unwrap()
    };
    let store = || RedisStore::builder(&redis, &digests());
    let (then, now) = (build(store().dangerous_time(&ahead)), build(store()));
    handle(&then, "t").check_cost(&ACME, 1).await.unwrap();
    handle(&then, "held").reserve(&ACME, 1).await.unwrap().settle(1);
    let open = handle(&then, "held").reserve(&ACME, 2).await.unwrap();
    for policy in ["t", "held"] {
        let denied = handle(&now, policy).check(&ACME).await.unwrap_err();
        assert!(denied.retry_after().unwrap() <= Duration::from_secs(60), "{policy}: {denied:?}");
    }
    drop(open);
    handle(&now, "t").reset(&ACME).await.unwrap();
    handle(&now, "held").reset(&ACME).await.unwrap();
    assert_eq!((left(&now, "t").await, left(&now, "held").await), (4, 4));
}
