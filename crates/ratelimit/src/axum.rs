//! The peer's address as axum hands it on.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use hardpoint_core::Peer;
use http::Extensions;

pub(super) fn ip(extensions: &Extensions) -> Option<IpAddr> {
    let inserted = extensions.get::<Peer>().map(|peer| peer.ip());
    inserted
        .or_else(|| extensions.get().map(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| peer.ip()))
}
