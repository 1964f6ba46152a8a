//! The client that uses a session.

use std::{fmt, net::IpAddr, sync::Arc};

use hardpoint_core::{Client, ClientResolver, RequestContext};
use http::{HeaderMap, header::USER_AGENT, request};

/// The client that uses a session: its user agent and its network, for the list of sessions and for
/// the audit of a reuse; and optionally what its tokens are bound to.
///
/// `Debug` shows only which parts are set: they are personal data.
///
/// ```
/// use hardpoint_auth::session::SessionClient;
///
/// let client = SessionClient::new()
///     .user_agent("Mozilla/5.0")
///     .address("203.0.113.9".parse()?);
/// assert_eq!(client.network().as_deref(), Some("203.0.113.0/24"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct SessionClient {
    user_agent: Option<Arc<str>>,
    network: Option<IpAddr>,
    binding: Option<Arc<[u8]>>,
}

impl SessionClient {
    /// The longest user agent that is kept, in bytes. A longer one is cut.
    pub const MAX_USER_AGENT: usize = 256;

    /// A client of which nothing is known.
    pub const fn new() -> Self {
        Self { user_agent: None, network: None, binding: None }
    }

    /// The client of a request: its `User-Agent`, and the address that a layer resolved.
    pub fn from_parts(parts: &request::Parts) -> Self {
        let agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        let client = RequestContext::find(&parts.extensions).and_then(|context| context.client());
        let network = client.and_then(network);
        Self { network, ..agent.into_iter().fold(Self::new(), Self::user_agent) }
    }

    /// Its user agent, cut after [`MAX_USER_AGENT`](Self::MAX_USER_AGENT) bytes. Control characters
    /// are left out. Default: unknown.
    pub fn user_agent(mut self, agent: &str) -> Self {
        let agent =
            agent.get(..agent.floor_char_boundary(Self::MAX_USER_AGENT)).unwrap_or_default();
        let printable: String = agent.chars().filter(|c| !c.is_control()).collect();
        self.user_agent = Some(printable.into());
        self
    }

    /// Its address, of which only the network is kept: the `/24` of IPv4, the `/48` of IPv6.
    /// Default: unknown.
    pub fn address(mut self, address: IpAddr) -> Self {
        self.network = network(&ClientResolver::direct().resolve(Some(address), &HeaderMap::new()));
        self
    }

    /// Binds the session's refresh tokens to these bytes, such as the id of a device or the
    /// thumbprint of its key. A token that another client presents is then invalid: it is refused
    /// without asking the store, and does not count as reuse. Default: not bound.
    ///
    /// The bytes must be the same at each refresh. They are part of the token's tag and are not
    /// stored. A browser's user agent is a poor choice: it changes with each update.
    pub fn binding(mut self, binding: &[u8]) -> Self {
        self.binding = Some(binding.into());
        self
    }

    /// Its user agent.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }

    /// Its network, such as `203.0.113.0/24`.
    #[must_use]
    pub fn network(&self) -> Option<String> {
        self.network.map(|address| format!("{address}/{}", if address.is_ipv4() { 24 } else { 48 }))
    }

    /// What its tokens are bound to.
    pub(super) fn bound_to(&self) -> &[u8] {
        self.binding.as_deref().unwrap_or_default()
    }

    /// The client without what its tokens are bound to: the parts that a
    /// [`FamilyStore`](super::FamilyStore) keeps and returns.
    pub fn kept(&self) -> Self {
        Self { binding: None, ..self.clone() }
    }

    /// Whether both have the same network, as far as both are known.
    pub(super) fn is_near(&self, other: &Self) -> Option<bool> {
        Some(self.network? == other.network?)
    }

    /// Whether both have the same user agent, as far as both are known.
    pub(super) fn is_alike(&self, other: &Self) -> Option<bool> {
        Some(self.user_agent.as_deref()? == other.user_agent.as_deref()?)
    }
}

fn network(client: &Client) -> Option<IpAddr> {
    client.network_prefix(24, 48)
}

impl fmt::Debug for SessionClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionClient")
            .field("has_user_agent", &self.user_agent.is_some())
            .field("has_network", &self.network.is_some())
            .field("is_bound", &self.binding.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_network_of_an_address_is_kept() {
        let network = |text: &str| SessionClient::new().address(text.parse().unwrap()).network();
        assert_eq!(network("203.0.113.9").unwrap(), "203.0.113.0/24");
        assert_eq!(network("::ffff:203.0.113.9").unwrap(), "203.0.113.0/24");
        assert_eq!(network("2001:db8:1:2:3::4").unwrap(), "2001:db8:1::/48");
        assert_eq!(SessionClient::new().network(), None);
    }

    #[test]
    fn a_user_agent_is_bounded_and_cannot_break_a_line() {
        let client = SessionClient::new().user_agent(&"\u{e9}".repeat(200));
        assert_eq!(client.agent().unwrap().len(), 256);
        assert_eq!(SessionClient::new().user_agent("a\r\nb\u{7f}").agent(), Some("ab"));
    }

    #[test]
    fn debug_shows_nothing_personal() {
        let client = SessionClient::new().user_agent("canary").binding(b"canary");
        let shown = format!("{:?}", client.address("203.0.113.9".parse().unwrap()));
        assert!(!shown.contains("canary") && !shown.contains("203"), "{shown}");
    }
}
