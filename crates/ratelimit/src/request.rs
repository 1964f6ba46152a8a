//! What a request says of itself, whichever server it came through.

use std::net::IpAddr;

use hardpoint_core::{ClientResolver, Head, RequestContext, Route};

#[cfg(feature = "axum")]
#[path = "axum.rs"]
mod server;

#[cfg(not(feature = "axum"))]
mod server {
    use std::net::IpAddr;

    use hardpoint_core::{Peer, Route};
    use http::Extensions;

    pub(super) fn peer(extensions: &Extensions) -> Option<IpAddr> {
        extensions.get::<Peer>().map(|peer| peer.ip())
    }

    pub(super) fn route(extensions: &Extensions) -> Option<&str> {
        extensions.get::<Route>().map(Route::as_str)
    }
}

/// The network of the client that an outer layer has found, or else of the one that `resolver` finds.
pub(crate) fn client_network(
    head: Head<'_>,
    resolver: &ClientResolver,
    ipv4_bits: u8,
    ipv6_bits: u8,
) -> Option<IpAddr> {
    match head.context().and_then(RequestContext::client) {
        Some(client) => client.network_of(ipv4_bits, ipv6_bits),
        None => {
            let peer = server::peer(head.extensions);
            resolver.network_of(peer, head.headers, ipv4_bits, ipv6_bits)
        }
    }
}

/// The address of the client that an outer layer has found, or else of the one that `resolver` finds.
pub(crate) fn client_ip(head: Head<'_>, resolver: &ClientResolver) -> Option<IpAddr> {
    match head.context().and_then(RequestContext::client) {
        Some(client) => client.ip(),
        None => resolver.resolve(server::peer(head.extensions), head.headers).ip(),
    }
}

/// The route that matched.
pub(crate) fn route(head: Head<'_>) -> Option<&str> {
    let known = head.context().and_then(RequestContext::route);
    server::route(head.extensions).or_else(|| known.map(Route::as_str))
}
