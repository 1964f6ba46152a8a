//! API keys on real servers, shared by two instances.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use hardpoint_auth::{
    ApiKeyStore,
    api_key::{ApiKeyError, ApiKeyOwner, NewApiKey, redis::RedisApiKeys},
};
use hardpoint_core::Secret;
use hardpoint_redis::{DigestKey, Redis};
use hardpoint_testkit::redis::{RedisServer, Software};
use http::StatusCode;

use crate::api_keys::{ALICE, conformance, issue, keys, names, status};

fn redis(server: &RedisServer, prefix: &str) -> Redis {
    let redis = Redis::builder(server.url()).prefix(prefix).deadline(Duration::from_secs(5));
    redis.build().unwrap()
}

fn digests(byte: u8) -> DigestKey {
    DigestKey::derive(&Secret::from(vec![byte; 32])).unwrap()
}

fn store(server: &RedisServer, prefix: &str) -> ApiKeyStore {
    RedisApiKeys::new(&redis(server, prefix), &digests(7)).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_server_is_the_model() {
    for software in [Software::Redis, Software::Valkey] {
        let server = RedisServer::builder().software(software).start();
        let number = AtomicU32::new(0);
        let histories = if option_env!("HARDPOINT_SOAK").is_some() { 2_000 } else { 200 };
        conformance::check(histories, async || {
            let prefix = format!("h{}", number.fetch_add(1, Ordering::SeqCst));
            (store(&server, &prefix), None)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_one_instance_is_known_to_the_other_and_survives_an_outage() {
    for software in [Software::Redis, Software::Valkey] {
        let mut server = RedisServer::builder().software(software).start();
        let [one, other] = [0, 1].map(|_| keys(store(&server, "two")).build().unwrap());
        let issued = issue(&one).await;
        assert_eq!(status(&other, issued.text.expose()).await, StatusCode::OK);
        server.kill();
        assert_eq!(status(&other, issued.text.expose()).await, StatusCode::OK, "by its copy");
        assert_eq!(status(&one, issued.text.expose()).await, StatusCode::SERVICE_UNAVAILABLE);
        let error = one.issue(NewApiKey::new(ALICE)).await.unwrap_err();
        assert!(matches!(error, ApiKeyError::Store(_)), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_concurrent_issues_on_two_instances_exactly_20_succeed() {
    let server = RedisServer::start();
    let instances = [0, 1].map(|_| keys(store(&server, "many")).build().unwrap());
    let issues = (0..64).map(|number| {
        let keys = instances[number % 2].clone();
        tokio::spawn(async move { keys.issue(NewApiKey::new(ALICE)).await.is_ok() })
    });
    let mut made = 0;
    for issue in issues.collect::<Vec<_>>() {
        made += u32::from(issue.await.unwrap());
    }
    assert_eq!(made, 20);
    assert_eq!(instances[0].list(ALICE).await.unwrap().len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_expires_on_the_server_and_makes_room() {
    let server = RedisServer::start();
    let one = std::num::NonZeroU32::MIN;
    let keys = keys(store(&server, "ttl")).max_per_owner(one).build().unwrap();
    let short = Duration::from_millis(50);
    let issued = keys.issue(NewApiKey::new(ALICE).lifetime(short)).await.unwrap();
    tokio::time::sleep(short * 2).await;
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::UNAUTHORIZED);
    assert!(keys.list(ALICE).await.unwrap().is_empty());
    let former = issue(&keys).await;
    assert_eq!(server.command(&["KEYS", "ttl:v1:api_key:{k}:*"]), "*2", "a hash and a set");
    let lives = "for _, key in ipairs(redis.call('KEYS', '*')) do \
         if redis.call('PTTL', key) < 89 * 86400000 then return 0 end end return 1";
    assert_eq!(server.command(&["EVAL", lives, "0"]), ":1", "the set lives as long as the key");
    keys.rotate(ALICE, former.id, short).await.unwrap().unwrap();
    tokio::time::sleep(short * 2).await;
    assert_eq!(keys.list(ALICE).await.unwrap().len(), 1, "the former one is gone");
    assert_eq!(status(&keys, former.text.expose()).await, StatusCode::UNAUTHORIZED);
    // A set that would expire with its first key, unless the second one had no end.
    let bob = NewApiKey::new(ApiKeyOwner::new("bob"));
    let two = std::num::NonZeroU32::new(2).unwrap();
    let keys = self::keys(store(&server, "ttl")).max_per_owner(two).build().unwrap();
    keys.issue(bob.clone()).await.unwrap();
    keys.issue(bob.dangerous_never_expires()).await.unwrap();
    let last = "local n = 0 for _, key in ipairs(redis.call('KEYS', '*')) do \
         if redis.call('PTTL', key) == -1 then n = n + 1 end end return n";
    assert_eq!(server.command(&["EVAL", last, "0"]), ":2", "a hash and a set without an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_sees_no_key_and_no_name_of_a_key_has_its_owner() {
    let server = RedisServer::start();
    let keys = keys(store(&server, "keys")).build().unwrap();
    let issued = issue(&keys).await;
    assert_eq!(server.command(&["KEYS", "*alice*"]), "*0");
    let search = "for _, key in ipairs(redis.call('KEYS', '*')) do \
         if redis.call('TYPE', key).ok == 'hash' then \
         for _, value in ipairs(redis.call('HVALS', key)) do \
         if string.find(value, ARGV[1], 1, true) then return 1 end end end end return 0";
    assert_eq!(server.command(&["EVAL", search, "0", &issued.text.expose()[26..]]), ":0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_root_secret_revokes_no_key_and_lists_move_to_it() {
    let server = RedisServer::start();
    let redis = redis(&server, "root");
    let with = |digests: &DigestKey| RedisApiKeys::new(&redis, digests);
    let former = keys(with(&digests(7))).build().unwrap();
    let bob = ApiKeyOwner::new("bob");
    let issued = issue(&former).await;
    former.issue(NewApiKey::new(bob).name("of bob")).await.unwrap();

    let both = keys(with(&digests(8)).previous(digests(7))).build().unwrap();
    assert_eq!(names(&both.list(ALICE).await.unwrap()), ["ci"]);
    assert_eq!(status(&both, issued.text.expose()).await, StatusCode::OK);
    both.issue(NewApiKey::new(ALICE).name("second")).await.unwrap();

    let later = keys(with(&digests(8))).build().unwrap();
    assert_eq!(former.list(ALICE).await.unwrap().len(), 0, "the list moved");
    let lives = "for _, key in ipairs(redis.call('KEYS', '*')) do \
         if redis.call('PTTL', key) < 89 * 86400000 then return 0 end end return 1";
    assert_eq!(server.command(&["EVAL", lives, "0"]), ":1", "with its expiry");
    assert_eq!(later.list(ALICE).await.unwrap().len(), 2);
    assert!(later.list(bob).await.unwrap().is_empty(), "this one was not asked for in between");
    assert_eq!(status(&later, issued.text.expose()).await, StatusCode::OK);
    assert!(later.revoke(ALICE, issued.id).await.unwrap());
    assert_eq!(names(&later.list(ALICE).await.unwrap()), ["second"]);
}
