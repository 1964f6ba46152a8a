//! The networks whose forwarding headers are trusted.

use std::{error::Error, fmt, net::IpAddr};

use ipnet::{IpNet, Ipv4Net};

/// The networks of the service's own proxies.
///
/// A forwarding header is trusted only if the peer that sent it is in one of these networks.
/// Default: none, so no forwarding header is trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
}

impl TrustedProxies {
    /// Trusts no proxy: the peer is the client and its forwarding headers are ignored.
    #[must_use]
    pub const fn none() -> Self {
        Self { networks: Vec::new() }
    }

    /// Trusts these networks. Each is an address (`10.0.0.1`) or a network in CIDR notation
    /// (`10.0.0.0/8`).
    ///
    /// # Errors
    /// Returns a [`ConfigError`] for the first text that is not a network, has bits set beyond its
    /// prefix, or covers every address.
    pub fn new<I>(networks: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let networks =
            networks.into_iter().map(|text| parse(text.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self { networks })
    }

    /// Trusts every peer. Use it only for a service that only its proxies can reach, on a network
    /// where the proxies' addresses cannot be known.
    ///
    /// Anyone else who reaches the service can choose the address they are counted under.
    #[must_use]
    pub fn insecure_everyone() -> Self {
        Self { networks: vec![Ipv4Net::default().into(), ipnet::Ipv6Net::default().into()] }
    }

    /// Whether `address` is in one of these networks.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }
}

fn parse(text: &str) -> Result<IpNet, ConfigError> {
    let unreadable = || ConfigError::ProxyNetwork { value: text.to_owned() };
    let text = text.trim();
    let network: IpNet = match text.parse::<IpAddr>() {
        Ok(address) => address.into(),
        Err(_) => text.parse().map_err(|_| unreadable())?,
    };
    if network.trunc() != network {
        return Err(ConfigError::ProxyHostBits {
            value: text.to_owned(),
            network: network.trunc().to_string(),
        });
    }
    let network = canonical(network).ok_or_else(unreadable)?;
    if network.prefix_len() == 0 {
        return Err(ConfigError::ProxyEveryone { value: text.to_owned() });
    }
    Ok(network)
}

/// Converts `::ffff:10.0.0.0/104` to `10.0.0.0/8`, because addresses are compared in canonical
/// form.
fn canonical(network: IpNet) -> Option<IpNet> {
    let IpNet::V6(v6) = network else {
        return Some(network);
    };
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
        (Some(v4), Some(prefix)) => Some(Ipv4Net::new(v4, prefix).ok()?.into()),
        _ => Some(network),
    }
}

/// A mistake in the configuration of trusted proxies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A network that covers every address.
    ProxyEveryone {
        /// The configured text.
        value: String,
    },
    /// A network with bits set beyond its prefix.
    ProxyHostBits {
        /// The configured text.
        value: String,
        /// The network that contains it.
        network: String,
    },
    /// A text that is not a network.
    ProxyNetwork {
        /// The configured text.
        value: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProxyEveryone { value } => write!(
                f,
                "trusted proxy `{value}` covers every address, so any client could choose the \
                 address it is counted under; write the network of the proxies, such as 10.0.0.0/8"
            ),
            Self::ProxyHostBits { value, network } => write!(
                f,
                "trusted proxy `{value}` has bits set beyond its prefix; write `{network}` for the \
                 network, or only the address for one proxy"
            ),
            Self::ProxyNetwork { value } => write!(
                f,
                "trusted proxy `{value}` is not a network; write an address (192.0.2.7) or a \
                 network in CIDR notation (10.0.0.0/8, 2001:db8::/32)"
            ),
        }
    }
}

impl Error for ConfigError {}
