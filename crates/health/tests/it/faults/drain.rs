use std::{
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, mpsc},
    time::Duration,
};

use axum::{Router, routing::get};
use hardpoint_health::{DrainLayer, Lifecycle, ProbeLayer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(20);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

fn guarded(app: Router, lifecycle: &Lifecycle) -> Router {
    app.layer(DrainLayer::new(lifecycle)).layer(ProbeLayer::new(lifecycle))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_requests_in_their_handlers_are_all_answered() {
    let lifecycle = Lifecycle::builder().drain_delay(Duration::from_millis(100)).build().unwrap();
    let (entered, leave) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let handler = {
        let (entered, leave) = (Arc::clone(&entered), Arc::clone(&leave));
        move || async move {
            entered.add_permits(1);
            leave.acquire().await.unwrap().forget();
            "done"
        }
    };
    let app = guarded(Router::new().route("/", get(handler)), &lifecycle);
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    lifecycle.started();
    let running = tokio::spawn({
        let lifecycle = lifecycle.clone();
        let server = axum::serve(socket, app).with_graceful_shutdown(lifecycle.stop_accepting());
        async move { lifecycle.run(server).await }
    });

    let clients: Vec<_> = (0..200).map(|_| tokio::spawn(answer_to(address, REQUEST))).collect();
    let all = timeout(PATIENCE, entered.acquire_many(200)).await;
    drop(all.unwrap().unwrap());
    assert_eq!(lifecycle.in_flight(), 200);
    lifecycle.begin_drain();
    // Still accepting: the readiness probe tells a balancer why it should stop.
    let probe = answer_to(address, b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(probe.starts_with("HTTP/1.1 503 "), "{probe}");
    assert!(probe.contains(r#""code":"draining""#));

    timeout(PATIENCE, lifecycle.stop_accepting()).await.unwrap();
    leave.add_permits(200);
    for client in clients {
        let answer = timeout(PATIENCE, client).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert!(answer.ends_with("done"), "{answer}");
    }
    let code = timeout(PATIENCE, running).await.unwrap().unwrap();
    assert_eq!(code, ExitCode::SUCCESS);
    assert_eq!(lifecycle.in_flight(), 0);
    assert!(TcpStream::connect(address).await.is_err(), "still listening");
}

#[test]
fn a_half_sent_header_is_cut_at_the_deadline() {
    let (ready, started) = mpsc::channel();
    // As in a `main`: the runtime ends once the run has ended, and its connections with it.
    let process = std::thread::spawn(move || {
        let runtime = runtime();
        runtime.block_on(async {
            let lifecycle = Lifecycle::builder()
                .drain_delay(Duration::from_millis(200))
                .drain_deadline(Duration::from_millis(300))
                .build()
                .unwrap();
            let app = guarded(Router::new().route("/", get(|| async { "done" })), &lifecycle);
            let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = socket.local_addr().unwrap();
            ready.send((lifecycle.clone(), address)).unwrap();
            let server =
                axum::serve(socket, app).with_graceful_shutdown(lifecycle.stop_accepting());
            lifecycle.run(server).await
        })
    });
    let (lifecycle, address) = started.recv().unwrap();
    runtime().block_on(async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-half").await.unwrap();
        lifecycle.begin_drain();
        let mut rest = Vec::new();
        // Closed or reset: either way the client is not left waiting.
        let read = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "the connection outlived the deadline");
        assert_eq!(rest, b"", "half a request has no answer");
    });
    let code = process.join().unwrap();
    assert_eq!(code, ExitCode::from(75), "the deadline cut something");
}

#[tokio::test]
async fn a_server_without_connections_ends_without_waiting_for_the_deadline() {
    let lifecycle = Lifecycle::builder()
        .drain_delay(Duration::ZERO)
        .drain_deadline(Duration::from_secs(3_600))
        .build()
        .unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // An idle connection holds up nothing.
    let _idle = TcpStream::connect(socket.local_addr().unwrap()).await.unwrap();
    let server = axum::serve(socket, Router::new());
    let server = server.with_graceful_shutdown(lifecycle.stop_accepting());
    lifecycle.begin_drain();
    let code = timeout(PATIENCE, lifecycle.run(server)).await.unwrap();
    assert_eq!(code, ExitCode::SUCCESS);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// What the server says until it closes the connection.
async fn answer_to(address: SocketAddr, request: &'static [u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
