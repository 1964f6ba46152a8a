//! The server and its settings.

use std::{
    convert::Infallible,
    fmt, io,
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use hardpoint_core::TrustedProxies;
use http::{Request, Response};
use http_body::Body;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket};
use tower_service::Service;

use super::{BoxError, Refused, RequestBody, accept, limits::Limits, shared::Shared};
use crate::Lifecycle;

/// The kernel's queue of connections that are not accepted yet. tokio's default of 1,024 applies
/// only to listeners that its `TcpSocket` makes; its `TcpListener::bind` asks for 128.
const BACKLOG: u32 = 1_024;
/// When the kernel starts to ask whether a silent client still exists, and how often it asks.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(15));

/// A listener with the limits of its connections. See the [module docs](super).
///
/// | setting | default |
/// |---|---|
/// | [`connections`](Self::connections) | three quarters of the process's limit of open files, at most 65,536 |
/// | [`connections_per_network`](Self::connections_per_network) | an eighth of the default of `connections`, at most 256 |
/// | [`trusted_proxies`](Self::trusted_proxies) | none |
/// | [`handshake_timeout`](Self::handshake_timeout) | 10 s |
/// | [`head_timeout`](Self::head_timeout) | 10 s |
/// | [`head_bytes`](Self::head_bytes) | 16 KiB |
/// | [`body_stall`](Self::body_stall) | 30 s |
/// | [`body_rate`](Self::body_rate) | 1 KiB a second after 5 s |
/// | [`write_timeout`](Self::write_timeout) | 30 s |
/// | [`idle_timeout`](Self::idle_timeout) | 75 s |
/// | [`http2_streams`](Self::http2_streams) | 100 |
/// | [`http2_ping`](Self::http2_ping) | 20 s |
#[derive(Debug)]
#[must_use = "a server does nothing until it has a service and runs"]
pub struct Server {
    listener: TcpListener,
    limits: Limits,
    refused: Refused,
    #[cfg(feature = "tls")]
    tls: Option<super::tls::Tls>,
}

