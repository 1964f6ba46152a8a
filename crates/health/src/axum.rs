//! A listener for [`axum::serve()`] that loses no connection it could have answered.
//!
//! axum stops accepting and closes quiet connections in the same moment, and hyper takes a
//! connection for quiet if it has not read a byte of it yet: a client whose connection was accepted
//! just before the drain gets no answer, and neither do those that the kernel has accepted and axum
//! has not. This listener separates the two: first it takes in what the kernel holds and closes
//! the socket, then the settle time passes, in which what is arriving is read, and only then
//! [`stop_accepting`](crate::Lifecycle::stop_accepting) resolves.
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

/// A listener that drains with its lifecycle, as axum's extractor of the peer's address needs it:
/// only for axum's own adapter is that implemented for every listener.
pub type TappedListener<L> = TapIo<DrainListener<L>, fn(&mut <L as Listener>::Io)>;

/// Makes `listener` drain with `lifecycle`. See the [module docs](self).
pub fn drain_listener<L: Listener>(lifecycle: &Lifecycle, listener: L) -> TappedListener<L> {
    let untouched: fn(&mut L::Io) = |_| {};
    let listener = DrainListener {
        stage: Stage::Open(listener),
        close: Box::pin(lifecycle.close_listeners()),
        take_in_for: lifecycle.take_in_for(),
    };
    listener.tap_io(untouched)
}

/// A listener that closes when the drain delay is over. Made by [`drain_listener`].
pub struct DrainListener<L> {
    stage: Stage<L>,
    /// Kept across calls: `accept` is dropped and called again for each connection.
    close: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
    take_in_for: Duration,
}

enum Stage<L> {
    /// Accepts whoever comes.
    Open(L),
    /// Takes in those who came before, until this point at the latest.
    Closing(L, Instant),
    /// The socket is closed.
    Closed,
}

/// How long the kernel may take to report a connection that waits in its queue.
const QUEUE_EMPTY_AFTER: Duration = Duration::from_millis(1);

impl<L: Listener> Listener for DrainListener<L> {
    type Io = L::Io;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (L::Io, L::Addr) {
        if let Stage::Open(listener) = &mut self.stage {
            // Biased: also if connections come without a pause, the end of the delay is seen.
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
                "the listener was closed by the drain",
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
