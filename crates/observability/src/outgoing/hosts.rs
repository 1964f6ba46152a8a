//! The hosts that may learn a request's ids. Pure.

use std::{
    error::Error,
    fmt,
    net::{IpAddr, Ipv6Addr},
};

/// The hosts that a request's ids are passed on to.
///An entry is a host name, an IP address, or `*.` and a domain, which matches all names below the
///domain but not the domain itself. Names are compared case-insensitively. Ports and schemes are
///ignored.
///
/// ```
/// use hardpoint_observability::outgoing::AllowedHosts;
///
/// let hosts = AllowedHosts::new(["orders", "*.svc.cluster.local", "10.0.0.7", "::1"])?;
/// assert!(hosts.contains("Orders"));
/// assert!(hosts.contains("a.b.svc.cluster.local"));
/// assert!(!hosts.contains("svc.cluster.local"));
/// assert!(!hosts.contains("orders.evil.example"));
/// # Ok::<(), hardpoint_observability::outgoing::ParseHostError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHosts {
    /// In lower case, an IPv6 address in brackets, as a URI has it.
    names: Vec<Box<str>>,
    /// Each with its leading dot.
    domains: Vec<Box<str>>,
    any: bool,
}

impl AllowedHosts {
    /// Only these hosts.
    ///
    /// # Errors
    /// [`ParseHostError`] if an entry is not one of the three.
    pub fn new(entries: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, ParseHostError> {
        let mut hosts = Self::none();
        for entry in entries {
            let entry = entry.as_ref();
            let lower = entry.to_ascii_lowercase();
            let address = lower.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
            match (address, lower.strip_prefix('*')) {
                (Ok(address), _) => hosts.names.push(name_of(address).into()),
                (_, Some(domain)) if domain.strip_prefix('.').is_some_and(is_name) => {
                    hosts.domains.push(domain.into());
                }
                (_, None) if is_name(&lower) => hosts.names.push(lower.into()),
                _ => return Err(ParseHostError(entry.to_owned())),
            }
        }
        Ok(hosts)
    }

    /// No host: nothing is passed on, and calls are only measured.
    #[must_use]
    pub const fn none() -> Self {
        Self { names: Vec::new(), domains: Vec::new(), any: false }
    }

    /// Every host, including foreign ones. Use it only behind a client that cannot call any host
    /// but your own services.
    #[must_use]
    pub const fn dangerous_any() -> Self {
        Self { names: Vec::new(), domains: Vec::new(), any: true }
    }

    /// Whether ids are passed on to this host, as a URI names it.
    #[must_use]
    pub fn contains(&self, host: &str) -> bool {
        // The name with a dot at its end is the same name.
        let host = host.strip_suffix('.').unwrap_or(host);
        let is_below = |domain: &str| {
            let start = host.len().checked_sub(domain.len()).filter(|start| *start > 0);
            let end = start.and_then(|start| host.get(start..));
            end.is_some_and(|end| end.eq_ignore_ascii_case(domain))
        };
        self.any
            || self.names.iter().any(|name| name.eq_ignore_ascii_case(host))
            || self.domains.iter().any(|domain| is_below(domain))
    }
}

fn name_of(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => bracketed(address),
    }
}

fn bracketed(address: Ipv6Addr) -> String {
    format!("[{address}]")
}

fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(is_part)
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// An entry is neither a host name, nor an IP address, nor a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseHostError(String);

impl fmt::Display for ParseHostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a host; write a name (`orders.internal`), an address (`10.0.0.7`) or a \
             domain (`*.internal`), without scheme, port and path",
            self.0
        )
    }
}

impl Error for ParseHostError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_name_an_address_or_a_domain() {
        for entry in
            ["orders", "a-b.c_d.example", "*.internal", "*.a.b", "127.0.0.1", "::1", "[::1]", "X.Y"]
        {
            assert!(AllowedHosts::new([entry]).is_ok(), "{entry}");
        }
        for entry in [
            "",
            "*",
            "*.",
            "*a.b",
            "a.*",
            "a..b",
            ".a",
            "a.",
            "http://a",
            "a:80",
            "a/b",
            "a b",
            "[::1]:80",
            "user@a",
            "\u{e9}.example",
            &"a".repeat(64),
        ] {
            let error = AllowedHosts::new([entry]).unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{entry}` is not a host")), "{error}");
        }
    }

    #[test]
    fn a_host_is_allowed_only_if_it_is_named() {
        let hosts = AllowedHosts::new(["orders", "*.internal", "10.0.0.7", "::1"]).unwrap();
        for host in
            ["orders", "ORDERS", "orders.", "a.internal", "a.b.Internal", "10.0.0.7", "[::1]"]
        {
            assert!(hosts.contains(host), "{host}");
        }
        for host in [
            "",
            "internal",
            ".internal",
            "xinternal",
            "a.internal.example",
            "orders.example",
            "10.0.0.70",
            "[::2]",
            "\u{e9}internal",
        ] {
            assert!(!hosts.contains(host), "{host}");
        }
        assert!(!AllowedHosts::none().contains("orders"));
        assert!(AllowedHosts::dangerous_any().contains("stranger.example"));
    }
}
