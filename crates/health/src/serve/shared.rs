//! What all connections of a server share.

use std::sync::Arc;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioTimer;

use super::{
    limits::Limits,
    refused::Refused,
    report::{Draining, Report},
    stop::Stop,
    streams::Streams,
};
use crate::Lifecycle;

/// One per running server, behind one `Arc`.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) refused: Refused,
    pub(super) draining: Draining,
    pub(super) report: Report,
    pub(super) stop: Stop,
    pub(super) streams: Streams,
    pub(super) http1: http1::Builder,
    pub(super) http2: http2::Builder<Streams>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<super::tls::Acceptor>,
}

impl Shared {
    pub(super) fn new(limits: Limits, refused: Refused, lifecycle: &Lifecycle) -> Self {
        let streams = Streams::default();
        Self {
            http1: http1(&limits),
            http2: http2(&limits, streams.clone()),
            limits,
            refused,
            draining: Draining::new(Arc::clone(lifecycle.board())),
            report: Report::begin(Arc::clone(lifecycle.tally())),
            stop: Stop::default(),
            streams,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // hyper's timer also counts idle time. `Patience` has separate limits for head and idle.
        .header_read_timeout(None)
        .max_header_size(usize::try_from(limits.head_bytes).unwrap_or(usize::MAX));
    builder
}

fn http2(limits: &Limits, streams: Streams) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.head_bytes)
        // Rapid resets (CVE-2023-44487) end the connection.
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(1_024)
        // hyper's 400 KB for each stream would let a client that does not read hold 40 MB.
        .max_send_buf_size(64 * 1024)
        .keep_alive_interval((!limits.ping.is_zero()).then_some(limits.ping))
        .keep_alive_timeout(limits.ping);
    builder
}
