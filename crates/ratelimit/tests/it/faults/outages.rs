//! The server or the network stops, breaks or slows down.

use std::{sync::Mutex, time::Duration};

use hardpoint_core::Key;
use hardpoint_redis::{LinkState, Redis};
use hardpoint_testkit::redis::{Network, RedisServer, Software, Weather};
use tokio::{task::JoinSet, time::Instant};

use super::{DEADLINE, Load, charged, handle, link, outage, strict, up};
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
    assert!((200..=1_200).contains(&admitted), "{admitted} admitted: those of the first calls");
    network.set(Weather::Fair);
    handle.check(&ACME).await.unwrap();
}
