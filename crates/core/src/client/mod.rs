//! The client of a request: its address, scheme and host behind trusted proxies.

mod forwarded;
mod host;
mod peer;
mod resolver;
mod trusted;
mod x_forwarded;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

pub use self::{
    host::Host,
    peer::Peer,
    resolver::{ClientResolver, Family},
    trusted::{ConfigError, TrustedProxies},
};

/// The client that sent a request, as found by [`ClientResolver::resolve`].
///
/// `Debug` hides the address, which is personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct Client {
    ip: Option<IpAddr>,
    scheme: Option<Scheme>,
    host: Option<Host>,
    through_proxy: bool,
}

impl Client {
    /// The client's address, never IPv4-mapped. `None` if the peer's address is unknown, as on a
    /// Unix socket, or if a trusted proxy named no address (`unknown`, `_hidden`, or an entry that
    /// is malformed).
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// The network that limits count the client under: the address for IPv4, the `/64` for IPv6.
    /// One IPv6 customer gets at least a `/64`.
    #[must_use]
    pub fn network(&self) -> Option<IpAddr> {
        self.network_prefix(32, 64)
    }

    /// The client's network with a prefix of `ipv4_bits` or `ipv6_bits`. A prefix longer than the
    /// address means the whole address.
    ///
    /// An IPv6 address that a translator made from an IPv4 address (`64:ff9b::/96`, RFC 6052)
    /// counts as the IPv4 address: one customer is behind it, not the whole internet.
    #[must_use]
    pub fn network_prefix(&self, ipv4_bits: u8, ipv6_bits: u8) -> Option<IpAddr> {
        Some(network_prefix(self.ip?, ipv4_bits, ipv6_bits))
    }

    /// The scheme that the client used: plain HTTP if it is not known.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme.unwrap_or(Scheme::Http)
    }

    /// The scheme that the client used. `None` if no trusted proxy sent one and the resolver has no
    /// [`direct_scheme`](ClientResolver::direct_scheme).
    #[must_use]
    pub fn known_scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    /// The host that the client requested, with its port if it sent one.
    #[must_use]
    pub fn host(&self) -> Option<&Host> {
        self.host.as_ref()
    }

    /// Whether the request came from a trusted proxy. If so, a header that the proxy is known to
    /// overwrite, such as a request id, can be trusted.
    #[must_use]
    pub fn through_proxy(&self) -> bool {
        self.through_proxy
    }

    /// Uses `host` if no header contained one. HTTP/2 sends the host in the authority of the
    /// target.
    #[must_use]
    pub fn or_host(mut self, host: Option<Host>) -> Self {
        self.host = self.host.or(host);
        self
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("ip", &self.ip.map(|_| "[redacted]"))
            .field("scheme", &self.scheme)
            .field("host", &self.host)
            .field("through_proxy", &self.through_proxy)
            .finish()
    }
}

fn network_prefix(address: IpAddr, ipv4_bits: u8, ipv6_bits: u8) -> IpAddr {
    match untranslated(address) {
        IpAddr::V4(v4) => {
            let hidden = 32_u32.saturating_sub(ipv4_bits.into());
            Ipv4Addr::from_bits(v4.to_bits() & u32::MAX.checked_shl(hidden).unwrap_or(0)).into()
        }
        IpAddr::V6(v6) => {
            let hidden = 128_u32.saturating_sub(ipv6_bits.into());
            let mask = u128::MAX.checked_shl(hidden).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

/// Returns the IPv4 address that a translator embedded under the well-known prefix, or `address`
/// itself.
fn untranslated(address: IpAddr) -> IpAddr {
    const PREFIX: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

    match address {
        IpAddr::V6(v6) if v6.segments().starts_with(&PREFIX) => {
            let [_, _, _, _, _, _, _, _, _, _, _, _, a, b, c, d] = v6.octets();
            Ipv4Addr::new(a, b, c, d).into()
        }
        other => other,
    }
}

/// The scheme of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The scheme as written in a URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Parses the scheme that a proxy wrote. Anything but `https`, and the `wss` that some proxies
    /// write for a WebSocket, counts as plain HTTP.
    fn parse(text: &[u8]) -> Self {
        let is_https = text.eq_ignore_ascii_case(b"https") || text.eq_ignore_ascii_case(b"wss");
        if is_https { Self::Https } else { Self::Http }
    }
}

/// Parses an address as proxies write it: with or without a port, brackets or an IPv6 zone. The
/// result is never IPv4-mapped.
fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim_matches([' ', '\t']);
    let address = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            if !port.is_empty() {
                parse_port(port.strip_prefix(':')?)?;
            }
            parse_v6(address)?
        }
        // One colon precedes a port. Several colons mean an IPv6 address without brackets.
        None => match text.split_once(':') {
            Some((address, port)) if !port.contains(':') => {
                parse_port(port)?;
                IpAddr::V4(address.parse().ok()?)
            }
            Some(_) => parse_v6(text)?,
            None => IpAddr::V4(text.parse().ok()?),
        },
    };
    Some(address.to_canonical())
}

/// Accepts the zones of RFC 6874 §2: letters, digits, `-._~` and percent-encoded bytes.
fn parse_v6(text: &str) -> Option<IpAddr> {
    let (address, zone) = text.split_once('%').unwrap_or((text, "none"));
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    let is_zone = !zone.is_empty() && zone.bytes().all(allowed);
    address.parse().ok().filter(|_| is_zone).map(IpAddr::V6)
}

/// Accepts the ports of RFC 7239 §6: one to five digits, or an obfuscated port such as `_a7`.
fn parse_port(text: &str) -> Option<()> {
    let is_number = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number || is_obfuscated(text.as_bytes())).then_some(())
}

/// Whether this is an obfuscated identifier (RFC 7239 §6.3): `_`, then letters, digits and `._-`.
fn is_obfuscated(text: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    text.strip_prefix(b"_").is_some_and(|rest| !rest.is_empty() && rest.iter().all(allowed))
}
