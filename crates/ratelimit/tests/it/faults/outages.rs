//! The server or the network stops, breaks or slows down.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::{future::join_all, poll};
use hardpoint_core::{Event, Key, Telemetry};
use hardpoint_ratelimit::{Decider, OnFailure, Quota, RateLimiter, redis::RedisStore};
use hardpoint_redis::{LinkState, Redis};
use hardpoint_testkit::redis::{Network, RedisServer, Software, Weather};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{
    DEADLINE, Load, PATIENCE, charged, digests, handle, link, outage, per_tenant, refusals::bucket,
    strict, up,
};
use crate::ACME;

#[tokio::test]
async fn a_stopped_server() {
    for software in [Software::Redis, Software::Valkey] {
        let server = RedisServer::builder().software(software).start();
        let redis = link(server.url()).await;
        let what = format!("SIGSTOP of {software:?}");
        let report = outage(&what, &redis, || server.pause(), || server.resume()).await;
        report.assert_charged(&redis).await;
    }
}

#[tokio::test]
async fn a_killed_server_that_comes_back_empty() {
    let server = RedisServer::start();
    let redis = link(server.url()).await;
    let server = Mutex::new(server);
    let (kill, restart) = (|| server.lock().unwrap().kill(), || server.lock().unwrap().restart());
    let report = outage("kill", &redis, kill, restart).await;
    // The new server knows of the last hundred at least, and of nothing that it did not admit.
    let charged = charged(&redis).await;
    assert!((100..=report.admitted()).contains(&charged), "{charged}");
}

#[tokio::test]
async fn a_black_hole() {
    let server = RedisServer::start();
    let network = Network::before(server.address());
    let redis = link(server.url_of(network.address())).await;
    let (cause, end) = (|| network.set(Weather::Hole), || network.set(Weather::Fair));
    let report = outage("black hole", &redis, cause, end).await;
    report.assert_charged(&redis).await;
}

#[tokio::test]
async fn answers_that_come_too_late() {
    let server = RedisServer::start();
    let network = Network::before(server.address());
    let redis = link(server.url_of(network.address())).await;
    let slow = Weather::Slow(2 * DEADLINE);
    let (cause, end) = (|| network.set(slow), || network.set(Weather::Fair));
    let report = outage("latency", &redis, cause, end).await;
    report.assert_charged(&redis).await;
}

#[tokio::test]
async fn connections_that_are_reset() {
    let server = RedisServer::start();
    let network = Network::before(server.address());
    let redis = link(server.url_of(network.address())).await;
    let load = Load::start(&redis);
    load.admissions(100).await;
    for _ in 0..5 {
        network.reset();
        load.failures(1).await;
        up(&redis).await;
        load.admissions(100).await;
    }
    let report = load.stop().await;
    let longest = report.ended.iter().map(|check| check.took).max().unwrap();
    assert!(longest <= 3 * DEADLINE, "a check waited for {longest:?}");
    report.assert_charged(&redis).await;
}

#[tokio::test]
async fn forgotten_scripts() {
    let server = RedisServer::start();
    let redis = link(server.url()).await;
    let load = Load::start(&redis);
    for _ in 0..5 {
        load.admissions(100).await;
        assert_eq!(server.command(&["SCRIPT", "FLUSH"]), "+OK");
    }
    load.admissions(100).await;
    let report = load.stop().await;
    assert_eq!(report.admitted(), report.ended.len() as u64, "no check fails");
    report.assert_charged(&redis).await;
}

/// The link stays up, since every call is answered in time; the calls that wait are too many.
#[tokio::test]
async fn more_keys_than_a_slow_server_decides() {
    const CHECKS: u32 = 3_000;
    let deadline = Duration::from_secs(1);
    let server = RedisServer::start();
    let network = Network::before(server.address());
    let url = server.url_of(network.address());
    let redis = Redis::builder(url).deadline(deadline).build().unwrap();
    up(&redis).await;
    let limiter = strict(&redis);
    let handle = handle(&limiter, "t");
    handle.check(&ACME).await.unwrap();
    network.set(Weather::Slow(deadline * 3 / 5));
    let mut checks = JoinSet::new();
    for number in 0..CHECKS {
        let handle = handle.clone();
        checks.spawn(async move {
            let tenant = Key::inline(&number.to_be_bytes()).unwrap();
            let began = Instant::now();
            let answer = handle.check(&tenant).await;
            assert!(answer.as_ref().err().is_none_or(|denied| denied.is_undecided()), "{answer:?}");
            (answer.is_ok(), began.elapsed())
        });
    }
    let ended = checks.join_all().await;
    let admitted = ended.iter().filter(|(admitted, _)| *admitted).count();
    let longest = ended.iter().map(|(_, took)| *took).max().unwrap();
    println!("{admitted} of {CHECKS} admitted, the longest check took {longest:?}");
    assert_eq!(redis.state(), LinkState::Up);
    // The calls would take 7 s one after the other. The third deadline is slack for a busy machine.
    assert!(longest <= 3 * deadline, "a check waited for {longest:?}");
    assert!((150..=1_200).contains(&admitted), "{admitted} admitted: those of the first calls");
    network.set(Weather::Fair);
    handle.check(&ACME).await.unwrap();
}

