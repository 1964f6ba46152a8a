//! The limits of a server.

use std::time::Duration;

use hardpoint_core::TrustedProxies;

use super::{file_limit, occupancy::Caps, pace::PaceLimits};

/// More than an office behind one address usually opens.
const MOST_PER_NETWORK: u32 = 256;

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
    /// How long an HTTP/2 connection on which nothing moves stays open after its GOAWAY.
    pub(super) goaway_grace: Duration,
}

impl Limits {
    pub(super) fn new() -> Self {
        let total = file_limit::default_connections();
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
            caps: Caps { total, per_network: per_network(total) },
            trusted: TrustedProxies::none(),
            streams: 100,
            ping: Duration::from_secs(20),
            goaway_grace: Duration::from_secs(1),
        }
    }
}

/// The connections of one client network in a server of `total`: an eighth, so that a few clients
/// cannot fill it.
fn per_network(total: usize) -> u32 {
    u32::try_from(total / 8).unwrap_or(MOST_PER_NETWORK).clamp(1, MOST_PER_NETWORK)
}

#[cfg(test)]
mod tests {
    use super::per_network;

    #[test]
    fn seven_networks_never_fill_a_server() {
        for (total, expected) in [(768, 96), (192, 24), (16, 2), (65_536, 256), (usize::MAX, 256)] {
            assert_eq!(per_network(total), expected);
            assert!(u64::from(expected) * 7 < total as u64, "{total}");
        }
        assert_eq!(per_network(1), 1);
    }
}
