//! What requests are counted under.

use hardpoint_core::{ClientResolver, Head, Key, KeyExtractor, KeyMissing, RequestContext};
use http::HeaderName;

/// Counts each client address on its own, an IPv6 client by its `/64`.
///
/// The client that an outer layer has found is used; without one, `resolver` finds it from the
/// peer's address and the headers it trusts. The peer's address is
/// [`Peer`](hardpoint_core::Peer) in the request's extensions, or, with the feature `axum`, axum's
/// `ConnectInfo<SocketAddr>`.
#[must_use]
pub const fn client_network(resolver: ClientResolver) -> ClientNetwork {
    ClientNetwork { resolver }
}

/// Counts each authenticated subject on its own: place the limiter inside the authentication.
///
/// Combine it with [`OnMissingKey::Skip`](crate::OnMissingKey::Skip) if some routes need no
/// credentials, and with a limit by address outside.
#[must_use]
pub const fn subject() -> Subject {
    Subject { _private: () }
}

/// Counts each value of a header on its own. The value is whatever the client sent: use it only
/// where inventing a new one gains nothing, such as behind a gateway that sets it.
#[must_use]
pub const fn header(name: HeaderName) -> Header {
    Header { name }
}

/// See [`client_network`].
#[derive(Clone, Debug)]
pub struct ClientNetwork {
    resolver: ClientResolver,
}

impl KeyExtractor for ClientNetwork {
    fn key<'a>(&self, head: Head<'a>) -> Result<Key<'a>, KeyMissing> {
        let network = match head.context().and_then(RequestContext::client) {
            Some(client) => client.network(),
            None => self.resolver.resolve(peer::ip(head.extensions), head.headers).network(),
        };
        network.map(Key::address).ok_or(KeyMissing::new("client address"))
    }
}

/// See [`subject`].
#[derive(Clone, Debug)]
pub struct Subject {
    _private: (),
}

impl KeyExtractor for Subject {
    fn key<'a>(&self, head: Head<'a>) -> Result<Key<'a>, KeyMissing> {
        let subject = head.context().and_then(RequestContext::subject);
        subject
            .map(|subject| Key::borrowed(subject.as_str().as_bytes()))
            .ok_or(KeyMissing::new("authenticated subject"))
    }
}

/// See [`header`].
#[derive(Clone, Debug)]
pub struct Header {
    name: HeaderName,
}

impl KeyExtractor for Header {
    fn key<'a>(&self, head: Head<'a>) -> Result<Key<'a>, KeyMissing> {
        let value =
            head.headers.get(&self.name).ok_or(KeyMissing::new("header that it is counted by"))?;
        Ok(Key::borrowed(value.as_bytes()))
    }
}

#[cfg(not(feature = "axum"))]
mod peer {
    use std::net::IpAddr;

    use hardpoint_core::Peer;
    use http::Extensions;

    pub(super) fn ip(extensions: &Extensions) -> Option<IpAddr> {
        extensions.get::<Peer>().map(|peer| peer.ip())
    }
}

#[cfg(feature = "axum")]
#[path = "axum.rs"]
mod peer;
