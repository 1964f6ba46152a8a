//! The server or the network stops, breaks or slows down.

use std::time::Duration;

use hardpoint_redis::{LinkState, Redis};
use hardpoint_testkit::redis::{Network, RedisServer, Software, Weather};
use tokio::time::Instant;

use crate::support::{DEADLINE, KEY, Load, PATIENCE, Report, link, next, states, up};

/// The commands that must fail before a fault ends: eight tasks take about a second for them, many
/// times a deadline.
pub(super) const REFUSED: u64 = 4_000;

/// The longest time from the end of a fault to the first success. The goal is one second; a busy
/// machine may need two.
const BACK: Duration = Duration::from_secs(2);

/// What the server was charged.
fn charged(server: &RedisServer) -> u64 {
    server.command(&["GET", KEY]).parse().unwrap_or(0)
}

/// Puts load on `redis`, causes a fault, ends it once commands fail steadily, and checks the rest.
async fn outage(name: &str, redis: &Redis, cause: impl FnOnce(), end: impl FnOnce()) -> Report {
    let load = Load::start(redis, 8);
    load.charges(100).await;
    let caused = Instant::now();
    cause();
    load.failures(REFUSED).await;
    assert_eq!(redis.state(), LinkState::Down);
    end();
    let ended = Instant::now();
    up(redis).await;
    load.charges(100).await;
    let report = load.stop().await;
    let (waited, longest) = report.assert_bounded(caused, ended);
    let back = report.first_success_after(ended);
    println!(
        "{name}: {} commands, {} succeeded, {waited} waited and failed, the longest for {longest:?}; \
         back after {back:?}",
        report.ended.len(),
        report.succeeded(),
    );
    assert!(back <= BACK, "{name}: back after {back:?}");
    report
}

/// Checks the server's account of the load.
fn assert_charged(server: &RedisServer, report: &Report) {
    let charged = charged(server);
    let (least, most) = (report.succeeded(), report.succeeded() + report.unknown());
    assert!((least..=most).contains(&charged), "charged {charged}, not {least} to {most}");
}

#[tokio::test]
async fn a_stopped_server() {
    for software in [Software::Redis, Software::Valkey] {
        let server = RedisServer::builder().software(software).start();
        let redis = link(server.url()).await;
        let name = format!("SIGSTOP of {software:?}");
        let report = outage(&name, &redis, || server.pause(), || server.resume()).await;
        assert_charged(&server, &report);
    }
}

#[tokio::test]
async fn a_killed_server_that_comes_back_empty() {
    let mut server = RedisServer::start();
    let redis = link(server.url()).await;
    let load = Load::start(&redis, 8);
    load.charges(100).await;
    let caused = Instant::now();
    server.kill();
    load.failures(REFUSED).await;
    assert_eq!(redis.state(), LinkState::Down);
    server.restart();
    let restarted = Instant::now();
    up(&redis).await;
    load.charges(100).await;
    let report = load.stop().await;
    let (waited, longest) = report.assert_bounded(caused, restarted);
    let back = report.first_success_after(restarted);
    println!("killed: {waited} waited, the longest for {longest:?}; back after {back:?}");
    assert!(back <= BACK, "back after {back:?}");
    // The new server has no script and no count; it knows what came after its start.
    let since = report.ended.iter().filter(|c| c.began >= restarted && c.result.is_ok()).count();
    assert!(charged(&server) >= since as u64);
}

#[tokio::test]
async fn a_server_that_restarts_within_the_deadline_fails_only_what_was_in_flight() {
    const TASKS: usize = 8;
    let mut server = RedisServer::start();
    let redis = Redis::builder(server.url()).deadline(PATIENCE).build().unwrap();
    up(&redis).await;
    let load = Load::start(&redis, TASKS);
    load.charges(100).await;
    server.restart();
    load.charges(100).await;
    let report = load.stop().await;
    let failed: Vec<_> = report.ended.iter().filter(|command| command.result.is_err()).collect();
    println!("a restart: {} of {} commands failed", failed.len(), report.ended.len());
    // Each task had one command in flight at most.
    assert!(failed.len() <= TASKS, "{failed:?}");
    assert_eq!(report.unknown(), failed.len() as u64, "they may have been executed: {failed:?}");
}

#[tokio::test]
async fn a_black_hole() {
    let server = RedisServer::start();
    let network = Network::before(server.address());
    let redis = link(server.url_of(network.address())).await;
    let (cause, end) = (|| network.set(Weather::Hole), || network.set(Weather::Fair));
    let report = outage("black hole", &redis, cause, end).await;
    assert_charged(&server, &report);
}

#[tokio::test]
async fn connections_that_are_reset() {
    let server = RedisServer::start();
    let network = Network::before(server.address());
    let redis = link(server.url_of(network.address())).await;
    let load = Load::start(&redis, 8);
    load.charges(100).await;
    for _ in 0..5 {
        network.reset();
        load.failures(1).await;
        up(&redis).await;
        load.charges(100).await;
    }
    let report = load.stop().await;
    let longest = report.ended.iter().map(|command| command.took).max().unwrap();
    println!("five resets: {} of {} succeeded", report.succeeded(), report.ended.len());
    assert!(longest <= 2 * DEADLINE, "a command waited for {longest:?}");
    assert_charged(&server, &report);
}

#[tokio::test]
async fn answers_that_come_too_late() {
    let server = RedisServer::start();
    let network = Network::before(server.address());
    let redis = link(server.url_of(network.address())).await;
    let slow = Weather::Slow(2 * DEADLINE);
    let (cause, end) = (|| network.set(slow), || network.set(Weather::Fair));
    let report = outage("200 ms at a deadline of 100", &redis, cause, end).await;
    assert_charged(&server, &report);
}

#[tokio::test]
async fn a_black_hole_from_the_start_of_an_idle_link() {
    // Nothing is sent: the link's own probes find out.
    let server = RedisServer::start();
    let network = Network::before(server.address());
    let (telemetry, mut states) = states();
    let url = server.url_of(network.address());
    let redis = Redis::builder(url).telemetry(&telemetry).build().unwrap();
    assert_eq!(next(&mut states).await, LinkState::Up);
    network.set(Weather::Hole);
    assert_eq!(next(&mut states).await, LinkState::Down);
    assert!(redis.send("PING", [""; 0]).refused().is_some());
    network.set(Weather::Fair);
    assert_eq!(next(&mut states).await, LinkState::Up);
}

#[tokio::test]
async fn forgotten_scripts() {
    let server = RedisServer::start();
    let redis = link(server.url()).await;
    let load = Load::start(&redis, 8);
    for _ in 0..5 {
        load.charges(50).await;
        assert_eq!(server.command(&["SCRIPT", "FLUSH"]), "+OK");
    }
    load.charges(50).await;
    let report = load.stop().await;
    assert_eq!(report.succeeded(), report.ended.len() as u64, "no command fails");
    assert_eq!(charged(&server), report.succeeded());
}
