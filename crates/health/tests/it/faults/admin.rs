//! The admin listener and what it observes, while the runtime of the service is in trouble.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{Router, body::Bytes, routing};
use hardpoint_core::{Peer, Secret};
use hardpoint_health::{Admin, AdminError, Lifecycle};
use hardpoint_testkit::http::{Client, Reply};
use http::Request;
use serde_json::json;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    runtime::{Builder, Runtime},
    time::{Instant, timeout},
};

use crate::support::{Gate, PATIENCE};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap()
}

/// A started lifecycle that observes `service`.
fn started(service: &Runtime) -> Lifecycle {
    let _context = service.enter();
    let lifecycle = Lifecycle::builder().build().unwrap();
    lifecycle.started();
    lifecycle
}

fn url(admin: &Admin, path: &str) -> String {
    format!("http://{}{path}", admin.local_addr())
}

async fn get(admin: &Admin, path: &str) -> Reply {
    Client::new().get(url(admin, path)).await
}

/// Blocks this many workers and waits until they are.
async fn block(service: &Runtime, gate: &Gate, workers: usize) {
    for _ in 0..workers {
        let gate = gate.clone();
        service.spawn(async move { gate.pass() });
    }
    let blocked = async {
        while gate.entered() < workers {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, blocked).await.unwrap();
}

/// Asks until the answer is as wanted.
async fn until(admin: &Admin, path: &str, wanted: impl Fn(&Reply) -> bool) -> Reply {
    let ask = async {
        loop {
            let reply = get(admin, path).await;
            if wanted(&reply) {
                return reply;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, ask).await.unwrap()
}

#[tokio::test]
async fn probes_are_fast_while_all_workers_are_blocked() {
    let (service, gate) = (runtime(2), Gate::default());
    let _open = gate.open_at_the_end();
    let lifecycle = started(&service);
    let admin = Admin::builder(LOOPBACK).serve(&lifecycle).unwrap();
    block(&service, &gate, 2).await;

    let mut times = Vec::new();
    for _ in 0..400 {
        let start = Instant::now();
        for path in ["/livez", "/readyz"] {
            assert_eq!(get(&admin, path).await.status, 200);
        }
        times.push(start.elapsed() / 2);
    }
    gate.open();
    times.sort_unstable();
    let (median, p99) = (times[200], times[396]);
    println!("admin probes with all workers blocked: p50 {median:?}, p99 {p99:?}");
    assert!(p99 < Duration::from_millis(100), "p50 {median:?}, p99 {p99:?}");
    service.shutdown_background();
}

#[tokio::test]
async fn one_blocked_worker_does_not_stop_the_timers_of_the_other() {
    let mut worst = Duration::ZERO;
    for _ in 0..5 {
        let (service, gate) = (runtime(2), Gate::default());
        let _open = gate.open_at_the_end();
        let lifecycle = started(&service);
        let _admin = Admin::builder(LOOPBACK).serve(&lifecycle).unwrap();
        let ticking = service.spawn(async {
            let (mut last, mut worst, start) = (Instant::now(), Duration::ZERO, Instant::now());
            while start.elapsed() < Duration::from_millis(1_500) {
                tokio::time::sleep(Duration::from_millis(5)).await;
                worst = worst.max(last.elapsed());
                last = Instant::now();
            }
            worst
        });
        // By a timer, so that the worker that polls the driver is the one that blocks.
        let blocking = gate.clone();
        service.spawn(async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            blocking.pass();
        });
        tokio::time::sleep(Duration::from_millis(1_300)).await;
        assert_eq!(gate.entered(), 1);
        gate.open();
        let gap = ticking.await.unwrap();
        worst = worst.max(gap);
        service.shutdown_background();
    }
    println!("one of two workers blocked: the longest gap of a timer is {worst:?}");
    // Without pings it is the whole time of the block, more than a second, in most trials.
    assert!(worst < Duration::from_millis(300), "{worst:?}, goal 150 ms");
}

#[tokio::test]
async fn a_blocked_worker_degrades_a_stall_fails_liveness_and_both_end() {
    let (service, first, second) = (runtime(2), Gate::default(), Gate::default());
    let _open = (first.open_at_the_end(), second.open_at_the_end());
    let lifecycle = started(&service);
    let admin = Admin::builder(LOOPBACK).serve(&lifecycle).unwrap();
    assert_eq!(get(&admin, "/readyz").await.text(), r#"{"status":"ok"}"#);

    block(&service, &first, 1).await;
    let blocked = Instant::now();
    until(&admin, "/readyz", |reply| reply.text() == r#"{"status":"degraded"}"#).await;
    assert!(blocked.elapsed() >= Duration::from_millis(4_500), "{:?}", blocked.elapsed());
    assert_eq!(get(&admin, "/livez").await.status, 200);
    let report = get(&admin, "/health").await.json();
    assert_eq!(report["runtime"], json!({ "status": "blocked_worker", "blocked_workers": 1 }));

    block(&service, &second, 1).await;
    let stalled = Instant::now();
    let reply = until(&admin, "/livez", |reply| reply.status != 200).await;
    assert!(stalled.elapsed() >= Duration::from_millis(9_000), "{:?}", stalled.elapsed());
    assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (503, &json!("stalled")));
    assert_eq!(get(&admin, "/readyz").await.json()["code"], "stalled");

    first.open();
    second.open();
    until(&admin, "/livez", |reply| reply.status == 200).await;
    until(&admin, "/readyz", |reply| reply.text() == r#"{"status":"ok"}"#).await;
    service.shutdown_background();
}

#[tokio::test]
async fn slow_clients_do_not_keep_a_probe_out() {
    let lifecycle = Lifecycle::builder().build().unwrap();
    let admin = Admin::builder(LOOPBACK).serve(&lifecycle).unwrap();
    let mut slow = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(admin.local_addr()).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n").await.unwrap();
        slow.push(stream);
    }
    for _ in 0..20 {
        assert_eq!(get(&admin, "/livez").await.status, 200);
    }
    // The oldest ones were closed, long before their time-out, and the newest ones were not.
    let mut rest = Vec::new();
    let closed = tokio::io::AsyncReadExt::read_to_end(&mut slow[0], &mut rest);
    drop(timeout(Duration::from_secs(15), closed).await.expect("the oldest is still open"));
    slow[299].write_all(b"\r\n").await.unwrap();
    assert!(timeout(PATIENCE, slow[299].readable()).await.is_ok());
    let mut head = [0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut slow[299], &mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
}

#[tokio::test]
async fn everything_but_the_probes_requires_the_token() {
    let lifecycle = Lifecycle::builder().build().unwrap();
    lifecycle.started();
    let admin = Admin::builder(LOOPBACK)
        .token(Secret::<str>::from("s3cret"))
        .routes(Router::new().route("/metrics", routing::get(async || "up 1")))
        .serve(&lifecycle)
        .unwrap();
    let ask = async |path: &str, authorization: Option<&str>| {
        let mut request = Request::get(url(&admin, path));
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        Client::new().request(request, "").await
    };
    for path in ["/livez", "/readyz", "/startupz"] {
        assert_eq!(ask(path, None).await.status, 200, "{path}");
        assert_eq!(ask(path, Some("Bearer wrong")).await.status, 200, "{path}");
    }
    for path in ["/health", "/metrics", "/nowhere"] {
        for wrong in [None, Some("Bearer wrong"), Some("Basic s3cret"), Some("Bearer s3cret2")] {
            let reply = ask(path, wrong).await;
            assert_eq!(reply.status, 401, "{path} {wrong:?}");
            assert_eq!(reply.header("www-authenticate"), "Bearer");
            assert_eq!(reply.json()["code"], "unauthenticated");
        }
    }
    assert_eq!(ask("/health", Some("Bearer s3cret")).await.json()["status"], "ok");
    assert_eq!(ask("/metrics", Some("bearer s3cret")).await.text(), "up 1");
    assert_eq!(ask("/nowhere", Some("Bearer s3cret")).await.status, 404);
}

#[tokio::test]
async fn an_address_that_others_can_reach_requires_a_token() {
    let lifecycle = Lifecycle::builder().build().unwrap();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:0.0.0.0]:0"] {
        let error = Admin::builder(address.parse().unwrap()).serve(&lifecycle).unwrap_err();
        assert!(matches!(error, AdminError::NoToken { .. }), "{address}: {error}");
    }
    for address in ["127.0.0.1:0", "127.9.9.9:0"] {
        let admin = Admin::builder(address.parse().unwrap()).serve(&lifecycle).unwrap();
        assert_eq!(get(&admin, "/livez").await.status, 200);
    }
    let token = Secret::<str>::from("");
    let error = Admin::builder(LOOPBACK).token(token).serve(&lifecycle).unwrap_err();
    assert!(matches!(error, AdminError::EmptyToken));
    let everywhere = Admin::builder("0.0.0.0:0".parse().unwrap()).token(Secret::<str>::from("t"));
    let everywhere = everywhere.serve(&lifecycle).unwrap();
    let port = everywhere.local_addr().port();
    let error =
        Admin::builder(everywhere.local_addr()).token(Secret::<str>::from("t")).serve(&lifecycle);
    assert!(error.unwrap_err().to_string().contains(&format!("0.0.0.0:{port}")));

    let bound = |address: &str| std::net::TcpListener::bind(address).unwrap();
    let error = Admin::from_listener(bound("0.0.0.0:0")).serve(&lifecycle).unwrap_err();
    assert!(matches!(error, AdminError::NoToken { .. }), "{error}");
    let admin = Admin::from_listener(bound("127.0.0.1:0")).serve(&lifecycle).unwrap();
    assert_eq!(get(&admin, "/livez").await.status, 200);
}

#[tokio::test]
async fn routes_run_on_the_runtime_of_the_service_and_hold_up_no_probe() {
    let (service, gate) = (runtime(1), Gate::default());
    let _open = gate.open_at_the_end();
    let lifecycle = started(&service);
    let blocking = gate.clone();
    let routes = Router::new()
        .route("/echo", routing::put(async |body: Bytes| body))
        .route("/panic", routing::get(async || -> () { panic!("in a route") }))
        .route(
            "/peer",
            routing::get(async |request: axum::extract::Request| {
                Peer::find(request.extensions()).unwrap().ip().to_string()
            }),
        )
        .route("/block", routing::get(async move || blocking.pass()));
    let admin = Admin::builder(LOOPBACK).routes(routes).serve(&lifecycle).unwrap();

    let put =
        async |body: Vec<u8>| Client::new().request(Request::put(url(&admin, "/echo")), body).await;
    assert_eq!(put(b"hello".into()).await.text(), "hello");
    assert_eq!(put(vec![b'x'; 64 * 1024]).await.text().len(), 64 * 1024);
    assert_eq!(put(vec![b'x'; 64 * 1024 + 1]).await.status, 413);
    assert_eq!(get(&admin, "/panic").await.json()["code"], "internal_error");
    assert_eq!(get(&admin, "/peer").await.text(), "127.0.0.1");

    let block = url(&admin, "/block");
    let held = tokio::spawn(async move { Client::new().get(block).await });
    let entered = async {
        while gate.entered() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, entered).await.unwrap();
    for _ in 0..50 {
        assert_eq!(get(&admin, "/livez").await.status, 200);
    }
    // Its only worker is blocked, so the route gets no answer.
    let start = Instant::now();
    assert_eq!(get(&admin, "/peer").await.status, 503);
    assert!(start.elapsed() >= Duration::from_secs(9));
    gate.open();
    drop(held.await);
    service.shutdown_background();
}

#[tokio::test]
async fn a_dropped_admin_listener_is_closed_and_frees_the_lifecycle() {
    let lifecycle = Lifecycle::builder().build().unwrap();
    let admin = Admin::builder(LOOPBACK).serve(&lifecycle).unwrap();
    let address = admin.local_addr();
    let mut open = TcpStream::connect(address).await.unwrap();
    assert_eq!(get(&admin, "/livez").await.status, 200);
    drop(admin);
    let mut rest = Vec::new();
    let closed = tokio::io::AsyncReadExt::read_to_end(&mut open, &mut rest);
    drop(timeout(PATIENCE, closed).await.unwrap());
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, refused).await.unwrap();
}
