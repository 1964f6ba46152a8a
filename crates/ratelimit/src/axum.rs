//! The peer's address and the route as axum hands them on.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, MatchedPath};
use hardpoint_core::{Peer, Route};
use http::Extensions;

pub(super) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    let inserted = extensions.get::<Peer>().map(|peer| peer.ip());
    inserted
        .or_else(|| extensions.get().map(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| peer.ip()))
}

pub(super) fn route(extensions: &Extensions) -> Option<&str> {
    let supplied = extensions.get::<Route>().map(Route::as_str);
    supplied.or_else(|| extensions.get::<MatchedPath>().map(MatchedPath::as_str))
}
