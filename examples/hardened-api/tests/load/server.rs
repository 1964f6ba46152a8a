//! Servers to compare with, and one whose handlers block: this test program, started again.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    routing::{get, post},
};
use hardpoint::{
    health::{Admin, DrainLayer, Lifecycle, serve::Server},
    observability::Logs,
};
use hardpoint_testkit::http::Process;
use http::StatusCode;
use tokio::{
    net::TcpListener,
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};

use crate::{PATIENCE, client::again};

/// Starts a server and waits until it listens. Returns its addresses.
pub(crate) async fn start(words: &str) -> (Process, Vec<String>) {
    let process = Process::spawn(&mut again(&format!("serve {words}")));
    let line = process.line(PATIENCE, |line| line.starts_with("listening ")).await;
    (process, line.split(' ').skip(1).map(str::to_owned).collect())
}

pub(crate) fn run(words: &[&str]) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        match words {
            ["axum", address] => axum(address.parse().unwrap()).await,
            ["blocking", seconds] => {
                blocking(Duration::from_secs(seconds.parse().unwrap())).await;
            }
            other => panic!("{other:?}"),
        }
    });
}

/// `axum::serve` with its graceful shutdown, and the routes that the clients use.
async fn axum(address: SocketAddr) {
    let app = Router::new()
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(async || "ok"))
        .route("/.well-known/jwks.json", get(async || "a".repeat(168)))
        .route("/api/v1/session/refresh", post(async |_: String| StatusCode::UNAUTHORIZED));
    let listener = TcpListener::bind(address).await.unwrap();
    println!("\nlistening {}", listener.local_addr().unwrap());
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    let stop = async move {
        terminate.recv().await;
    };
    axum::serve(listener, app).with_graceful_shutdown(stop).await.unwrap();
}

/// A service with a handler that blocks its worker.
async fn blocking(time: Duration) {
    println!();
    let logs = Logs::human().init().unwrap();
    let lifecycle = Lifecycle::builder()
        .drain_delay(Duration::ZERO)
        .drain_deadline(Duration::from_secs(1))
        .flush_logs(move |within| logs.flush(within))
        .build()
        .unwrap();
    let admin = Admin::builder(([127, 0, 0, 1], 0).into()).serve(&lifecycle).unwrap();
    let app = Router::new()
        .route("/block", get(async move || block(time)))
        .layer(DrainLayer::new(&lifecycle));
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    println!("\nlistening {} {}", server.local_addr().unwrap(), admin.local_addr());
    lifecycle.started();
    server.service(app).run(&lifecycle).await;
}

#[expect(clippy::disallowed_methods, reason = "a handler that blocks is the fault under test")]
fn block(time: Duration) {
    println!("\nblocked");
    std::thread::sleep(time);
}
