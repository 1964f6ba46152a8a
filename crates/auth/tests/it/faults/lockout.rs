//! Attempts on real servers, shared by two instances.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use hardpoint_auth::lockout::{
    AttemptStore, LaneLimits, Limits, LockoutError, LoginGuard, OnFailure, Rate,
    redis::RedisAttempts,
};
use hardpoint_core::{ManualClock, Rejection, Secret};
use hardpoint_redis::{DigestKey, Redis};
use hardpoint_testkit::redis::{RedisServer, Software};

use crate::lockout::{OWNER, conformance, device, guard, limit_of, nonzero, roomy, stranger};

const SERVERS: [Software; 2] = [Software::Redis, Software::Valkey];

fn store(server: &RedisServer, prefix: &str) -> AttemptStore {
    let redis = Redis::builder(server.url()).prefix(prefix).deadline(Duration::from_secs(5));
    let digests = DigestKey::derive(&Secret::from(vec![7; 32])).unwrap();
    RedisAttempts::new(&redis.build().unwrap(), &digests).into()
}

/// An instance of a service on this server.
fn instance(server: &RedisServer) -> LoginGuard {
    guard(store(server, "two")).limits(limit_of(5)).build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_server_is_the_model() {
    for software in SERVERS {
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

/// 1,000 guesses at once at a limit of 5, on two instances, while the owner logs in on both.
#[tokio::test(flavor = "multi_thread")]
async fn of_1000_parallel_guesses_on_two_instances_at_most_5_are_verified() {
    for software in SERVERS {
        let server = RedisServer::builder().software(software).start();
        let instances = [instance(&server), instance(&server)];
        let first = instances[0].reserve(OWNER, &stranger(1)).await.unwrap();
        let cookie = first.succeeded().unwrap();
        // The settlement is under way on the same connection, and this answer comes after it.
        instances[0].unlock("nobody").await.unwrap();
        let verified = Arc::new(AtomicU32::new(0));
        let guess = |number: usize| {
            let guard = instances[number % 2].clone();
            let verified = Arc::clone(&verified);
            tokio::spawn(async move {
                let from = stranger(u8::try_from(number % 250).unwrap());
                match guard.reserve(OWNER, &from).await {
                    Ok(attempt) => {
                        verified.fetch_add(1, Ordering::SeqCst);
                        // The hash. The delay after five is a second, so that no sixth may come.
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        attempt.failed();
                    }
                    Err(LockoutError::TooManyAttempts { .. } | LockoutError::Busy) => {}
                    Err(other) => panic!("{other:?}"),
                }
            })
        };
        let start = hardpoint_core::Time::system().now();
        let guesses: Vec<_> = (0..1_000).map(guess).collect();
        let mut log_ins = 0;
        for (number, guess) in guesses.into_iter().enumerate() {
            if number % 20 == 0 {
                let guard = &instances[(number / 20) % 2];
                let attempt = guard.reserve(OWNER, &device(&cookie)).await.unwrap();
                assert!(attempt.is_known_device() && attempt.succeeded().is_some());
                log_ins += 1;
            }
            guess.await.unwrap();
        }
        let took = hardpoint_core::Time::system().now().saturating_since(start);
        let verified = verified.load(Ordering::SeqCst);
        println!(
            "{software:?}, two instances, 1,000 parallel guesses at limit 5: {verified} verified in \
             {took:?}; the owner logged in {log_ins} times"
        );
        // A machine that takes longer than the first delays lets the next guess in, as it should.
        let late = [1, 3, 7].iter().filter(|after| took.as_secs() >= **after).count();
        assert!(verified >= 5 && verified <= 5 + u32::try_from(late).unwrap(), "{verified}");
    }
}

/// The parts of the scripts that depend on the time.
#[tokio::test(flavor = "multi_thread")]
async fn time_alone_turns_open_attempts_into_failures_and_forgets_failures() {
    let server = RedisServer::start();
    let millis = Duration::from_millis;
    let lane = LaneLimits::account().free_attempts(nonzero(1)).hard_stop(nonzero(4));
    let lane = lane.delays(millis(40), millis(40));
    let lane = lane.settle_within(millis(200)).forget_after(millis(400));
    let guard = guard(store(&server, "time")).limits(roomy().account(lane));
    let guard = guard.patience(Duration::ZERO).build().unwrap();
    let open = guard.reserve(OWNER, &stranger(1)).await.unwrap();
    assert!(guard.reserve(OWNER, &stranger(1)).await.is_err());
    tokio::time::sleep(millis(60)).await;
    guard.reserve(OWNER, &stranger(1)).await.unwrap().failed();
    // The open one is never settled in time: both are failures, and then forgotten.
    tokio::time::sleep(millis(250)).await;
    guard.reserve(OWNER, &stranger(1)).await.unwrap().failed();
    open.failed();
    tokio::time::sleep(millis(500)).await;
    guard.reserve(OWNER, &stranger(1)).await.unwrap().failed();
    // Three more, and the account is locked for good.
    for _ in 0..3 {
        tokio::time::sleep(millis(60)).await;
        guard.reserve(OWNER, &stranger(1)).await.unwrap().failed();
    }
    tokio::time::sleep(millis(600)).await;
    assert!(guard.reserve(OWNER, &stranger(1)).await.is_err(), "the hard stop stays");
    assert!(guard.unlock(OWNER).await.unwrap());
    guard.reserve(OWNER, &stranger(1)).await.unwrap().failed();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_clock_is_set_back_extends_no_wait() {
    let server = RedisServer::start();
    let millis = Duration::from_millis;
    let lane = LaneLimits::account().free_attempts(nonzero(1)).delays(millis(40), millis(40));
    let rate = Some(Rate::new(nonzero(1), millis(40)));
    let limits = Limits::new().account(lane).network(rate).global(rate);
    let guard = guard(store(&server, "back")).limits(limits).build().unwrap();
    guard.reserve(OWNER, &stranger(1)).await.unwrap().failed();
    guard.unlock("nobody").await.unwrap();
    // As if the clock had been two centuries ahead until now.
    let ahead = "for _, key in ipairs(redis.call('KEYS', '*')) do local value = '9000000000000' \
         if string.find(key, ':u:') then value = '1:0:' .. value .. ':' .. value end \
         redis.call('SET', key, value, 'PX', 1000000) end return 1";
    assert_eq!(server.command(&["EVAL", ahead, "0"]), ":1");
    for _ in 0..20 {
        if let Ok(attempt) = guard.reserve(OWNER, &stranger(1)).await {
            return attempt.failed();
        }
        tokio::time::sleep(millis(60)).await;
    }
    panic!("refused for more than a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_sees_neither_accounts_nor_addresses_and_every_key_expires() {
    let server = RedisServer::start();
    let guard = guard(store(&server, "keys")).build().unwrap();
    for _ in 0..2 {
        guard.reserve(OWNER, &stranger(77)).await.unwrap().failed();
    }
    let cookie = guard.reserve(OWNER, &stranger(77)).await.unwrap().succeeded().unwrap();
    guard.reserve(OWNER, &device(&cookie)).await.unwrap().failed();
    // The settlements are under way on the same connection, and an answer comes after them.
    guard.unlock("nobody").await.unwrap();
    guard.reserve(OWNER, &stranger(77)).await.unwrap().failed();
    let count = |pattern: &str| server.command(&["KEYS", pattern]);
    assert_eq!(count("*"), "*5", "account, device, devices, network, all");
    assert_eq!(count("keys:v1:attempt:{a}:u:????????????????????????????????"), "*1");
    assert_eq!((count("*alice*"), count("*203.0.113*")), ("*0".into(), "*0".into()));
    let without_expiry = "local n = 0 for _, key in ipairs(redis.call('KEYS', '*')) do \
         if redis.call('PTTL', key) < 0 then n = n + 1 end end return n";
    assert_eq!(server.command(&["EVAL", without_expiry, "0"]), ":0");
}

/// A server that is gone: a quarter of the limits for a while, and then 503.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_gone_the_instance_counts_and_then_denies() {
    let mut server = RedisServer::start();
    let clock = ManualClock::default();
    let limits = limit_of(8);
    let failing = || {
        let redis = Redis::builder(server.url()).deadline(Duration::from_millis(200));
        let digests = DigestKey::derive(&Secret::from(vec![7; 32])).unwrap();
        let store = RedisAttempts::new(&redis.build().unwrap(), &digests);
        guard(store.into()).limits(limits).time(&clock)
    };
    let (default, denies) = (failing(), failing().on_failure(OnFailure::Deny));
    let allows = failing().on_failure(OnFailure::Allow);
    server.kill();
    let (default, denies) = (default.build().unwrap(), denies.build().unwrap());
    let allows = allows.build().unwrap();

    let refused = denies.reserve(OWNER, &stranger(1)).await.unwrap_err();
    assert_eq!(refused.problem().status().as_u16(), 503);
    for _ in 0..20 {
        allows.reserve(OWNER, &stranger(1)).await.unwrap().failed();
    }
    for _ in 0..2 {
        default.reserve(OWNER, &stranger(1)).await.unwrap().failed();
    }
    let refused = default.reserve(OWNER, &stranger(1)).await.unwrap_err();
    assert_eq!(refused.problem().status().as_u16(), 429, "a quarter of 8");
    clock.advance(Duration::from_secs(60));
    let refused = default.reserve("bob", &stranger(1)).await.unwrap_err();
    assert!(matches!(refused, LockoutError::Unavailable(_)), "{refused:?}");
    assert_eq!(refused.problem().status().as_u16(), 503);
    server.restart();
    let back = async {
        while default.reserve("bob", &stranger(1)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), back).await.unwrap();
}
