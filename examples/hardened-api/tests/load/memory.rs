//! The memory of connections.

use std::time::Duration;

use hardpoint_testkit::http::{Client, Process};

use crate::{MACHINE, address, client::Clients, server, start};

const HEADS: usize = 1_000;
const HEAD_LIMIT: u64 = 16 * 1_024;
/// What hyper's buffers and the rest of a connection take.
const CONNECTION: u64 = 18 * 1_024;
const IDLE: usize = 5_000;

/// S8: a head costs no more memory than its limit, however much of it a client sends. One that the
/// client keeps just below the limit costs what a connection does, besides.
#[tokio::test]
async fn unfinished_heads_take_no_more_than_their_limit() {
    let _machine = MACHINE.write().await;
    for (what, most) in [("long", HEAD_LIMIT), ("head", HEAD_LIMIT + CONNECTION)] {
        let goal = HEADS as u64 * most;
        let service = start(None, &[]).await;
        let to = address(&service.public);
        assert_eq!(Client::new().get(format!("{}/livez", service.public)).await.status, 200);
        let before = service.process.peak_resident().unwrap();
        let clients = Clients::hold(what, HEADS, to).await;
        if what == "long" {
            clients.report::<u64>("closed").await;
        }
        let grown = service.process.peak_resident().unwrap() - before;
        println!("{HEADS} unfinished heads ({what}): {} KiB, goal {} KiB", grown >> 10, goal >> 10);
        assert!(grown < 2 * goal, "{what}: {grown} bytes");
    }
}

#[tokio::test]
async fn idle_connections_take_little_more_than_those_of_axum() {
    let _machine = MACHINE.write().await;
    for (what, name) in [("silent", "fresh"), ("idle", "after one request"), ("two", "HTTP/2")] {
        let service = start(None, &[]).await;
        let ours = per_connection(&service.process, address(&service.public), what).await;
        let (process, addresses) = server::start("axum 127.0.0.1:0").await;
        let axum = per_connection(&process, &addresses[0], what).await;
        let ratio = ours as f64 / axum as f64;
        println!("{IDLE} {name}: {ours} B each, axum::serve {axum} B, {ratio:.2} x, goal 1.25 x");
        assert!(ratio < 1.5, "{name}: {ratio}");
    }
}

/// What one of many connections of this kind takes.
async fn per_connection(process: &Process, to: &str, what: &str) -> u64 {
    assert_eq!(Client::new().get(format!("http://{to}/livez")).await.status, 200);
    let before = process.resident().unwrap();
    let _clients = Clients::hold(what, IDLE, to).await;
    // The last ones may not be accepted yet.
    let mut resident = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = process.resident().unwrap();
        if now == resident {
            return (now - before) / IDLE as u64;
        }
        resident = now;
    }
}
