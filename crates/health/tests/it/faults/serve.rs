//! The server on real sockets, with clients that misbehave. The time-outs are scaled down.

use std::{
    convert::Infallible,
    net::SocketAddr,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo, routing};
use bytes::Bytes;
use hardpoint_core::TrustedProxies;
use hardpoint_health::{
    DrainLayer, Lifecycle,
    serve::{Cause, Refused, RequestBody, Server, hyper::HyperService},
};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep, timeout},
};

use crate::support::PATIENCE;

const HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(3_600);

fn lifecycle(deadline: Duration) -> Lifecycle {
    let builder = Lifecycle::builder().drain_delay(Duration::ZERO).drain_deadline(deadline);
    let lifecycle = builder.build().unwrap();
    lifecycle.started();
    lifecycle
}

/// A running server, whose time-outs are too long to matter.
struct Running {
    lifecycle: Lifecycle,
    address: SocketAddr,
    refused: Refused,
    run: JoinHandle<ExitCode>,
}

/// A server on a free port whose limits are out of the way.
async fn server() -> Server {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    server
        .connections_per_network(10_000)
        .head_timeout(LONG)
        .handshake_timeout(LONG)
        .body_stall(LONG)
        .body_rate(0, LONG)
        .write_timeout(LONG)
        .idle_timeout(LONG)
}

impl Running {
    fn start(server: Server, app: Router, lifecycle: Lifecycle) -> Self {
        let (address, refused) = (server.local_addr().unwrap(), server.refused());
        let run = {
            let lifecycle = lifecycle.clone();
            tokio::spawn(async move { lifecycle.run(server.service(app).serve(&lifecycle)).await })
        };
        Self { lifecycle, address, refused, run }
    }

    /// Connects from an address of its own in 127.0.0.0/8.
    async fn connect(&self, client: usize) -> TcpStream {
        let [_, high, middle, low] = u32::try_from(client + 1).unwrap().to_be_bytes();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((([127, high + 1, middle, low]), 0).into()).unwrap();
        timeout(PATIENCE, socket.connect(self.address)).await.unwrap().unwrap()
    }

    async fn send(&self, client: usize, bytes: &[u8]) -> TcpStream {
        let mut stream = self.connect(client).await;
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// Begins the drain and waits for the end of the run.
    async fn drain(self) -> (ExitCode, Duration) {
        let start = Instant::now();
        self.lifecycle.begin_drain();
        let code = timeout(PATIENCE, self.run).await.unwrap().unwrap();
        (code, start.elapsed())
    }
}

/// What the server sends until it closes the connection. A reset counts as its end.
async fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the server did not close the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Waits until all connections are closed by the server.
async fn all_closed(streams: Vec<TcpStream>) -> Duration {
    let start = Instant::now();
    let mut closing = JoinSet::new();
    for stream in streams {
        closing.spawn(rest(stream));
    }
    while let Some(closed) = closing.join_next().await {
        closed.unwrap();
    }
    start.elapsed()
}

async fn until(what: impl Fn() -> bool) {
    let met = async {
        while !what() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, met).await.unwrap();
}

/// A body that never ends, in parts of 64 KiB.
fn endless() -> Body {
    Body::new(Endless)
}

struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        let part = Bytes::from_static(&[0; 65_536]);
        std::task::Poll::Ready(Some(Ok(http_body::Frame::data(part))))
    }
}

fn app() -> Router {
    Router::new()
        .route("/", routing::get(async || "hello").post(async |body: Bytes| body.len().to_string()))
        .route("/endless", routing::get(async || endless()))
        .route(
            "/peer",
            routing::get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string()),
        )
}

