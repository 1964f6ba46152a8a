//! Clients that hold connections, and handlers that hold threads.

use std::time::Duration;

use hardpoint_testkit::http::Client;
use http::Request;
use serde_json::json;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{MACHINE, address, client::Clients, server, start};

/// The goal for the 99th percentile of a probe, in microseconds.
const PROBE: u64 = 5_000;

/// Asks for a probe for some seconds, and beside it a server that nothing attacks: what it takes too,
/// the machine takes.
async fn probe(path: &str, rate: u32, seconds: u32, to: &str) {
    let (_calm, addresses) = server::start("axum 127.0.0.1:0").await;
    let ask = |to: &str| Clients::start(&format!("probe {path} {rate} {seconds} {to}"));
    let [probes, calm] = [to, &addresses[0]].map(ask);
    let [asked, failures, p50, p99] = probes.report::<u64>("probed").await[..] else { panic!() };
    let [_, _, _, calm] = calm.report::<u64>("probed").await[..] else { panic!() };
    println!(
        "{path}: {asked} answers, {failures} failures, p50 {p50} us, p99 {p99} us, goal {PROBE}; \
         p99 of a calm server {calm} us"
    );
    assert_eq!(failures, 0, "{path}");
    assert!(asked > u64::from(rate * seconds / 2), "{path}: {asked}");
    assert!(p99 < 4 * PROBE.max(calm), "{path}: {p99}, {calm}");
}

/// Waits until all of these connections are closed. Returns when the first and the last were.
async fn closed(what: &str, clients: &Clients, within: std::ops::Range<u64>) {
    let [first, last] = clients.report::<u64>("closed").await[..] else { panic!() };
    println!("{what} closed after {first} to {last} ms, goal {within:?}");
    assert!(within.contains(&first) && last < within.end + 2_000, "{what}: {first} to {last}");
}

/// S8, O18.
#[tokio::test]
async fn abandoned_connections_are_closed_within_their_time_outs_and_probes_stay_fast() {
    let machine = MACHINE.read().await;
    let service = start(None, &[]).await;
    let to = address(&service.public);
    let unread = Clients::hold("unread", 20, to).await;
    let bodies = Clients::hold("byte", 100, to).await;
    let heads = Clients::hold("half", 1_100, to).await;
    probe("/livez", 200, 11, to).await;
    closed("100 one-byte bodies", &bodies, 4_900..6_000).await;
    assert!(bodies.lines().contains(&"answered \"408\" 100".to_owned()), "{:?}", bodies.lines());
    closed("1,100 half heads", &heads, 9_900..11_000).await;
    // What is left takes time and no processor.
    drop(machine);
    closed("20 clients that do not read", &unread, 29_000..32_000).await;

    let metrics = Client::new().get(format!("{}/metrics", service.admin)).await;
    let counted = "http_server_refused_total 1220";
    assert!(metrics.text().lines().any(|line| line == counted), "{}", metrics.text());
    // The record shows what was sent, not the 400 of the handler whose body broke off.
    let sent = [("status", json!(408)), ("outcome", json!("rejected"))];
    assert!(service.logged(&sent) > 0, "{:?}", service.process.stdout());
    assert_eq!(service.logged(&[("status", json!(400))]), 0);
    for cause in ["body", "head", "write"] {
        let warnings = service.logged(&[("cause", json!(cause)), ("level", json!("WARN"))]);
        assert!((1..=4).contains(&warnings), "{cause}: {warnings} lines");
    }
    service.process.signal("TERM");
    assert_eq!(service.process.wait(crate::PATIENCE).await.code(), Some(0));
}

/// S8 with a limit of 1,024 files, which the connections would use up.
#[tokio::test]
async fn connections_leave_files_to_the_service_and_its_admin_listener() {
    let _machine = MACHINE.read().await;
    let service = start(Some(1_024), &[]).await;
    let to = address(&service.public);
    let opened = Instant::now();
    let heads = Clients::hold("half", 1_100, to).await;
    probe("/livez", 100, 5, address(&service.admin)).await;
    drop(heads);
    let (client, livez) = (Client::new(), format!("{}/livez", service.public));
    let served = async {
        while !client.try_request(Request::get(&livez), "").await.is_ok_and(|r| r.status == 200) {}
    };
    timeout(crate::PATIENCE, served).await.unwrap();
    println!("served again {:?} after 1,100 half heads came", opened.elapsed());
    // A network of its own may hold 96 connections of the 768.
    let mut many = Vec::new();
    for _ in 0..100 {
        many.push(TcpStream::connect(to).await.unwrap());
    }
    let setting = "Server::connections_per_network, Server::trusted_proxies";
    service.process.line(crate::PATIENCE, |line| line.contains(setting)).await;
    let server = [("cause", json!("server")), ("setting", json!("Server::connections"))];
    assert!((1..=2).contains(&service.logged(&server)), "{:?}", service.process.stdout());
    assert_eq!(service.logged(&[("cause", json!("accept"))]), 0, "no file was missing");
}

/// O4, for the handlers of a service.
#[tokio::test]
async fn probes_are_fast_while_all_workers_sleep() {
    let _machine = MACHINE.read().await;
    let (process, addresses) = server::start("blocking 30").await;
    let [public, admin] = &addresses[..] else { panic!("{addresses:?}") };
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(public).await.unwrap();
        stream.write_all(b"GET /block HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        streams.push(stream);
        let blocked = || process.stdout().iter().filter(|line| *line == "blocked").count();
        while blocked() < streams.len() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    for path in ["/livez", "/readyz"] {
        probe(path, 100, 4, admin).await;
    }
    // O8: the end does not need the workers either.
    let start = Instant::now();
    process.signal("TERM");
    let (code, took) = (process.wait(crate::PATIENCE).await.code(), start.elapsed());
    println!("SIGTERM while all workers sleep: exit {code:?} after {took:?}, deadline 1 s");
    assert_eq!(code, Some(75));
    assert!(took < Duration::from_secs(4), "{took:?}");
    let left = "the service's threads are blocked, exiting without them in_flight=2";
    assert!(process.stdout().iter().any(|line| line.contains(left)), "{:?}", process.stdout());
    drop(streams);
}
