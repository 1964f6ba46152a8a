//! Finds the client behind trusted proxies.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http::{
    HeaderMap,
    header::{FORWARDED, HOST},
};

use super::{Client, Host, Scheme, TrustedProxies, forwarded, network_prefix, x_forwarded};

/// The maximum number of hops that are read. Bounds the work that a huge header causes.
pub(super) const MAX_HOPS: usize = 32;

/// The headers that the trusted proxies write.
///
/// The resolver reads exactly one family. It ignores the other one, because no trusted proxy
/// overwrites the values that a client sends in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Family {
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-For`, with `X-Forwarded-Proto` and `X-Forwarded-Host`. The default, because
    /// nearly every proxy writes them.
    #[default]
    XForwarded,
}

/// Finds the client that sent a request.
///
/// # Semantics
/// 1. A peer that is not a trusted proxy is the client. Its forwarding headers are ignored.
/// 2. Otherwise all lines of the configured header are read as one list, from right to left. The
///    nearest proxy wrote the rightmost entry; anyone may have written the leftmost. Empty list
///    elements and empty lines are ignored (RFC 9110 §5.6.1).
/// 3. The walk skips trusted addresses and ends at the first untrusted one, which is the client. If
///    all addresses are trusted, the leftmost one is the client.
/// 4. The walk also ends at an entry that names no address. Entries further left are never read,
///    and the client has no address: [`Client::ip`] is `None`, and never the address of a proxy.
///    - `unknown` and obfuscated names such as `_hidden` (RFC 7239 §6.2 and §6.3), and an element of
///      `Forwarded` without `for`: the scheme and the host of the entry are still read.
///    - A malformed entry, including an element of `Forwarded` that has a parameter twice: nothing
///      of it is read.
/// 5. A trusted proxy that sends no entry at all is the client, as when a load balancer checks the
///    service's health. The first such request logs a warning, once for each resolver and its
///    clones, because the usual cause is a proxy that writes the other family.
/// 6. The scheme and the host are the ones that were written for the client's hop. The lists
///    `X-Forwarded-Proto` and `-Host` are aligned with the addresses at the right; a list that ends
///    earlier applies with its leftmost entry.
/// 7. Addresses are converted to canonical form before they are compared: `::ffff:10.0.0.1` is
///    `10.0.0.1`.
///
/// Ports (a number of up to five digits, or an obfuscated one such as `_a7`), brackets and zones are
/// parsed and discarded. At most 32 hops are read.
///
/// Each proxy must append to the header that it receives, or overwrite it. The outermost proxy must
/// not pass on a forwarded scheme or host that the client sent.
#[derive(Clone, Debug, Default)]
pub struct ClientResolver {
    trusted: TrustedProxies,
    family: Family,
    direct_scheme: Option<Scheme>,
    unix_socket: bool,
    /// Whether a proxy without the family was reported. `None` if no proxy is trusted.
    reported: Option<Arc<AtomicBool>>,
}

/// The connection of one hop, as the headers of a family describe it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) address: Address,
    pub(super) scheme: Option<Scheme>,
    pub(super) host: Option<Host>,
}

/// How a header names the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Address {
    /// The list has no entry.
    #[default]
    Absent,
    /// The walk ended at this address.
    Named(IpAddr),
    /// The walk ended at an entry without an address.
    Unnamed,
}

impl ClientResolver {
    /// Creates a resolver that reads `family` if the peer is one of the `trusted` proxies.
    #[must_use]
    pub fn new(trusted: TrustedProxies, family: Family) -> Self {
        Self { trusted, family, reported: Some(Arc::default()), ..Self::direct() }
    }

    /// Creates a resolver that trusts no proxy: the peer is the client.
    #[must_use]
    pub const fn direct() -> Self {
        Self {
            trusted: TrustedProxies::none(),
            family: Family::XForwarded,
            direct_scheme: None,
            unix_socket: false,
            reported: None,
        }
    }

    /// Trusts the forwarding headers of requests whose peer has no address: those of a proxy, such
    /// as nginx, that connects over a Unix socket. Default: they are ignored, and the client has no
    /// address.
    ///
    /// The permissions of the socket decide who may name a client. A server that also listens on
    /// TCP must attach a [`Peer`](crate::Peer) to every request that it receives there: one without
    /// a peer counts as sent over the socket.
    #[must_use]
    pub fn trust_unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self.reported.get_or_insert_default();
        self
    }

    /// Sets the scheme of requests for which no trusted proxy sent one. Default: unknown, which
    /// [`Client::scheme`] reports as [`Scheme::Http`].
    /// A service that terminates TLS itself sets [`Scheme::Https`].
    #[must_use]
    pub fn direct_scheme(mut self, scheme: Scheme) -> Self {
        self.direct_scheme = Some(scheme);
        self
    }

    /// Finds the client of a request that came from `peer` with these headers.
    ///
    /// `peer` is `None` if it has no known address (a Unix socket, a server that does not supply
    /// it). Forwarding headers are then ignored too, unless
    /// [`trust_unix_socket`](Self::trust_unix_socket) is set.
    #[must_use]
    pub fn resolve(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Client {
        let peer = peer.map(|address| address.to_canonical());
        let through_proxy = self.is_proxy(peer);
        let hop = if through_proxy { self.reach(headers) } else { Hop::default() };
        Client {
            ip: hop.address.or(peer),
            scheme: hop.scheme.or(self.direct_scheme),
            host: hop.host.or_else(|| asked_for(headers)),
            through_proxy,
        }
    }

    /// The client's network with a prefix of `ipv4_bits` or `ipv6_bits`. `None` if the client has no
    /// address.
    ///
    /// Equals [`Client::network_prefix`] of the client that [`resolve`](Self::resolve) finds,
    /// without building a [`Client`].
    #[must_use]
    pub fn network_prefix(
        &self,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
        ipv4_bits: u8,
        ipv6_bits: u8,
    ) -> Option<IpAddr> {
        let peer = peer.map(|address| address.to_canonical());
        // A limit asks for each request, and most peers are clients.
        let address = if self.is_proxy(peer) { self.reach(headers).address.or(peer) } else { peer };
        Some(network_prefix(address?, ipv4_bits, ipv6_bits))
    }

    fn is_proxy(&self, peer: Option<IpAddr>) -> bool {
        peer.map_or(self.unix_socket, |address| self.trusted.contains(address))
    }

    /// The hop that a trusted proxy's headers lead to.
    fn reach(&self, headers: &HeaderMap) -> Hop {
        let hop = self.walk(headers);
        if hop.address == Address::Absent {
            self.report_absent(headers);
        }
        hop
    }

    fn walk(&self, headers: &HeaderMap) -> Hop {
        match self.family {
            Family::Forwarded => forwarded::walk(headers, &self.trusted),
            Family::XForwarded => x_forwarded::walk(headers, &self.trusted),
        }
    }

    /// Warns once that a trusted proxy names no client.
    #[cold]
    fn report_absent(&self, headers: &HeaderMap) {
        // A load first, so that such requests do not all write to one cache line.
        let is_first = self.reported.as_ref().is_some_and(|reported| {
            !reported.load(Ordering::Relaxed) && !reported.swap(true, Ordering::Relaxed)
        });
        if !is_first {
            return;
        }
        let (expected, other) = match self.family {
            Family::Forwarded => (FORWARDED, x_forwarded::FOR.clone()),
            Family::XForwarded => (x_forwarded::FOR.clone(), FORWARDED),
        };
        tracing::warn!(
            target: "hardpoint::core::client",
            expected = expected.as_str(),
            found = headers.contains_key(&other).then(|| other.as_str()),
            "a trusted proxy named no client: its clients share its address and one limit"
        );
    }

    /// The proxies that this resolver trusts.
    #[must_use]
    pub const fn trusted_proxies(&self) -> &TrustedProxies {
        &self.trusted
    }

    /// The headers that this resolver reads.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }
}

impl Address {
    /// The client's address: the peer's, unless a header is expected to name it.
    fn or(self, peer: Option<IpAddr>) -> Option<IpAddr> {
        match self {
            Self::Absent => peer,
            Self::Named(address) => Some(address),
            Self::Unnamed => None,
        }
    }
}

/// The host of the `Host` header. `None` if the header is absent, repeated or not a valid host.
fn asked_for(headers: &HeaderMap) -> Option<Host> {
    let mut lines = headers.get_all(HOST).iter();
    let value = lines.next()?;
    lines.next().is_none().then(|| Host::from_header(value, 0..value.len()))?
}
