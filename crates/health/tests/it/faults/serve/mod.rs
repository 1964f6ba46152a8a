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

mod clients;
mod connections;
mod drain;
mod http2;
mod services;

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
