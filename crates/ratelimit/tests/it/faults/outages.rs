//! The server or the network stops, breaks or slows down.

use std::sync::Mutex;

use hardpoint_testkit::redis::{Network, RedisServer, Software, Weather};

use super::{DEADLINE, Load, charged, link, outage, up};

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
