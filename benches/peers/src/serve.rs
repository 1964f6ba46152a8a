//! The server beside `axum::serve`: a small request over 64 connections that stay open. Servers and
//! client share the machine, so that only the ratio means something; the rows of `axum::serve`
//! beside itself show what the machine adds.

use std::{cell::Cell, net::SocketAddr, sync::mpsc, thread, time::Duration};

use axum::{
    Router,
    routing::get,
    serve::{Listener, ListenerExt},
};
use hardpoint::health::{Lifecycle, serve::Server};
use hardpoint_bench_harness::{
    measure::{Contender, Plan},
    report::{Contest, Goal},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};

use crate::Named;

/// 95 % of the peer's requests a second.
const ONE_THREAD: Goal = Goal::Ratio(1.05);
/// 97 % of the peer's requests a second.
const TWO_THREADS: Goal = Goal::Ratio(1.03);

const CONNECTIONS: usize = 64;
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

pub(crate) fn contests() -> Vec<Named> {
    vec![
        ("request, one thread / axum::serve", || beside(1, ours, ONE_THREAD)),
        ("request, one thread: axum::serve / itself", || beside(1, peer, ONE_THREAD)),
        ("request, two threads / axum::serve", || beside(2, ours, TWO_THREADS)),
        ("request, two threads: axum::serve / itself", || beside(2, peer, TWO_THREADS)),
    ]
}

/// A server beside `axum::serve`.
fn beside(threads: usize, server: fn(usize) -> SocketAddr, goal: Goal) -> Contest<'static> {
    let plan = Plan {
        rounds: 21,
        sample: Duration::from_millis(250),
        warm_up: Duration::from_millis(500),
        ..Plan::default()
    };
    Contest::new(client(server(threads)), client(peer(threads))).goal(goal).plan(plan)
}

fn app() -> Router {
    Router::new().route("/", get(async || "hello"))
}

/// Starts our server on threads of its own, for the rest of the process.
fn ours(threads: usize) -> SocketAddr {
    start(threads, async |address| {
        let lifecycle = Lifecycle::builder().build().expect("the defaults are valid");
        let server = Server::bind("127.0.0.1:0").await.expect("a free port");
        address.send(server.local_addr().expect("it is bound")).expect("the caller waits");
        let Ok(()) = server.service(app()).serve(&lifecycle).await;
    })
}

/// Starts `axum::serve`, with `TCP_NODELAY` as ours has it.
fn peer(threads: usize) -> SocketAddr {
    start(threads, async |address| {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        address.send(listener.local_addr().expect("it is bound")).expect("the caller waits");
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("it is open"));
        serve(listener).await;
    })
}

async fn serve<L: Listener<Addr: std::fmt::Debug>>(listener: L) {
    axum::serve(listener, app()).await.expect("it never ends");
}

fn start<F>(threads: usize, serve: F) -> SocketAddr
where
    F: AsyncFnOnce(mpsc::Sender<SocketAddr>) + Send + 'static,
{
    let (sender, address) = mpsc::channel();
    thread::spawn(move || runtime(threads).block_on(serve(sender)));
    address.recv().expect("the server starts")
}

fn runtime(threads: usize) -> Runtime {
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.worker_threads(threads).enable_all().build().expect("a runtime")
}

/// A client that sends as many requests as it is told, each connection one at a time.
fn client(server: SocketAddr) -> Contender<'static> {
    let runtime = runtime(1);
    let (mut streams, length) = runtime.block_on(async {
        let mut streams = Vec::new();
        let mut length = 0;
        for _ in 0..CONNECTIONS {
            let mut stream = TcpStream::connect(server).await.expect("it listens");
            stream.set_nodelay(true).expect("it is open");
            stream.write_all(REQUEST).await.expect("it is open");
            // The first response arrives whole, and all others are as long.
            length = stream.read(&mut [0; 1_024]).await.expect("it responds");
            streams.push(stream);
        }
        (streams, length)
    });
    Contender::whole(move |count| {
        let left = Cell::new(count);
        let connections = streams.iter_mut().map(|stream| exchange(stream, length, &left));
        runtime.block_on(async {
            futures_util::future::join_all(connections).await;
        });
    })
}

/// Exchanges requests and responses on one connection until none is left to send.
async fn exchange(stream: &mut TcpStream, length: usize, left: &Cell<u64>) {
    let mut response = vec![0; length];
    while let Some(next) = left.get().checked_sub(1) {
        left.set(next);
        stream.write_all(REQUEST).await.expect("it is open");
        stream.read_exact(&mut response).await.expect("it responds");
    }
}
