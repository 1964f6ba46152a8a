//! What a request says of itself, whichever server it came through.

use hardpoint_core::{Client, ClientResolver, Head, RequestContext, Route};

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

/// What `look` sees of the client that an outer layer has found, or else of the one that `resolver`
/// finds.
pub(crate) fn with_client<T>(
    head: Head<'_>,
    resolver: &ClientResolver,
    look: impl FnOnce(&Client) -> T,
) -> T {
    match head.context().and_then(RequestContext::client) {
        Some(client) => look(client),
        None => look(&resolver.resolve(server::peer(head.extensions), head.headers)),
    }
}

/// The route that matched.
pub(crate) fn route(head: Head<'_>) -> Option<&str> {
    let known = head.context().and_then(RequestContext::route);
    server::route(head.extensions).or_else(|| known.map(Route::as_str))
}
