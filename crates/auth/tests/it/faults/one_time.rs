//! One-time tokens on real servers, shared by two instances.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use hardpoint_auth::one_time::{
    NewOneTimeToken, OneTimeError, Purpose, TokenStore, redis::RedisTokens,
};
use hardpoint_core::{Rejection, Secret};
use hardpoint_redis::{DigestKey, Redis};
use hardpoint_testkit::redis::{RedisServer, Software};

use crate::one_time::{RESET, conformance, consume, consumed_at_once, issue, tokens};

fn store(server: &RedisServer, prefix: &str) -> TokenStore {
    let redis = Redis::builder(server.url()).prefix(prefix).deadline(Duration::from_secs(5));
    let digests = DigestKey::derive(&Secret::from(vec![7; 32])).unwrap();
    RedisTokens::new(&redis.build().unwrap(), &digests).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_server_is_the_model() {
    for software in [Software::Redis, Software::Valkey] {
        let server = RedisServer::builder().software(software).start();
        let number = AtomicU32::new(0);
        let histories = if option_env!("HARDPOINT_SOAK").is_some() { 2_000 } else { 80 };
        conformance::check(histories, async || {
            let prefix = format!("h{}", number.fetch_add(1, Ordering::SeqCst));
            (store(&server, &prefix), None)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_concurrent_consumptions_on_two_instances_exactly_one_succeeds() {
    for software in [Software::Redis, Software::Valkey] {
        let server = RedisServer::builder().software(software).start();
        let instances = [0, 1].map(|_| tokens(store(&server, "two")).build());
        for _ in 0..20 {
            let token = issue(&instances[0], b"state").await;
            assert_eq!(consumed_at_once(&instances, &token).await, 1);
        }
        println!(
            "{software:?}: 20 rounds of 64 consumptions on two instances: one succeeded in each"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_sees_no_token_and_no_recipient_and_every_key_expires() {
    let server = RedisServer::start();
    let tokens = tokens(store(&server, "keys")).build();
    let token = issue(&tokens, b"state").await;
    let code = tokens.issue_code(NewOneTimeToken::new(Purpose::Code, "alice")).await.unwrap();
    tokens.admit(RESET, "alice@example.org", Some([203, 0, 113, 9].into())).await.unwrap();
    let count = |pattern: &str| server.command(&["KEYS", pattern]);
    assert_eq!(count("keys:v1:one_time:{o}:*"), "*4");
    assert_eq!((count("*alice*"), count("*203.0.113*")), ("*0".into(), "*0".into()));
    let search = "local n = 0 for _, key in ipairs(redis.call('KEYS', '*')) do \
         if redis.call('PTTL', key) < 0 then n = n + 1 end \
         if redis.call('TYPE', key).ok == 'hash' then \
         for _, value in ipairs(redis.call('HVALS', key)) do \
         if string.find(value, ARGV[1], 1, true) or string.find(value, ARGV[2], 1, true) then \
         n = n + 1 end end end end return n";
    let found = server.command(&["EVAL", search, "0", &token[4..], code.expose()]);
    assert_eq!(found, ":0");
    consume(&tokens, &token, b"state").await.unwrap();
    tokens.consume_code("alice", code.expose(), b"").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_expires_on_the_server() {
    let server = RedisServer::start();
    let short = Duration::from_millis(50);
    let tokens = tokens(store(&server, "ttl")).lifetime(RESET, short).build();
    let token = issue(&tokens, b"state").await;
    tokio::time::sleep(short * 2).await;
    assert!(matches!(consume(&tokens, &token, b"state").await, Err(OneTimeError::Invalid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_gone_no_token_is_made_or_consumed() {
    let mut server = RedisServer::start();
    let tokens = tokens(store(&server, "gone")).build();
    let token = issue(&tokens, b"state").await;
    server.kill();
    let made = tokens.issue(NewOneTimeToken::new(RESET, "alice")).await.unwrap_err();
    let consumed = consume(&tokens, &token, b"state").await.unwrap_err();
    let admitted = tokens.admit(RESET, "alice@example.org", None).await.unwrap_err();
    for error in [made, consumed, admitted] {
        assert!(matches!(error, OneTimeError::Store(_)), "{error:?}");
        assert_eq!(error.problem().status().as_u16(), 503);
    }
}
