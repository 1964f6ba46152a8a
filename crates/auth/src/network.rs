//! The network of a client.

use std::net::IpAddr;

use hardpoint_core::{ClientResolver, Peer, RequestContext};
use http::{Extensions, HeaderMap};

/// The network of a request's client: of the address that a layer resolved, or else of the peer's.
pub(crate) fn network(extensions: &Extensions) -> Option<IpAddr> {
    let resolved = RequestContext::find(extensions).and_then(|context| context.client());
    match resolved {
        Some(client) => client.network(),
        None => network_of(Peer::find(extensions).map(Peer::ip)?),
    }
}

/// The network of an address: the address for IPv4, the `/64` for IPv6.
pub(crate) fn network_of(address: IpAddr) -> Option<IpAddr> {
    ClientResolver::direct().resolve(Some(address), &HeaderMap::new()).network()
}
