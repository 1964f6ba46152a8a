//! The limits of a server.

use std::time::Duration;

use hardpoint_core::TrustedProxies;

use super::{file_limit, occupancy::Caps, pace::PaceLimits};

/// Every limit of a server. The setters of [`Server`](super::Server) document them.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) handshake: Duration,
    pub(super) head: Duration,
    pub(super) head_bytes: u32,
    pub(super) body: PaceLimits,
    pub(super) write: Duration,
    pub(super) idle: Duration,
    pub(super) caps: Caps,
    pub(super) trusted: TrustedProxies,
    pub(super) streams: u32,
    pub(super) ping: Duration,
    /// How long an HTTP/2 connection without a stream stays open after its GOAWAY.
    pub(super) goaway_grace: Duration,
}

impl Limits {
    pub(super) fn new() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            head_bytes: 16 * 1024,
            body: PaceLimits {
                stall: Duration::from_secs(30),
                grace: Duration::from_secs(5),
                rate: 1024,
            },
            write: Duration::from_secs(30),
            idle: Duration::from_secs(75),
            caps: Caps { total: file_limit::default_connections(), per_network: 256 },
            trusted: TrustedProxies::none(),
            streams: 100,
            ping: Duration::from_secs(20),
            goaway_grace: Duration::from_millis(250),
        }
    }
}