/// S8, O18: the slow are closed, and the others do not notice.
#[tokio::test(flavor = "multi_thread")]
async fn half_heads_trickled_bodies_and_clients_that_do_not_read_are_closed() {
    let server = server()
        .await
        .head_timeout(SHORT)
        .body_rate(1_024, SHORT)
        .write_timeout(SHORT)
        .handshake_timeout(SHORT);
    let running = Running::start(server, app(), lifecycle(LONG));
    let mut slow = Vec::new();
    for client in 0..100 {
        slow.push(running.send(client, b"GET / HTTP/1.1\r\nhost: x\r\nx-half: ").await);
        slow.push(running.send(client, b"").await);
        slow.push(running.send(client, b"PR").await);
    }
    let mut bodies = Vec::new();
    for client in 0..50 {
        let head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nx";
        bodies.push(running.send(client, head).await);
    }
    // A connection that has sent a request before gets no longer for its second head.
    let mut second = running.send(0, HEAD).await;
    let mut buffer = [0; 1_024];
    assert!(timeout(PATIENCE, second.read(&mut buffer)).await.unwrap().unwrap() > 0);
    second.write_all(b"GET /").await.unwrap();
    slow.push(second);
    let mut unread = Vec::new();
    for client in 0..20 {
        unread.push(running.send(client, b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await);
    }
    for client in 0..50 {
        let answer = running.send(client, b"GET / HTTP/1.0\r\n\r\n").await;
        assert!(rest(answer).await.starts_with("HTTP/1.0 200 "));
    }
    for body in bodies {
        let answer = rest(body).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
    let took = all_closed(slow).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    until(|| running.refused.count(Cause::Write) == 20).await;
    drop(unread);
    assert_eq!(running.refused.count(Cause::Head), 101);
    assert_eq!(running.refused.count(Cause::Handshake), 200);
    assert_eq!(running.refused.count(Cause::Body), 50);
    let (code, _) = running.drain().await;
    assert_eq!(code, ExitCode::SUCCESS);
}

#[tokio::test]
async fn clients_that_are_slow_but_steady_are_served() {
    let server = server()
        .await
        .head_timeout(Duration::from_secs(5))
        .body_rate(1_024, Duration::from_secs(5))
        .body_stall(Duration::from_secs(5))
        .write_timeout(SHORT * 3);
    let running = Running::start(server, app(), lifecycle(LONG));
    let head = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 8192\r\n\r\n";
    let mut stream = running.connect(0).await;
    for part in head.chunks(16).chain([[7_u8; 1_024].as_slice(); 8]) {
        stream.write_all(part).await.unwrap();
        sleep(Duration::from_millis(5)).await;
    }
    assert!(rest(stream).await.ends_with("8192"));

    // A reader that takes a little now and then, for longer than the time-out of a stalled write.
    let mut reader = running.send(0, b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut buffer = vec![0; 1 << 20];
    for _ in 0..8 {
        sleep(SHORT).await;
        let mut taken = 0;
        while taken < buffer.len() {
            let read = timeout(PATIENCE, reader.read(&mut buffer)).await.unwrap().unwrap();
            assert!(read > 0, "closed although the client reads");
            taken += read;
        }
    }
    assert_eq!(running.refused.count(Cause::Write), 0);
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused_early() {
    let running = Running::start(server().await, app(), lifecycle(LONG));
    let mut stream = running.send(0, b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ").await;
    let mut sent = 0;
    // The server stops reading, and then a write fails.
    let part = [b'a'; 4_096];
    while let Ok(Ok(())) = timeout(PATIENCE, stream.write_all(&part)).await {
        sent += part.len();
        if sent > 64 << 20 {
            panic!("the server reads an endless head");
        }
    }
    let mut stream = running.send(1, b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ").await;
    stream.write_all(&[b'a'; 17 * 1_024]).await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let mut stream = running.send(1, b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ").await;
    stream.write_all(&[b'a'; 12 * 1_024]).await.unwrap();
    stream.write_all(b"\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(rest(stream).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn idle_connections_are_closed_without_blame() {
    let server = server().await.idle_timeout(SHORT);
    let running = Running::start(server, app(), lifecycle(LONG));
    // A body that arrives after its head is not the beginning of another head.
    let post = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n";
    for (head, body) in [(HEAD, &b""[..]), (post, b"abc")] {
        let start = Instant::now();
        let mut stream = running.send(0, head).await;
        sleep(SHORT / 10).await;
        stream.write_all(body).await.unwrap();
        let answer = rest(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(start.elapsed() >= SHORT, "{:?}", start.elapsed());
    }
    for cause in Cause::ALL {
        assert_eq!(running.refused.count(cause), 0, "{cause:?}");
    }
}

#[tokio::test]
async fn a_body_is_not_taken_for_the_next_head() {
    let running = Running::start(server().await.head_timeout(SHORT), app(), lifecycle(LONG));
    let head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n";
    let mut stream = running.send(0, head).await;
    sleep(SHORT / 10).await;
    stream.write_all(b"abc").await.unwrap();
    let mut buffer = [0; 1_024];
    assert!(timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap() > 0);
    // Longer than a head may take.
    sleep(SHORT * 3).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(rest(stream).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(running.refused.count(Cause::Head), 0);
}

#[tokio::test]
async fn a_network_has_its_share_and_a_trusted_proxy_has_no_limit() {
    let server = server().await.connections_per_network(3).connections(12);
    let proxies = TrustedProxies::new(["127.1.0.9"]).unwrap();
    let running = Running::start(server.trusted_proxies(proxies), app(), lifecycle(LONG));
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(running.send(0, HEAD).await);
    }
    let mut buffer = [0; 1_024];
    for stream in &mut held {
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
    }
    assert_eq!(rest(running.connect(0).await).await, "");
    assert_eq!(running.refused.count(Cause::Network), 1);
    // The proxy of client 8, and another client.
    for client in [8, 8, 8, 8, 8, 8, 1] {
        let mut stream = running.send(client, HEAD).await;
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        held.push(stream);
    }
    assert_eq!(running.refused.count(Cause::Network), 1);
    // Two places are left in the server.
    for client in [2, 3] {
        let mut stream = running.send(client, HEAD).await;
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        held.push(stream);
    }
    assert_eq!(rest(running.connect(4).await).await, "");
    assert_eq!(running.refused.count(Cause::Server), 1);
    // A closed connection gives its place back.
    held.remove(0);
    let served = async {
        loop {
            let mut stream = running.connect(0).await;
            let written = stream.write_all(HEAD).await;
            if written.is_ok() && matches!(stream.read(&mut buffer).await, Ok(read) if read > 0) {
                break;
            }
        }
    };
    timeout(PATIENCE, served).await.unwrap();
}

/// H0.
#[tokio::test]
async fn http_1_1_needs_exactly_one_host() {
    let running = Running::start(server().await, app(), lifecycle(LONG));
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", "HTTP/1.1 400 "),
        ("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "HTTP/1.1 200 "),
        ("GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 200 "),
    ] {
        let answer = rest(running.send(0, request.as_bytes()).await).await;
        assert!(answer.starts_with(status), "{request:?}: {answer}");
    }
    assert_eq!(running.refused.count(Cause::Host), 2);
}

#[tokio::test]
async fn pipelined_requests_and_the_peer_are_served() {
    let running = Running::start(server().await, app(), lifecycle(LONG));
    let one = "GET /peer HTTP/1.1\r\nhost: x\r\n\r\n";
    let last = "GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let stream = running.send(6, format!("{one}{one}{last}").as_bytes()).await;
    let peer = stream.local_addr().unwrap().to_string();
    assert_eq!(rest(stream).await.matches(&peer).count(), 3);
}

#[tokio::test]
async fn a_burst_of_connections_fits_into_the_queue() {
    let lifecycle = lifecycle(LONG);
    let server = server().await;
    let address = server.local_addr().unwrap();
    // Nothing accepts yet.
    let start = Instant::now();
    let mut streams = Vec::new();
    for _ in 0..400 {
        streams.push(timeout(PATIENCE, TcpStream::connect(address)).await.unwrap().unwrap());
    }
    let took = start.elapsed();
    assert!(took < Duration::from_millis(900), "a retransmission of SYN takes 1 s: {took:?}");
    let running = Running::start(server, app(), lifecycle);
    drop(streams);
    assert_eq!(running.drain().await.0, ExitCode::SUCCESS);
}

/// C6, and the idle.
#[tokio::test]
async fn a_drain_is_not_held_up_by_connections_without_a_request() {
    let running = Running::start(server().await, app(), lifecycle(Duration::from_secs(15)));
    let mut held = Vec::new();
    for bytes in
        [&b""[..], b"G", b"PR", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\nho"]
    {
        held.push(running.send(0, bytes).await);
    }
    let mut idle = running.send(0, HEAD).await;
    let mut buffer = [0; 1_024];
    assert!(idle.read(&mut buffer).await.unwrap() > 0);
    held.push(idle);
    let mut second = running.send(0, HEAD).await;
    assert!(second.read(&mut buffer).await.unwrap() > 0);
    second.write_all(b"G").await.unwrap();
    held.push(second);
    let (code, took) = running.drain().await;
    assert_eq!(code, ExitCode::SUCCESS);
    // A client of HTTP/2 that does not answer has a second.
    assert!(took < Duration::from_secs(3), "{took:?}");
    all_closed(held).await;
}

#[tokio::test]
async fn a_drain_with_nothing_but_idle_connections_ends_within_the_settle_time() {
    let running = Running::start(server().await, app(), lifecycle(LONG));
    let mut idle = running.send(0, HEAD).await;
    let mut buffer = [0; 1_024];
    assert!(idle.read(&mut buffer).await.unwrap() > 0);
    let (code, took) = running.drain().await;
    assert_eq!(code, ExitCode::SUCCESS);
    // 50 ms, with slack for a loaded machine.
    assert!(took < Duration::from_millis(400), "{took:?}");
    assert_eq!(rest(idle).await, "");
}

#[tokio::test]
async fn a_head_that_arrives_while_the_server_stops_is_answered() {
    let lifecycle = Lifecycle::builder()
        .drain_delay(Duration::ZERO)
        .drain_deadline(PATIENCE)
        .settle(Duration::from_secs(2))
        .build()
        .unwrap();
    let stop = lifecycle.stop_accepting();
    let running = Running::start(server().await, app(), lifecycle);
    let mut fresh = running.send(0, b"GET / HTTP/1.1\r\n").await;
    let mut second = running.send(0, HEAD).await;
    let mut buffer = [0; 1_024];
    assert!(second.read(&mut buffer).await.unwrap() > 0);
    second.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let drain = tokio::spawn(running.drain());
    timeout(PATIENCE, stop).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    for stream in [&mut fresh, &mut second] {
        stream.write_all(b"host: x\r\n\r\n").await.unwrap();
    }
    for stream in [fresh, second] {
        let answer = rest(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
    assert_eq!(drain.await.unwrap().0, ExitCode::SUCCESS);
}

/// Connections that the kernel has accepted and the server has not.
#[tokio::test]
async fn connections_that_wait_in_the_kernel_are_answered_before_the_socket_closes() {
    let lifecycle = Lifecycle::builder()
        .drain_delay(Duration::ZERO)
        .settle(Duration::from_secs(1))
        .build()
        .unwrap();
    let server = server().await;
    let address = server.local_addr().unwrap();
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(HEAD).await.unwrap();
        clients.push(client);
    }
    lifecycle.begin_drain();
    let running = Running::start(server, app(), lifecycle);
    for client in clients {
        assert!(rest(client).await.starts_with("HTTP/1.1 200 "));
    }
    assert_eq!(running.drain().await.0, ExitCode::SUCCESS);
    assert!(TcpStream::connect(address).await.is_err(), "still listening");
}

#[tokio::test]
async fn requests_that_wait_only_for_their_client_have_a_share_and_cut_nothing() {
    let deadline = Duration::from_secs(4);
    let running = Running::start(server().await, app(), lifecycle(deadline));
    let head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nx";
    let body = running.send(0, head).await;
    let mut unread = running.send(0, b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(unread.read(&mut [0; 10]).await.unwrap() > 0);
    let (code, took) = running.drain().await;
    assert_eq!(code, ExitCode::SUCCESS, "clients cannot fail a deployment");
    assert!(took >= deadline / 2, "{took:?}");
    assert!(took < deadline, "{took:?}");
    drop((body, unread));
}

/// A handler that never ends, and that notes when it is dropped. The drop takes a while, so that a
/// run that does not wait for it misses some.
fn stuck(dropped: &Arc<AtomicUsize>, entered: &Arc<Semaphore>) -> Router {
    struct Line(Arc<AtomicUsize>);
    impl Drop for Line {
        #[expect(clippy::disallowed_methods, reason = "imitates work in a destructor")]
        fn drop(&mut self) {
            std::thread::sleep(Duration::from_millis(2));
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (dropped, entered) = (Arc::clone(dropped), Arc::clone(entered));
    let handler = move || async move {
        let _line = Line(dropped);
        entered.add_permits(1);
        std::future::pending::<()>().await;
    };
    Router::new().route("/", routing::get(handler))
}

/// O7, O8, on HTTP/1.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_cut_at_the_deadline_drop_their_handlers() {
    let (dropped, entered) = (Arc::default(), Arc::new(Semaphore::new(0)));
    let app = stuck(&dropped, &entered);
    let running = Running::start(server().await, app, lifecycle(SHORT));
    let mut held = Vec::new();
    for client in 0..20 {
        held.push(running.send(client, HEAD).await);
    }
    entered.acquire_many(20).await.unwrap().forget();
    let (code, took) = running.drain().await;
    assert_eq!(code, ExitCode::from(75));
    assert_eq!(dropped.load(Ordering::SeqCst), 20, "each writes its line before the run ends");
    assert!(took >= SHORT && took < SHORT + Duration::from_secs(2), "{took:?}");
}

/// A client of HTTP/2 with one connection.
async fn http2(stream: TcpStream) -> hyper::client::conn::http2::SendRequest<Empty<Bytes>> {
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (client, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_requests_that_are_cut_drop_their_handlers_too() {
    let (dropped, entered) = (Arc::default(), Arc::new(Semaphore::new(0)));
    let app = stuck(&dropped, &entered);
    let running = Running::start(server().await, app, lifecycle(SHORT));
    let mut client = http2(running.connect(0).await).await;
    let requests: Vec<_> = (0..20)
        .map(|_| client.send_request(Request::get("http://x/").body(Empty::new()).unwrap()))
        .map(tokio::spawn)
        .collect();
    entered.acquire_many(20).await.unwrap().forget();
    let (code, _) = running.drain().await;
    assert_eq!(code, ExitCode::from(75));
    assert_eq!(dropped.load(Ordering::SeqCst), 20);
    for request in requests {
        assert!(request.await.unwrap().is_err());
    }
}

#[tokio::test]
async fn http_2_is_served_and_told_to_leave() {
    let lifecycle = lifecycle(Duration::from_secs(15));
    let running = Running::start(server().await, app(), lifecycle);
    let mut client = http2(running.connect(0).await).await;
    let request = || Request::get("http://x/").body(Empty::new()).unwrap();
    let response = client.send_request(request()).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
    // More than the header list may hold.
    let long = Request::get("http://x/").header("x-long", "a".repeat(17 * 1_024));
    let response = client.send_request(long.body(Empty::new()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 431);
    let (code, took) = running.drain().await;
    assert_eq!(code, ExitCode::SUCCESS);
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(client.send_request(request()).await.is_err());
}

/// A client of HTTP/2 that grants 64 KiB at a time.
async fn narrow_http2(stream: TcpStream) -> hyper::client::conn::http2::SendRequest<Empty<Bytes>> {
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(65_535).initial_connection_window_size(65_535);
    let (client, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://x{path}")).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn http_2_clients_that_keep_their_window_shut_are_closed_and_slow_ones_are_served() {
    let running = Running::start(server().await.write_timeout(SHORT * 3), app(), lifecycle(LONG));
    let mut slow = narrow_http2(running.connect(0).await).await;
    let mut response = slow.send_request(get("/endless")).await.unwrap();
    for _ in 0..8 {
        sleep(SHORT).await;
        let mut taken = 0;
        while taken < 131_072 {
            let frame = timeout(PATIENCE, response.body_mut().frame()).await.unwrap();
            taken += frame.unwrap().unwrap().into_data().unwrap().len();
        }
    }
    assert_eq!(running.refused.count(Cause::Write), 0);
    drop((response, slow));

    let mut shut = narrow_http2(running.connect(1).await).await;
    let _unread = shut.send_request(get("/endless")).await.unwrap();
    until(|| running.refused.count(Cause::Write) == 1).await;
}

/// A body that is one frame, which h2 takes whole as soon as the client grants a byte.
#[tokio::test]
async fn the_rest_of_an_http_2_response_is_sent_during_a_drain_and_after_the_idle_time() {
    const LENGTH: usize = 1 << 20;
    let large = routing::get(async || Bytes::from_static(&[7; LENGTH]));
    let app = Router::new().route("/", large);
    for drains in [true, false] {
        let server = server().await.idle_timeout(if drains { LONG } else { SHORT * 2 });
        let running = Running::start(server, app.clone(), lifecycle(PATIENCE));
        let mut client = narrow_http2(running.connect(0).await).await;
        let mut response = client.send_request(get("/")).await.unwrap();
        if drains {
            running.lifecycle.begin_drain();
        }
        let (mut taken, mut paused_at) = (0, 0);
        while let Some(frame) = timeout(PATIENCE, response.body_mut().frame()).await.unwrap() {
            taken += frame.unwrap().into_data().unwrap().len();
            if taken >= paused_at + 65_536 {
                paused_at = taken;
                sleep(SHORT / 3).await;
            }
        }
        assert_eq!(taken, LENGTH);
        drop(client);
        assert_eq!(running.drain().await.0, ExitCode::SUCCESS);
    }
}

/// The same body, of which the client takes nothing after the first window.
#[tokio::test]
async fn the_last_frame_of_an_http_2_response_has_the_time_of_a_stalled_write() {
    let large = routing::get(async || Bytes::from_static(&[7; 1 << 20]));
    let app = Router::new().route("/", large);
    let limited = server().await.write_timeout(SHORT * 3);
    let running = Running::start(limited, app.clone(), lifecycle(LONG));
    let mut shut = narrow_http2(running.connect(0).await).await;
    let start = Instant::now();
    let _unread = shut.send_request(get("/")).await.unwrap();
    until(|| running.refused.count(Cause::Write) == 1).await;
    assert!(start.elapsed() >= SHORT * 3, "{:?}", start.elapsed());

    // While the server drains, it is a request that waits only for its client.
    let deadline = Duration::from_secs(2);
    let running = Running::start(server().await, app, lifecycle(deadline));
    let mut shut = narrow_http2(running.connect(0).await).await;
    let _unread = shut.send_request(get("/")).await.unwrap();
    let (code, took) = running.drain().await;
    assert_eq!(code, ExitCode::SUCCESS);
    assert!(took >= deadline / 2 && took < deadline, "{took:?}");
}

/// Clients that leave and handlers that panic while the server drains.
#[tokio::test]
async fn a_request_that_ends_by_itself_is_not_cut() {
    for panics in [false, true] {
        let (entered, leave) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let handler = {
            let (entered, leave) = (Arc::clone(&entered), Arc::clone(&leave));
            move || async move {
                entered.add_permits(1);
                leave.acquire().await.unwrap().forget();
                assert!(leave.is_closed(), "a handler that panics");
            }
        };
        let lifecycle = lifecycle(PATIENCE);
        let stop = lifecycle.stop_accepting();
        let app = Router::new().route("/", routing::get(handler));
        let running = Running::start(server().await, app, lifecycle);
        let stream = running.send(0, HEAD).await;
        entered.acquire().await.unwrap().forget();
        let drain = tokio::spawn(running.drain());
        timeout(PATIENCE, stop).await.unwrap();
        // The connections learn of it a little later.
        sleep(Duration::from_millis(100)).await;
        if panics {
            leave.add_permits(1);
        } else {
            drop(stream);
        }
        assert_eq!(drain.await.unwrap().0, ExitCode::SUCCESS, "panics: {panics}");
    }
}

/// O17: what the drain waits for beyond requests.
#[tokio::test]
async fn guards_hold_the_drain_and_learn_that_it_has_begun() {
    let lifecycle = lifecycle(LONG);
    let done = Arc::new(AtomicUsize::new(0));
    let upgrade = {
        let (lifecycle, done) = (lifecycle.clone(), Arc::clone(&done));
        routing::get(async move |mut request: Request<Body>| {
            let guard = lifecycle.hold();
            let upgraded = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgraded.await.unwrap());
                lifecycle.draining().await;
                stream.write_all(b"goodbye").await.unwrap();
                stream.shutdown().await.unwrap();
                done.fetch_add(1, Ordering::SeqCst);
                drop(guard);
            });
            Response::builder()
                .status(101)
                .header("connection", "upgrade")
                .header("upgrade", "echo")
                .body(Body::empty())
                .unwrap()
        })
    };
    let server = server().await.connections_per_network(1);
    let running = Running::start(server, Router::new().route("/", upgrade), lifecycle);
    let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    let mut stream = running.send(0, request).await;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    // The upgraded connection keeps its place.
    assert_eq!(rest(running.connect(0).await).await, "");
    assert_eq!(running.refused.count(Cause::Network), 1);
    assert_eq!(running.lifecycle.in_flight(), 1);
    let (code, _) = running.drain().await;
    assert_eq!((code, done.load(Ordering::SeqCst)), (ExitCode::SUCCESS, 1));
    assert!(rest(stream).await.ends_with("goodbye"));
}

#[tokio::test]
async fn a_long_dialogue_outlives_the_limits_of_a_body() {
    let server = server().await.body_stall(SHORT).body_rate(1_024, SHORT);
    let echo = routing::post(async |body: Body| {
        let frames = http_body_util::BodyStream::new(body);
        Response::new(Body::new(StreamBody::new(frames)))
    });
    let app = Router::new().route("/", echo);
    let running = Running::start(server, app, lifecycle(LONG));
    let head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut stream = running.send(0, head).await;
    let mut buffer = [0; 1_024];
    for _ in 0..4 {
        stream.write_all(b"2\r\nhi\r\n").await.unwrap();
        assert!(timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap() > 0);
        sleep(SHORT / 2).await;
    }
    assert_eq!(running.refused.count(Cause::Body), 0);
}

#[tokio::test]
async fn a_hyper_service_and_any_tower_service_are_served() {
    async fn hello(_: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(Response::new(Full::new("hello".into())))
    }
    for tower in [true, false] {
        let lifecycle = lifecycle(LONG);
        let server = server().await;
        let address = server.local_addr().unwrap();
        let run = {
            let lifecycle = lifecycle.clone();
            tokio::spawn(async move {
                if tower {
                    let service = tower::service_fn(hello);
                    lifecycle.run(server.service(service).serve(&lifecycle)).await
                } else {
                    let service = HyperService::new(hyper::service::service_fn(hello));
                    lifecycle.run(server.service(service).serve(&lifecycle)).await
                }
            })
        };
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        assert!(rest(stream).await.ends_with("hello"));
        lifecycle.begin_drain();
        assert_eq!(timeout(PATIENCE, run).await.unwrap().unwrap(), ExitCode::SUCCESS);
    }
}

#[tokio::test]
async fn requests_in_their_handlers_finish_and_their_connections_close() {
    let lifecycle = lifecycle(PATIENCE);
    let (entered, leave) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let handler = {
        let (entered, leave) = (Arc::clone(&entered), Arc::clone(&leave));
        move || async move {
            entered.add_permits(1);
            leave.acquire().await.unwrap().forget();
            "done"
        }
    };
    let app = Router::new().route("/", routing::get(handler)).layer(DrainLayer::new(&lifecycle));
    let stop = lifecycle.stop_accepting();
    let running = Running::start(server().await, app, lifecycle);
    let mut streams = Vec::new();
    for client in 0..100 {
        streams.push(running.send(client, HEAD).await);
    }
    entered.acquire_many(100).await.unwrap().forget();
    let drain = tokio::spawn(running.drain());
    timeout(PATIENCE, stop).await.unwrap();
    leave.add_permits(100);
    for stream in streams {
        let answer = rest(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("done"), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
    assert_eq!(drain.await.unwrap().0, ExitCode::SUCCESS);
}
