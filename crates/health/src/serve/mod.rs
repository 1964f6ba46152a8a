//! A server whose connections no client can hold up.
//!
//! It protects a service against clients that send half a request, send a byte now and then, do not
//! read their responses, or open more connections than their share. When the service drains, it
//! ends each connection as soon as it may, and it cuts no request that a client can still finish.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use hardpoint_health::{Lifecycle, serve::Server};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let lifecycle = Lifecycle::builder().build()?;
//!     let app = Router::new().route("/", get(|| async { "hello" }));
//!     let server = Server::bind("0.0.0.0:3000").await?;
//!     lifecycle.started();
//!     server.service(app).run(&lifecycle).await
//! }
//! ```
//!
//! A client that does not keep to the limits is refused, and the others are served:
//!
//! ```
//! # use axum::{Router, routing::get};
//! # use hardpoint_health::Lifecycle;
//! use hardpoint_health::serve::{Cause, Server};
//! use std::time::Duration;
//! use tokio::{
//!     io::{AsyncReadExt, AsyncWriteExt},
//!     net::TcpStream,
//! };
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # let lifecycle = Lifecycle::builder().drain_delay(Duration::ZERO).build()?;
//! # let app = Router::new().route("/", get(|| async { "hello" }));
//! let server = Server::bind("127.0.0.1:0").await?.head_timeout(Duration::from_millis(50));
//! let (address, refused) = (server.local_addr()?, server.refused());
//! let running = tokio::spawn(server.service(app).serve(&lifecycle));
//!
//! let mut answer = String::new();
//! let mut slow = TcpStream::connect(address).await?;
//! slow.write_all(b"GET / HTTP/1.1\r\nhost: ").await?;
//! slow.read_to_string(&mut answer).await?;
//! assert_eq!(answer, "");
//! assert_eq!(refused.count(Cause::Head), 1);
//!
//! let mut client = TcpStream::connect(address).await?;
//! client.write_all(b"GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n").await?;
//! client.read_to_string(&mut answer).await?;
//! assert!(answer.starts_with("HTTP/1.1 200 OK"));
//! # lifecycle.begin_drain();
//! # running.await??;
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(example())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Semantics
//!
//! 1. The server speaks HTTP/1.0, HTTP/1.1 and HTTP/2 with prior knowledge on one port. The first
//!    three bytes decide.
//! 2. A client has [`handshake_timeout`](Server::handshake_timeout) to send its first bytes, and
//!    from then on [`head_timeout`](Server::head_timeout) for each head. The server closes the
//!    connection of a client that takes longer, without a response. A head longer than
//!    [`head_bytes`](Server::head_bytes) gets a 431.
//! 3. A body must not pause for [`body_stall`](Server::body_stall) and must keep
//!    [`body_rate`](Server::body_rate) on average. Otherwise reading it fails with a [`BodyError`],
//!    and the server replaces the handler's response with a 408, which it notes in the request's
//!    [`Replacement`](hardpoint_core::Replacement) for the access line. Both count only the time in which
//!    the handler waits for the client, and end when the response begins.
//! 4. A client that takes no byte of a waiting response for
//!    [`write_timeout`](Server::write_timeout) is disconnected, also if it does so by the flow
//!    control of HTTP/2.
//! 5. A connection without a request is closed after [`idle_timeout`](Server::idle_timeout), within
//!    a quarter of it or a second, whichever is longer. HTTP/2 gets a GOAWAY first.
//! 6. An HTTP/1.1 request without a `Host` field, or with two, gets a 400 (RFC 9112 section 3.2).
//! 7. A connection beyond [`connections`](Server::connections) or
//!    [`connections_per_network`](Server::connections_per_network) is closed as soon as it is
//!    accepted. Upgraded connections count until they are closed.
//! 8. If the operating system cannot accept a connection, for example because the process has no
//!    file left, the server tries again after 25 ms.
//! 9. Each refusal is counted by its [`Cause`]. The server logs the first one, then at most one line
//!    per cause and 10 seconds, with the number since the line before and the name of the setting.
//!
//! When the lifecycle drains:
//!
//! 1. During the [drain delay](crate::lifecycle::LifecycleBuilder::drain_delay), the server accepts
//!    and serves as before. HTTP/1 responses carry `Connection: close`.
//! 2. Then it accepts the connections that wait in the kernel's queue and closes the socket.
//! 3. After the [settle time](crate::lifecycle::LifecycleBuilder::settle), it closes every
//!    connection without a request in flight. One that has received a part of a head gets the settle
//!    time once more. HTTP/2 gets a GOAWAY. Without a request in flight, it is closed as soon as less
//!    than 1,024 bytes of a response leave within a second, and at the latest after half of the
//!    [drain deadline](crate::lifecycle::LifecycleBuilder::drain_deadline).
//! 4. A request that waits only for its client (for the rest of its body, or for the client to read
//!    the response) has half of the
//!    [drain deadline](crate::lifecycle::LifecycleBuilder::drain_deadline). Its connection is then
//!    closed. Such requests are counted and logged, and do not change the exit code.
//! 5. At the deadline, the server drops the connections that are left. That drops their handlers,
//!    so that layers that record a dropped request write their lines.
//!
//! # Sharing
//!
//! Each server has its own limits and counts. A [`Refused`] shares the counts of its server.
//!
//! # Cancellation
//!
//! When a client disconnects, the server drops the handler of an HTTP/1 request as soon as the
//! connection reports it, and that of an HTTP/2 request when the stream is reset. Dropping the
//! future of [`Serving::serve`] drops all connections.
//!
//! # Deployment caveats
//!
//! - Behind a balancer that forwards TCP connections without their addresses (source NAT, as
//!   Kubernetes' `externalTrafficPolicy: Cluster` does), all clients share the network of the
//!   balancer or node. Behind a proxy that speaks HTTP, they share the proxy's. Name its networks in
//!   [`trusted_proxies`](Server::trusted_proxies), or raise
//!   [`connections_per_network`](Server::connections_per_network). The log line of a full network
//!   names both settings.
//! - Health checks that a balancer's operator wrote by hand in HTTP/1.1 need a `Host` field.
//! - The first clients of a large network behind one IPv4 address, such as a mobile carrier's, can
//!   keep out the others.
//! - A handler that reads its request body only in part leaves the rest unread. The server then
//!   closes the connection after the response.
//! - A handler may respond while a task of its own still reads the request's body. On HTTP/1, what
//!   arrives once the response has ended counts as the next head: the client has
//!   [`head_timeout`](Server::head_timeout) for the rest. Respond after the end of the body, or let
//!   the response's body end after it.
//! - On HTTP/2, a request is over once the client's window covers the rest of its response, or once
//!   the rest is shorter than 1,024 bytes. A client that then keeps its window shut is bounded by
//!   [`idle_timeout`](Server::idle_timeout).
//! - An upgraded connection (a WebSocket) is the application's: it has no timeout, and the drain
//!   does not wait for it. Hold a [guard](crate::Lifecycle::hold) for it, and subscribe to
//!   [`Lifecycle::draining`](crate::Lifecycle::draining).
//!
//! # Where to put it
//!
//! Instead of `axum::serve`, of a loop over hyper-util's `auto` builder, and of tonic's
//! `Server::builder`. The layers of the service stay as they are. The server inserts the peer's
//! address into each request: axum's `ConnectInfo<SocketAddr>` (feature `axum`), tonic's
//! `TcpConnectInfo` (feature `tonic`), otherwise [`Peer`](hardpoint_core::Peer), all of which
//! [`Peer::find`](hardpoint_core::Peer::find) finds.

pub use self::{
    refused::{Cause, Refused},
    request::{BodyError, RequestBody},
    server::{Server, Serving},
};

mod accept;
mod connection;
mod dispatch;
mod file_limit;
#[cfg(feature = "hyper")]
pub mod hyper;
mod io;
mod limits;
mod occupancy;
mod pace;
mod patience;
mod refused;
mod rejection;
mod report;
mod request;
mod response;
mod seat;
mod server;
mod shared;
mod state;
mod stop;
mod streams;
#[cfg(feature = "tls")]
pub mod tls;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