impl Server {
    /// Listens on `address`, with a queue of 1,024 connections.
    ///
    /// # Errors
    /// The address cannot be resolved or bound. The error's text contains it.
    #[expect(
        clippy::unused_async,
        reason = "must run inside a runtime, as binding registers there"
    )]
    pub async fn bind(address: impl ToSocketAddrs + fmt::Debug) -> io::Result<Self> {
        let explain = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot listen on {address:?}: {error}"))
        };
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, "it has no address");
        for address in address.to_socket_addrs().map_err(explain)? {
            match listen(address) {
                Ok(listener) => return Ok(Self::from_listener(listener)),
                Err(error) => last = error,
            }
        }
        Err(explain(last))
    }

    /// Uses a listener of the caller's, such as one that systemd passed to the process. Its queue
    /// keeps the length that the listener was made with.
    pub fn from_listener(listener: TcpListener) -> Self {
        let (limits, refused) = (Limits::new(), Refused::new());
        // Accepted connections inherit it. An error leaves the system's own settings.
        let (after, every) = KEEP_ALIVE;
        let keep_alive = TcpKeepalive::new().with_time(after).with_interval(every);
        drop(SockRef::from(&listener).set_tcp_keepalive(&keep_alive));
        Self {
            listener,
            limits,
            refused,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Sets how many connections the server holds at most, upgraded ones included. Default: three
    /// quarters of the process's limit of open files, and at most 65,536. The rest is for the admin
    /// listener, the connections to databases and files.
    ///
    /// An idle connection takes about 18 KB. If several servers share a process, give each its part.
    /// 0 refuses every connection.
    pub const fn connections(mut self, connections: usize) -> Self {
        self.limits.caps.total = connections;
        self
    }

    /// Sets how many connections one client network may hold: an IPv4 address, or the first 64 bits
    /// of an IPv6 address. Default: an eighth of the default of [`connections`](Self::connections),
    /// so that seven clients cannot fill the server, and at most 256, more than an office behind one
    /// address usually opens. With the usual limit of 1,024 files it is 96. A call of
    /// [`connections`](Self::connections) does not change it.
    ///
    /// A higher number lets one client take more of the server. 0 refuses every connection that
    /// does not come from a [trusted proxy](Self::trusted_proxies).
    pub const fn connections_per_network(mut self, connections: u32) -> Self {
        self.limits.caps.per_network = connections;
        self
    }

    /// Sets the networks of your proxies, whose connections have no limit of their own. Default:
    /// none. Use the same value as for the client addresses.
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.limits.trusted = proxies;
        self
    }

    /// Sets how long a client has for the TLS handshake and its first bytes. Default: 10 seconds,
    /// several round trips of the slowest link.
    ///
    /// A longer time lets silent connections hold their place for as long. With 0, no connection is
    /// served.
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.limits.handshake = timeout;
        self
    }

    /// Sets how long a client has for a request's head, from its first byte on. HTTP/1 only: HTTP/2
    /// has the [idle timeout](Self::idle_timeout) and its pings. Default: 10 seconds.
    ///
    /// A longer time lets a half head hold its place for as long. With 0, only a head that arrives
    /// at once is served.
    pub const fn head_timeout(mut self, timeout: Duration) -> Self {
        self.limits.head = timeout;
        self
    }

    /// Sets the longest head of a request, in bytes, trailers included. Default: 16 KiB, which holds
    /// a token of 9 KB and the usual cookies. hyper answers longer ones with 431.
    ///
    /// Each connection may take as much memory. hyper reads at least 8 KiB, so that a smaller value
    /// saves nothing.
    pub const fn head_bytes(mut self, bytes: u32) -> Self {
        self.limits.head_bytes = bytes;
        self
    }

    /// Sets how long a client may pause within a request's body. Default: 30 seconds.
    ///
    /// Only the time counts in which the handler wants to read. The limit ends when the response
    /// begins. 0 refuses every body that does not arrive with its head; [`Duration::MAX`] allows
    /// any pause.
    pub const fn body_stall(mut self, timeout: Duration) -> Self {
        self.limits.body.stall = timeout;
        self
    }

    /// Sets the least rate of a request's body in bytes a second, on average, and the time before it
    /// applies. Default: 1,024 after 5 seconds, a fraction of the slowest mobile link.
    ///
    /// Only the time counts in which the handler wants to read. A rate of 0 asks for none.
    pub const fn body_rate(mut self, bytes_per_second: u64, grace: Duration) -> Self {
        self.limits.body.rate = bytes_per_second;
        self.limits.body.grace = grace;
        self
    }

    /// Sets how long the client may take no byte of a response that waits for it. Default: 30
    /// seconds.
    ///
    /// On HTTP/2, a client also lets a response wait by its flow control. The time then counts once
    /// every request of the connection waits for the client, and each 1,024 bytes begin it again.
    /// Only the [idle timeout](Self::idle_timeout) bounds the rest of a response whose body has ended,
    /// and each further request of the connection begins it again.
    ///
    /// A longer time lets a client that does not read hold its response in memory for as long. With
    /// 0, only clients that never let a response wait are served.
    pub const fn write_timeout(mut self, timeout: Duration) -> Self {
        self.limits.write = timeout;
        self
    }

    /// Sets how long a connection may be idle between two requests. Default: 75 seconds, above the
    /// 60 seconds of common balancers: a balancer that keeps a connection for longer than its server
    /// sends requests into closed ones and answers 502.
    ///
    /// On HTTP/2, a connection is not idle while 1,024 bytes of a response leave within this time.
    /// A tunnel that CONNECT opens over HTTP/2 is not a request: its connection is closed after this
    /// time if less than that moves towards the client. WebSockets over HTTP/2 (RFC 8441) are not
    /// offered; browsers then open them over HTTP/1.1.
    ///
    /// Each idle connection takes about 18 KB. With 0, every connection serves one request.
    pub const fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.limits.idle = timeout;
        self
    }

    /// Sets how many requests of one HTTP/2 connection run at once. Default: 100, the least that
    /// RFC 9113 section 5.1.2 recommends. Clients wait before they send more.
    ///
    /// A client that does not read holds, for each request, about 64 KiB of its response and the
    /// last frame that the service made: 6.4 MB with the default, and more with a service that makes
    /// large frames. What a connection holds of its request bodies is bounded at 1 MiB for all of
    /// them. With 0, no request over HTTP/2 is served.
    pub const fn http2_streams(mut self, streams: u32) -> Self {
        self.limits.streams = streams;
        self
    }

    /// Sets how often the server pings an HTTP/2 client, also one without a request, and how long it
    /// waits for the answer. Default: 20 seconds, so that the streams of a client that vanished end
    /// within 40.
    ///
    /// A ping keeps firewalls from forgetting the connection, and wakes an idle device. Less than a
    /// second lets pings count as a response that the client takes. 0 sends none: the streams of a
    /// client that vanished then last until TCP keep-alive ends them.
    pub const fn http2_ping(mut self, every: Duration) -> Self {
        self.limits.ping = every;
        self
    }

    /// Serves TLS with this certificate.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: super::tls::Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Returns the address that the server listens on.
    ///
    /// # Errors
    /// The operating system cannot return the address.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Returns the counts of what the server refuses. They stay readable while it runs.
    #[must_use]
    pub fn refused(&self) -> Refused {
        self.refused.clone()
    }

    /// Adds the service that answers the requests: an axum `Router`, tonic's `Routes`, or any tower
    /// service of `http::Request<RequestBody>`. Each connection gets a clone of it.
    pub const fn service<S>(self, service: S) -> Serving<S> {
        Serving { server: self, service }
    }
}

/// A [`Server`] with its service. Created by [`Server::service`].
#[must_use = "a server does nothing until it runs"]
pub struct Serving<S> {
    server: Server,
    service: S,
}

impl<S, B> Serving<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Serves until `lifecycle` has drained, then ends the process with the exit code of
    /// [`Lifecycle::run`]. Never returns; see [`Lifecycle::run_to_exit`].
    pub async fn run(self, lifecycle: &Lifecycle) -> ! {
        lifecycle.run_to_exit(self.serve(lifecycle)).await
    }

    /// Serves until `lifecycle` has drained. Pass it to [`Lifecycle::run`] or
    /// [`Lifecycle::run_to_exit`], several servers as one future: `tokio::try_join!` makes it.
    ///
    /// Dropping the future drops the listener and every connection.
    ///
    /// # Errors
    /// Never. The type lets the future be passed on as it is.
    pub fn serve(
        self,
        lifecycle: &Lifecycle,
    ) -> impl Future<Output = Result<(), Infallible>> + Send + use<S, B> {
        let lifecycle = lifecycle.clone();
        async move {
            let Self { server, service } = self;
            #[cfg_attr(not(feature = "tls"), expect(unused_mut, reason = "only TLS changes it"))]
            let mut shared = Shared::new(server.limits, server.refused, &lifecycle);
            #[cfg(feature = "tls")]
            {
                shared.tls = server.tls.map(super::tls::Tls::start);
            }
            accept::run(Arc::new(shared), server.listener, service, lifecycle).await;
            Ok(())
        }
    }
}

impl<S> fmt::Debug for Serving<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("server", &self.server).finish_non_exhaustive()
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Without it, a restarted service cannot bind for a minute. On Windows it means another thing.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
