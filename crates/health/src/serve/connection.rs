//! One connection, from its first byte to its end.

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::TcpStream,
    time::{Instant, sleep_until},
};
use tower_service::Service;

use super::{
    BoxError,
    dispatch::{Dispatch, Ends},
    io::Io,
    patience::{Next, Patience, PatienceLimits},
    refused::Cause,
    request::RequestBody,
    seat::Seat,
    shared::Shared,
    state::State,
    streams::Streams,
};

/// No HTTP/1 method begins like the preface of HTTP/2 (RFC 9113 section 3.4).
const HTTP2: &[u8; 3] = b"PRI";

/// Serves one connection until it ends or the server closes it.
pub(super) async fn serve<S, B>(
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    seat: Seat,
    service: S,
) where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let local = if cfg!(feature = "tonic") { stream.local_addr().ok() } else { None };
    let ends = Ends { peer, local };
    let accepted = Instant::now();
    #[cfg(feature = "tls")]
    if let Some(tls) = &shared.tls {
        let handshake = until_stop(&shared, accepted, tls.accept(stream)).await;
        let Some(Ok(stream)) = handshake else { return };
        // Boxed: a TLS stream is large, and most services have a proxy that ends TLS.
        return Box::pin(serve_stream(shared, stream, accepted, ends, seat, service)).await;
    }
    serve_stream(shared, stream, accepted, ends, seat, service).await;
}

