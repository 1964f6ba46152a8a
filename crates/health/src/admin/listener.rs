//! The accept loop of the admin listener.

use std::{collections::VecDeque, convert::Infallible, error::Error, sync::Arc, time::Duration};

use hardpoint_core::Peer;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};
use tracing::warn;

use super::service::Shared;

/// How many connections are open at most. Far more than an orchestrator, a scraper and a few
/// operators need, and few enough to leave the process its files.
const MAX_CONNECTIONS: usize = 128;

/// The time for a request head, and between two requests. Hyper has one timer for both. Scrapers
/// that come once a minute open a connection each time, which costs them nothing.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest request head.
const MAX_HEAD: usize = 16 * 1024;

/// The pause after a failed accept: most failures mean that the process has no file left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until the future is dropped, which closes them too.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_header_size(MAX_HEAD);
    let mut connections = JoinSet::new();
    let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Takes the ended connections out of the set.
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                failing = false;
                oldest_first.retain(|connection| !connection.is_finished());
                if oldest_first.len() >= MAX_CONNECTIONS
                    && let Some(oldest) = oldest_first.pop_front()
                {
                    oldest.abort();
                }
                let connection = serve(http.clone(), stream, Peer::new(peer), Arc::clone(&shared));
                oldest_first.push_back(connections.spawn(connection));
            }
            Err(error) => {
                if !failing {
                    failing = true;
                    let error: &(dyn Error + 'static) = &error;
                    warn!(
                        target: "hardpoint::health::admin",
                        error,
                        "the admin listener cannot accept a connection, trying again"
                    );
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(http: http1::Builder, stream: TcpStream, peer: Peer, shared: Arc<Shared>) {
    // Without it, an answer of two packets may wait for an acknowledgement. A socket that refuses
    // the option works all the same.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(shared.answer(request).await) }
    });
    // An error here is the client's: it sent no HTTP, was too slow, or went away.
    drop(http.serve_connection(TokioIo::new(stream), service).await);
}
