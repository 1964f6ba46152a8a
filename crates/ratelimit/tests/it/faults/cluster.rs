//! A node of a cluster, which refuses calls with keys of several slots.

use futures_util::future::join_all;
use hardpoint_core::Key;
use hardpoint_ratelimit::{ConfigError, Decider, OnFailure, Quota, RateLimiter, redis::RedisStore};
use hardpoint_redis::Redis;
use hardpoint_testkit::redis::{RedisServer, Software};
use tokio::time::{sleep, timeout};

use super::{DEADLINE, PATIENCE, digests, link, up};
use crate::{handle, per_tenant};

/// A cluster of one node, which has all slots.
async fn cluster(software: Software) -> RedisServer {
    let server = RedisServer::builder().software(software).set("cluster-enabled", "yes").start();
    assert_eq!(server.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), "+OK");
    let serves = async {
        while server.command(&["SET", "k", "v"]) != "+OK" {
            sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, serves).await.expect("the cluster serves");
    server
}

fn build(store: RedisStore) -> Result<RateLimiter, ConfigError> {
    let policy = |name| per_tenant(name, Quota::per_minute(1).burst(3)).on_failure(OnFailure::Deny);
    RateLimiter::builder().policy(policy("tenant")).policy(policy("other")).store(store).build()
}

#[tokio::test]
async fn a_limiter_is_built_on_a_cluster_only_with_a_common_tag() {
    for software in [Software::Redis, Software::Valkey] {
        let server = cluster(software).await;
        let redis = link(server.url()).await;
        assert_eq!(redis.is_cluster(), Some(true));
        for tag in ["", "{}"] {
            let store = RedisStore::builder(&redis, &digests()).common_tag(tag).build();
            let refused = build(store).unwrap_err().to_string();
            assert!(refused.contains("`tenant`") && refused.contains("common_tag"), "{refused}");
        }
        let store = RedisStore::builder(&redis, &digests()).common_tag("limits").build();
        let limiter = build(store).unwrap();
        let (tenant, other) = (handle(&limiter, "tenant"), handle(&limiter, "other"));
        // Calls carry many keys of both policies.
        let names: Vec<String> = (0..50).map(|name| name.to_string()).collect();
        for round in 0..4 {
            let checks = names.iter().flat_map(|name| {
                let key = Key::borrowed(name.as_bytes());
                [&tenant, &other].map(|policy| {
                    let key = key.clone();
                    async move { policy.check(&key).await }
                })
            });
            for answer in join_all(checks).await {
                match answer {
                    Ok(admitted) => {
                        assert_eq!((round < 3, admitted.decider()), (true, Decider::Store));
                    }
                    Err(denied) => assert!(round == 3 && !denied.is_undecided(), "{denied:?}"),
                }
            }
        }
        let one_slot = server.command(&["CLUSTER", "KEYSLOT", "{limits}"]);
        let slot = one_slot.trim_start_matches(':');
        assert_eq!(server.command(&["CLUSTER", "COUNTKEYSINSLOT", slot]), ":100");
    }
}

/// The link came up after the limiter was built.
#[tokio::test]
async fn a_cluster_that_shows_itself_late_decides_nothing() {
    let server = cluster(Software::Redis).await;
    let redis = Redis::builder(server.url()).deadline(DEADLINE).build().unwrap();
    assert_eq!(redis.is_cluster(), None);
    let limiter = build(RedisStore::new(&redis, &digests())).unwrap();
    up(&redis).await;
    let tenant = handle(&limiter, "tenant");
    for name in ["a", "b"] {
        let denied = tenant.check(&Key::borrowed(name.as_bytes())).await.unwrap_err();
        assert!(denied.is_undecided(), "{denied:?}");
    }
    assert_eq!(server.command(&["DBSIZE"]), ":1", "only the key of the test");
}

#[tokio::test]
async fn a_server_outside_a_cluster_needs_no_tag() {
    let server = RedisServer::start();
    let redis = link(server.url()).await;
    assert_eq!(redis.is_cluster(), Some(false));
    assert!(build(RedisStore::new(&redis, &digests())).is_ok());
}
