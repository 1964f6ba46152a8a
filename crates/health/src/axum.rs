//! A listener for [`axum::serve()`] that answers just-accepted connections before the service
//! stops.
//!
//! axum stops accepting and closes idle connections at the same moment, and hyper considers a
//! connection idle until it has read its first byte. A client therefore gets no response if axum
//! accepted its connection just before that moment, or if the connection still waits in the
//! kernel's queue.
//!
//! [`DrainListener`] separates the two steps. When the drain delay is over, it accepts the
//! connections in the kernel's queue and closes the socket. During the settle time, the server
//! reads the requests that are arriving. Only then does
//! [`stop_accepting`](crate::Lifecycle::stop_accepting) resolve.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use hardpoint_health::{Lifecycle, axum::drain_listener};
//! use std::{net::SocketAddr, process::ExitCode};
//!
//! #[tokio::main]
//! async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
//!     let lifecycle = Lifecycle::builder().build()?;
//!     let app = Router::new().route("/", get(|| async { "hello" }));
//!     let socket = tokio::net::TcpListener::bind("0.0.0.0:3000").await?;
//!     lifecycle.started();
//!
//!     let server = axum::serve(
//!         drain_listener(&lifecycle, socket),
//!         app.into_make_service_with_connect_info::<SocketAddr>(),
//!     );
//!     let server = server.with_graceful_shutdown(lifecycle.stop_accepting());
//!     Ok(lifecycle.run(server).await)
//! }
//! ```

use std::{fmt, future, io, pin::Pin, time::Duration};

use axum::serve::{Listener, ListenerExt, TapIo};
use tokio::time::{Instant, timeout, timeout_at};

use crate::Lifecycle;

/// A [`DrainListener`] in axum's [`TapIo`] adapter. axum's `ConnectInfo` extractor for peer
/// addresses supports arbitrary listeners only through that adapter.
pub type TappedListener<L> = TapIo<DrainListener<L>, fn(&mut <L as Listener>::Io)>;

/// Returns a listener that drains with `lifecycle`. See the [module docs](self).
pub fn drain_listener<L: Listener>(lifecycle: &Lifecycle, listener: L) -> TappedListener<L> {
    let untouched: fn(&mut L::Io) = |_| {};
    let listener = DrainListener {
        stage: Stage::Open(listener),
        close: Box::pin(lifecycle.close_listeners()),
        take_in_for: lifecycle.take_in_for(),
    };
    listener.tap_io(untouched)
}

/// A listener that closes when the drain delay is over. Created by [`drain_listener`].
pub struct DrainListener<L> {
    stage: Stage<L>,
    /// Kept across calls: the server drops the future of `accept` and calls it again.
    close: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
    take_in_for: Duration,
}

enum Stage<L> {
    /// Accepts every connection.
    Open(L),
    /// Accepts connections from the kernel's queue, until this instant at the latest.
    Closing(L, Instant),
    /// The socket is closed.
    Closed,
}

/// If the kernel reports no connection for this long, its queue is empty.
const QUEUE_EMPTY_AFTER: Duration = Duration::from_millis(1);

impl<L: Listener> Listener for DrainListener<L> {
    type Io = L::Io;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (L::Io, L::Addr) {
        if let Stage::Open(listener) = &mut self.stage {
            // Biased: a steady stream of connections must not hide the end of the delay.
            tokio::select! {
                biased;
                () = &mut self.close => {}
                connection = listener.accept() => return connection,
            }
            let until = Instant::now() + self.take_in_for;
            if let Stage::Open(listener) = std::mem::replace(&mut self.stage, Stage::Closed) {
                self.stage = Stage::Closing(listener, until);
            }
        }
        if let Stage::Closing(listener, until) = &mut self.stage {
            let accept = timeout(QUEUE_EMPTY_AFTER, listener.accept());
            if let Ok(Ok(connection)) = timeout_at(*until, accept).await {
                return connection;
            }
            self.stage = Stage::Closed;
        }
        future::pending().await
    }

    fn local_addr(&self) -> io::Result<L::Addr> {
        match &self.stage {
            Stage::Open(listener) | Stage::Closing(listener, _) => listener.local_addr(),
            Stage::Closed => Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the drain has closed the listener",
            )),
        }
    }
}

impl<L: fmt::Debug> fmt::Debug for DrainListener<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stage, listener) = match &self.stage {
            Stage::Open(listener) => ("open", Some(listener)),
            Stage::Closing(listener, _) => ("closing", Some(listener)),
            Stage::Closed => ("closed", None),
        };
        f.debug_struct("DrainListener")
            .field("stage", &stage)
            .field("listener", &listener)
            .finish_non_exhaustive()
    }
}