async fn serve_stream<T, S, B>(
    shared: Arc<Shared>,
    mut stream: T,
    accepted: Instant,
    ends: Ends,
    seat: Seat,
    service: S,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let Some(Some(start)) = until_stop(&shared, accepted, sniff(&mut stream)).await else {
        return;
    };
    let state = Arc::new(State::new(shared.refused.clone(), shared.draining.clone()));
    let io = TokioIo::new(Io::new(stream, start.read, Arc::clone(&state), seat));
    let dispatch = Dispatch {
        inner: service,
        peer: ends,
        state: Arc::clone(&state),
        pace: shared.limits.body,
    };
    let connection = match start.http2 {
        true => Http::Two { connection: shared.http2.serve_connection(io, dispatch) },
        false => {
            Http::One { connection: shared.http1.serve_connection(io, dispatch).with_upgrades() }
        }
    };
    let mut connection = pin!(connection);
    // Dropped before the connection and its requests: counts those that are cut.
    let mut tally = Tally { shared: &shared, state: &state, cut: true };
    let limits = PatienceLimits {
        http2: start.http2,
        head: shared.limits.head,
        write: shared.limits.write,
        idle: shared.limits.idle,
        goaway_grace: shared.limits.goaway_grace,
    };
    let first_byte = start.first_byte.saturating_duration_since(accepted);
    let mut patience = Patience::new(limits, first_byte);
    let mut timer = pin!(sleep_until(accepted));
    let mut stopped = pin!(shared.stop.begun());
    let mut registered = false;

    poll_fn(|cx| {
        loop {
            if connection.as_mut().poll(cx) == Poll::Ready(()) {
                tally.cut = false;
                return Poll::Ready(());
            }
            // Both wake this task, whose waker never changes: tokio polls it directly. So the fast
            // path need not poll them again, which would take a lock that connections share.
            if !registered {
                let _ = stopped.as_mut().poll(cx);
            }
            let stop = shared.stop.times();
            let seen = state.look();
            if registered && stop.is_none() && patience.is_calm(seen) && !timer.is_elapsed() {
                return Poll::Pending;
            }
            state.looked();
            let now = Instant::now();
            let stop = stop.map(|times| times.since(accepted));
            match patience.judge(now.saturating_duration_since(accepted), seen, stop) {
                Next::Close(cause) => {
                    if let Some(cause) = cause {
                        shared.refused.note(cause);
                    }
                    return Poll::Ready(());
                }
                Next::ShutDown => connection.as_mut().shut_down(),
                Next::Wait(until) => {
                    let until = after(accepted, until);
                    if !registered || until < timer.deadline() || timer.is_elapsed() {
                        timer.as_mut().reset(until);
                    }
                    registered = true;
                    if timer.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    })
    .await;
}

/// The instant `time` after `origin`, or one that no connection lives to see.
pub(super) fn after(origin: Instant, time: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3_600);
    origin.checked_add(time).unwrap_or_else(|| origin + FAR)
}

/// Waits for a client that has yet to prove that it wants something. Returns `None` when its time is
/// over or the server stops.
async fn until_stop<F: Future>(shared: &Shared, accepted: Instant, client: F) -> Option<F::Output> {
    let mut client = pin!(client);
    let patience = sleep_until(after(accepted, shared.limits.handshake));
    let stop = async {
        let times = shared.stop.begun().await;
        // A client that has begun gets the settle time. One that has not is not told from it.
        sleep_until(times.settle_until).await;
    };
    tokio::select! {
        biased;
        begun = &mut client => Some(begun),
        () = patience => {
            shared.refused.note(Cause::Handshake);
            None
        }
        () = stop => None,
    }
}

/// The beginning of a connection.
struct Start {
    http2: bool,
    read: Bytes,
    first_byte: Instant,
}

/// Reads until it is clear which protocol the client speaks: one byte for most of HTTP/1. Returns
/// `None` if the client closes the connection.
async fn sniff(stream: &mut (impl AsyncRead + Unpin)) -> Option<Start> {
    let mut read = Vec::with_capacity(HTTP2.len());
    let mut first_byte = None;
    while read.len() < HTTP2.len() && HTTP2.starts_with(&read) {
        let mut byte = [0; HTTP2.len()];
        let room = byte.get_mut(..HTTP2.len() - read.len())?;
        let length = stream.read(room).await.ok().filter(|length| *length > 0)?;
        first_byte.get_or_insert_with(Instant::now);
        read.extend_from_slice(byte.get(..length)?);
    }
    let http2 = read == HTTP2;
    Some(Start { http2, read: read.into(), first_byte: first_byte? })
}

type Conn1<T, S> = http1::UpgradeableConnection<TokioIo<Io<T>>, Dispatch<S>>;
type Conn2<T, S> = http2::Connection<TokioIo<Io<T>>, Dispatch<S>, Streams>;

pin_project! {
    #[project = HttpProject]
    enum Http<T, S, B>
    where
        T: AsyncRead,
        T: AsyncWrite,
        T: Unpin,
        T: Send,
        T: 'static,
        S: Service<Request<RequestBody>, Response = Response<B>>,
        S: Clone,
        S::Error: Into<BoxError>,
        B: Body<Data = Bytes>,
    {
        One { #[pin] connection: Conn1<T, S> },
        Two { #[pin] connection: Conn2<T, S> },
    }
}

impl<T, S, B> Http<T, S, B>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// An error ends the connection as its end does: the client broke the protocol or left.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.project() {
            HttpProject::One { connection } => connection.poll(cx).map(|_| ()),
            HttpProject::Two { connection } => connection.poll(cx).map(|_| ()),
        }
    }

    fn shut_down(self: Pin<&mut Self>) {
        match self.project() {
            HttpProject::One { connection } => connection.graceful_shutdown(),
            HttpProject::Two { connection } => connection.graceful_shutdown(),
        }
    }
}

/// Counts the requests that a dropped connection cuts while the server drains.
struct Tally<'a> {
    shared: &'a Shared,
    state: &'a State,
    /// Unset once the connection has ended by itself: the client left, or has all of its responses.
    cut: bool,
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        // A handler that panics ends its own request.
        if self.cut && !std::thread::panicking() && self.shared.stop.times().is_some() {
            let (working, waiting) = self.state.left();
            self.shared.report.cut(working, waiting);
        }
    }
}