/// Answers land in one task of the store, which an observer must not end.
#[tokio::test(flavor = "multi_thread")]
async fn an_observer_that_panics_does_not_stop_the_store() {
    let server = RedisServer::start();
    let redis = link(server.url()).await;
    let lost = Arc::new(AtomicU64::new(0));
    let telemetry = {
        let lost = Arc::clone(&lost);
        Telemetry::new(move |event: &Event<'_>| {
            if let Event::SettlementsLost(_) = event {
                lost.fetch_add(1, SeqCst);
                panic!("the observer panics");
            }
        })
    };
    let held = per_tenant("held", Quota::per_minute(1).burst(100)).reservable();
    let limiter = RateLimiter::builder().policy(held.on_failure(OnFailure::Deny));
    let limiter = limiter.telemetry(&telemetry).store(RedisStore::new(&redis, &digests()));
    let handle = handle(&limiter.build().unwrap(), "held");
    let reservation = handle.reserve(&ACME, 1).await.unwrap();
    server.pause();
    reservation.settle(1);
    super::wait(&lost, 1).await.expect("the settlement is lost");
    server.resume();
    up(&redis).await;
    let decided = async {
        while handle.check(&ACME).await.is_err() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, decided).await.expect("the store decides again");
}

/// Both calls are under way before either answer can land: nothing is awaited in between.
#[tokio::test]
async fn an_observer_that_panics_at_one_call_does_not_end_the_other() {
    let server = RedisServer::start();
    let redis = link(server.url()).await;
    let lost = Arc::new(AtomicU64::new(0));
    let telemetry = {
        let lost = Arc::clone(&lost);
        Telemetry::new(move |event: &Event<'_>| {
            if let Event::SettlementsLost(_) = event {
                lost.fetch_add(1, SeqCst);
                panic!("the observer panics");
            }
        })
    };
    let quota = Quota::per_minute(1).burst(100);
    let limiter = RateLimiter::builder()
        .policy(per_tenant("held", quota).reservable().on_failure(OnFailure::Deny))
        .policy(per_tenant("t", quota).on_failure(OnFailure::Deny))
        .telemetry(&telemetry)
        .store(RedisStore::new(&redis, &digests()))
        .build()
        .unwrap();
    let reservation = handle(&limiter, "held").reserve(&ACME, 1).await.unwrap();
    // Numbers that are none, in the length of a bucket whose cells may be held: its settlement fails.
    let spoil = "return redis.call('SET', KEYS[1], string.rep('\\255', 39))";
    assert_eq!(server.command(&["EVAL", spoil, "1", &bucket("held")]), "+OK");
    let before = calls(&server);
    reservation.settle(1);
    // As many keys as make a call full, which therefore does not wait for the settlement's.
    let check = handle(&limiter, "t");
    let tenants: Vec<_> = (0..64_u32).map(|n| Key::inline(&n.to_be_bytes()).unwrap()).collect();
    let mut checks = join_all(tenants.iter().map(|tenant| check.check(tenant)));
    assert!(poll!(&mut checks).is_pending());
    for answer in checks.await {
        assert_eq!(answer.unwrap().decider(), Decider::Store);
    }
    assert_eq!(lost.load(SeqCst), 1, "the observer panicked");
    assert_eq!(calls(&server) - before, 2);
}

/// How often the server was called by the store.
fn calls(server: &RedisServer) -> u64 {
    let stat = server.info("cmdstat_evalsha").unwrap();
    stat.split_once("calls=").unwrap().1.split_once(',').unwrap().0.parse().unwrap()
}
