//! Finds the client behind trusted proxies.

use std::net::IpAddr;

use http::{HeaderMap, header::HOST};

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
///    nearest proxy wrote the rightmost entry; anyone may have written the leftmost.
/// 3. The walk skips trusted addresses and ends at the first untrusted one, which is the client.
/// 4. An entry that is not an address (`unknown`, an obfuscated name, junk, nothing) ends the walk.
///    The client is then the last address that was reached. Entries further left are never read.
/// 5. The scheme and the host are the ones that were written for the client's hop.
/// 6. Addresses are converted to canonical form before they are compared: `::ffff:10.0.0.1` is
///    `10.0.0.1`.
///
/// Ports, brackets and zones are parsed and discarded. At most 32 hops are read.
///
/// Each proxy must append to the header that it receives, or overwrite it. The outermost proxy must
/// not pass on a forwarded scheme or host that the client sent.
#[derive(Clone, Debug, Default)]
pub struct ClientResolver {
    trusted: TrustedProxies,
    family: Family,
    direct_scheme: Option<Scheme>,
}

/// The connection of one hop, as the headers of a family describe it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) address: Option<IpAddr>,
    pub(super) scheme: Option<Scheme>,
    pub(super) host: Option<Host>,
}

impl ClientResolver {
    /// Creates a resolver that reads `family` if the peer is one of the `trusted` proxies.
    #[must_use]
    pub const fn new(trusted: TrustedProxies, family: Family) -> Self {
        Self { trusted, family, direct_scheme: None }
    }

    /// Creates a resolver that trusts no proxy: the peer is the client.
    #[must_use]
    pub const fn direct() -> Self {
        Self::new(TrustedProxies::none(), Family::XForwarded)
    }

    /// Sets the scheme of requests for which no trusted proxy sent one. Default: [`Scheme::Http`].
    /// A service that terminates TLS itself sets [`Scheme::Https`].
    #[must_use]
    pub fn direct_scheme(mut self, scheme: Scheme) -> Self {
        self.direct_scheme = Some(scheme);
        self
    }

    /// Finds the client of a request that came from `peer` with these headers.
    ///
    /// `peer` is `None` if its address is unknown (a Unix socket, a server that does not supply
    /// it). Forwarding headers are then ignored too.
    #[must_use]
    pub fn resolve(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Client {
        let peer = peer.map(|address| address.to_canonical());
        let through_proxy = peer.is_some_and(|address| self.trusted.contains(address));
        let hop = if through_proxy { self.walk(headers) } else { Hop::default() };
        Client {
            ip: hop.address.or(peer),
            scheme: hop.scheme.or(self.direct_scheme).unwrap_or(Scheme::Http),
            host: hop.host.or_else(|| asked_for(headers)),
            through_proxy,
        }
    }

    /// The client's network with a prefix of `ipv4_bits` or `ipv6_bits`. `None` if the peer's
    /// address is unknown.
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
        let peer = peer?.to_canonical();
        let through_proxy = self.trusted.contains(peer);
        let address = if through_proxy { self.walk(headers).address } else { None };
        Some(network_prefix(address.unwrap_or(peer), ipv4_bits, ipv6_bits))
    }

    fn walk(&self, headers: &HeaderMap) -> Hop {
        match self.family {
            Family::Forwarded => forwarded::walk(headers, &self.trusted),
            Family::XForwarded => x_forwarded::walk(headers, &self.trusted),
        }
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

/// The host of the `Host` header. `None` if the header is absent, repeated or not a valid host.
fn asked_for(headers: &HeaderMap) -> Option<Host> {
    let mut lines = headers.get_all(HOST).iter();
    let value = lines.next()?;
    lines.next().is_none().then(|| Host::from_header(value, 0..value.len()))?
}
