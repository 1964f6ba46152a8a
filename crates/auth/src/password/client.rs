//! The client whose password is hashed or verified.

use std::{
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

use hardpoint_core::Key;
use http::request;

use super::queue::Seat;
use crate::network::network;

/// The client that the hasher works for. Its queue is fair between clients.
///
/// It holds a keyed hash of the client's identity, under a key that is drawn when the process
/// starts. `Debug` hides it.
///
/// ```
/// use hardpoint_auth::password::PasswordClient;
/// use hardpoint_core::Key;
///
/// let client = PasswordClient::new(&Key::address("203.0.113.9".parse()?));
/// // The device cookie of an earlier log-in was valid.
/// let owner = client.known_device(true);
/// assert_ne!(client, owner);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct PasswordClient {
    pub(super) seat: Seat,
}

static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl PasswordClient {
    /// The client with this key, such as its network. Do not use a value that the client chooses,
    /// such as an e-mail address: a client that invents keys would get a turn for each.
    pub fn new(key: &Key<'_>) -> Self {
        Self { seat: Seat { client: KEY.hash_one((0_u8, key.as_bytes())), is_known: false } }
    }

    /// The client of a request: the network (an IPv4 address, the `/64` of IPv6) of the address that a
    /// layer resolved, or else of the peer's. Requests without both share the turns of one client.
    pub fn from_parts(parts: &request::Parts) -> Self {
        match network(&parts.extensions) {
            Some(address) => Self::new(&Key::address(address)),
            None => Self { seat: Seat { client: KEY.hash_one(1_u8), is_known: false } },
        }
    }

    /// The service itself: a command of its operator, an import, a job. Its turns are those of one client
    /// among the known devices, where strangers cannot delay it.
    pub fn service() -> Self {
        Self { seat: Seat { client: KEY.hash_one(2_u8), is_known: true } }
    }

    /// Whether the client proved that this account has logged in on it before, by a device cookie. It
    /// then waits in a queue of its own, which gets every second turn. Default: false.
    ///
    /// Pass `true` only for proof that an attacker can neither make nor buy in numbers: the lane is
    /// only as strong as the proof.
    pub fn known_device(mut self, is_known: bool) -> Self {
        self.seat.is_known = is_known;
        self
    }
}

debug_only!(PasswordClient {});

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use hardpoint_core::Peer;

    use super::*;

    #[test]
    fn one_ipv6_network_is_one_client_without_a_layer_too() {
        let client = |peer: &str| {
            let (mut parts, ()) = http::Request::new(()).into_parts();
            parts.extensions.insert(Peer::new(peer.parse::<SocketAddr>().unwrap()));
            PasswordClient::from_parts(&parts)
        };
        assert!(client("[2001:db8::1]:1") == client("[2001:db8::2]:2"));
        assert!(client("[2001:db8::1]:1") != client("[2001:db8:0:1::1]:1"));
    }
}
