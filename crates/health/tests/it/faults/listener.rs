//! Connections that the kernel has accepted and the server has not.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use axum::{Router, extract::ConnectInfo, routing::get};
use hardpoint_health::{DrainLayer, Lifecycle, axum::drain_listener};
use tokio::{net::TcpListener, time::timeout};

#[tokio::test]
async fn connections_that_wait_in_the_kernel_are_answered_before_the_socket_closes() {
    let lifecycle = Lifecycle::builder()
        .drain_delay(Duration::ZERO)
        .settle(Duration::from_millis(500))
        .build()
        .unwrap();
    let app = Router::new()
        .route("/", get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string()))
        .layer(DrainLayer::new(&lifecycle));
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();

    // Connected and written before the server is polled for the first time: all is in the kernel.
    let mut clients: Vec<_> = (0..50).map(|_| TcpStream::connect(address).unwrap()).collect();
    for client in &mut clients {
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    }
    lifecycle.begin_drain();
    let reading = tokio::task::spawn_blocking(move || {
        clients
            .into_iter()
            .map(|mut client| {
                let mut answer = String::new();
                client.read_to_string(&mut answer).unwrap();
                (answer, client.local_addr().unwrap().to_string())
            })
            .collect::<Vec<_>>()
    });
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(drain_listener(&lifecycle, socket), app)
        .with_graceful_shutdown(lifecycle.stop_accepting());
    let code = timeout(Duration::from_secs(20), lifecycle.run(server)).await;

    assert_eq!(code.unwrap(), ExitCode::SUCCESS);
    for (answer, peer) in reading.await.unwrap() {
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
        assert!(answer.ends_with(&peer), "{answer:?}");
    }
}

#[tokio::test]
async fn the_socket_is_closed_before_the_server_stops() {
    let lifecycle = Lifecycle::builder()
        .drain_delay(Duration::ZERO)
        .settle(Duration::from_secs(3_600))
        .drain_deadline(Duration::from_secs(7_200))
        .build()
        .unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let server = axum::serve(drain_listener(&lifecycle, socket), Router::new());
    let server =
        tokio::spawn(server.with_graceful_shutdown(lifecycle.stop_accepting()).into_future());
    // Accepting as long as nothing drains: an answer is the proof.
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut client, b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut client, &mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 404 "));

    lifecycle.begin_drain();
    let refused = async {
        // With a pause, since whoever connects without one is taken in for half of the settle time.
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), refused).await.unwrap();
    assert!(!server.is_finished(), "the settle time is not over");
    server.abort();
}
