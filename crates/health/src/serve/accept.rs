//! The accept loop.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tower_service::Service;
use tracing::{info, warn};

use super::{
    BoxError,
    connection::{self, after},
    occupancy::{Full, network_of},
    refused::Cause,
    request::RequestBody,
    seat::Seats,
    shared::Shared,
    stop::Times,
};
use crate::Lifecycle;

/// After an error that affects all connections, such as `EMFILE`, the loop waits for this long.
const RETRY_AFTER: Duration = Duration::from_millis(25);
/// If the kernel reports no connection for this long, its queue is empty.
const QUEUE_EMPTY_AFTER: Duration = Duration::from_millis(1);
/// How many bytes that are not sent yet the kernel holds before a write has to wait.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;
/// How long the handlers of cut requests have to be dropped.
const CUT_WITHIN: Duration = Duration::from_millis(250);

/// Accepts and serves connections until the lifecycle's drain is over.
pub(super) async fn run<S, B>(
    shared: Arc<Shared>,
    listener: TcpListener,
    service: S,
    lifecycle: Lifecycle,
) where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let mut connections = Connections {
        seats: Seats::new(shared.limits.caps),
        shared: Arc::clone(&shared),
        service,
        tasks: JoinSet::new(),
    };
    let mut closing = std::pin::pin!(lifecycle.close_listeners());
    loop {
        // Biased: a steady stream of connections must not hide the end of the delay, nor grow the
        // set of ended tasks.
        tokio::select! {
            biased;
            () = &mut closing => break,
            Some(_) = connections.tasks.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => connections.spawn(stream, peer),
                Err(error) => {
                    shared.refused.note(Cause::Accept);
                    if !concerns_one_connection(&error) {
                        sleep(RETRY_AFTER).await;
                    }
                }
            },
        }
    }

    // What waits in the kernel's queue was accepted before the drain, as its client sees it.
    let until = after(Instant::now(), lifecycle.take_in_for());
    loop {
        match timeout(QUEUE_EMPTY_AFTER, listener.accept()).await {
            Ok(Ok((stream, peer))) => connections.spawn(stream, peer),
            Ok(Err(error)) => {
                shared.refused.note(Cause::Accept);
                if !concerns_one_connection(&error) {
                    sleep(QUEUE_EMPTY_AFTER).await;
                }
            }
            Err(_) => break,
        }
        if Instant::now() >= until {
            break;
        }
    }
    drop(listener);
    // Nothing is left to wait for if every connection has ended: not even the settle time.
    let mut tasks = connections.tasks;
    if timeout(Duration::ZERO, ended(&mut tasks)).await.is_ok() {
        return;
    }
    // A connection that was just accepted has this long to send its first byte.
    lifecycle.stop_accepting().await;
    let now = Instant::now();
    shared.stop.begin(Times {
        settle_until: after(now, lifecycle.settle()),
        client_until: after(now, lifecycle.client_share()),
    });

    tokio::select! {
        biased;
        () = ended(&mut tasks) => {}
        () = lifecycle.cut() => {
            // Drops the connections, and with them the handlers, which write their access lines.
            let ended = async {
                tasks.shutdown().await;
                shared.streams.ended().await;
            };
            if timeout(CUT_WITHIN, ended).await.is_err() {
                warn!(
                    target: "hardpoint::health::serve",
                    connections = tasks.len(),
                    streams = shared.streams.running(),
                    "requests left whose threads are blocked"
                );
            }
        }
    }
    let waiting = shared.report.waited();
    if waiting > 0 {
        info!(
            target: "hardpoint::health::serve",
            requests = waiting,
            "closed requests that waited only for their clients"
        );
    }
}

/// The connections of a server.
struct Connections<S> {
    shared: Arc<Shared>,
    seats: Arc<Seats>,
    service: S,
    tasks: JoinSet<()>,
}

impl<S, B> Connections<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Serves a connection, unless it has no place.
    fn spawn(&mut self, stream: TcpStream, peer: SocketAddr) {
        let shared = &self.shared;
        let address = peer.ip().to_canonical();
        let network = (!shared.limits.trusted.contains(address)).then(|| network_of(address));
        match self.seats.take(network) {
            Ok(seat) => {
                // Without it, a small response can wait 40 ms for the client's acknowledgement.
                // An error means that the connection is gone already, which its task finds out.
                drop(stream.set_nodelay(true));
                // Without it, the kernel takes megabytes at once, and a client that reads slowly
                // takes no byte of the rest for a long time.
                #[cfg(target_os = "linux")]
                drop(SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT));
                let service = self.service.clone();
                let connection = connection::serve(Arc::clone(shared), stream, peer, seat, service);
                self.tasks.spawn(connection);
            }
            Err(Full::Network) => shared.refused.note(Cause::Network),
            Err(Full::Server) => shared.refused.note(Cause::Server),
        }
    }
}

/// Resolves when every task has ended.
async fn ended(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

/// Whether an error of `accept` concerns one connection that the client gave up.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
