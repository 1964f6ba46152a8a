//! Finding the client behind trusted proxies.

use std::net::IpAddr;

use http::{HeaderMap, header::HOST};

use super::{Client, Host, Scheme, TrustedProxies, forwarded, network_prefix, x_forwarded};

/// How many hops are looked at before the walk stops: bounds the work that a huge header causes.
pub(super) const MAX_HOPS: usize = 32;

/// The headers that our proxies write.
///
/// Exactly one family is read. Whatever a client sends in the other one is ignored, since no proxy
/// of ours overwrites it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-For`, with `X-Forwarded-Proto` and `X-Forwarded-Host`. The default: what
    /// nearly every proxy writes.
    #[default]
    XForwarded,
}

/// Tells who sent a request.
///
/// # Semantics
/// 1. A peer that is no trusted proxy is the client; no forwarding header is looked at.
/// 2. Otherwise all lines of the one configured header are read as one list, from the right, which
///    is what the nearest proxy wrote, to the left, which is what anyone may have written.
/// 3. The walk goes on over trusted addresses and ends at the first untrusted one: the client.
/// 4. An entry that is no address (`unknown`, an obfuscated name, junk, nothing) ends the walk at
///    the last address that was reached. Nothing left of it is ever looked at.
/// 5. Scheme and host are what was written about the same hop.
/// 6. Addresses are made canonical before they are compared: `::ffff:10.0.0.1` is `10.0.0.1`.
///
/// Ports, brackets and zones are understood and dropped. At most 32 hops are read.
///
/// The proxies must each append to the header they are handed or overwrite it, and the outermost
/// must not pass on a scheme or a host that the client invented.
#[derive(Clone, Debug, Default)]
pub struct ClientResolver {
    trusted: TrustedProxies,
    family: Family,
    direct_scheme: Option<Scheme>,
}

/// What a family's headers say about the connection of one hop.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) address: Option<IpAddr>,
    pub(super) scheme: Option<Scheme>,
    pub(super) host: Option<Host>,
}

impl ClientResolver {
    /// Believes `family` when it comes from one of the `trusted` proxies.
    #[must_use]
    pub const fn new(trusted: TrustedProxies, family: Family) -> Self {
        Self { trusted, family, direct_scheme: None }
    }

    /// Believes nobody: the peer is the client.
    #[must_use]
    pub const fn direct() -> Self {
        Self::new(TrustedProxies::none(), Family::XForwarded)
    }

    /// The scheme of connections that no proxy tells about. Default: plain HTTP; a service that
    /// ends TLS itself says [`Scheme::Https`].
    #[must_use]
    pub const fn direct_scheme(mut self, scheme: Scheme) -> Self {
        self.direct_scheme = Some(scheme);
        self
    }

    /// Who sent a request that came from `peer` with these headers.
    ///
    /// `None` as the peer means that its address is not known (a Unix socket, a server that does
    /// not say): then no header is believed either.
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

    /// The network of so many bits that the client's address lies in: as
    /// [`Client::network_prefix`] of what [`resolve`](Self::resolve) finds, without looking at what else a
    /// request says. `None` if the peer's address is not known.
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

    /// The headers that this resolver reads.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.family
    }
}

/// The host of the `Host` header: one line, or none.
fn asked_for(headers: &HeaderMap) -> Option<Host> {
    let mut lines = headers.get_all(HOST).iter();
    let value = lines.next()?;
    lines.next().is_none().then(|| Host::from_header(value, 0..value.len()))?
}
