//! Which requests a policy applies to: for [`Policy::when`](crate::Policy::when) and
//! [`Policy::unless`](crate::Policy::unless).

use hardpoint_core::{ClientResolver, Head, Peer, RequestContext, Route, TrustedProxies};
use http::Method;

/// Requests that matched this route, written as the router writes it (`/users/{id}`).
///
/// [`Route::find`] finds the route. A router knows it only inside of `Router::layer`: around the
/// router, and for a request that matched nothing, this filter is false.
pub fn route(template: &'static str) -> impl Fn(Head<'_>) -> bool + Send + Sync + 'static {
    move |head| Route::find(head.extensions).is_some_and(|route| route.as_str() == template)
}

/// Requests with this method.
pub fn method(method: Method) -> impl Fn(Head<'_>) -> bool + Send + Sync + 'static {
    move |head| *head.method == method
}

/// Requests of clients in one of these networks. It finds the client as
/// [`key::client_network`](crate::key::client_network) does.
pub fn client_in(
    networks: TrustedProxies,
    resolver: ClientResolver,
) -> impl Fn(Head<'_>) -> bool + Send + Sync + 'static {
    move |head| {
        let ip = match head.context().and_then(RequestContext::client) {
            Some(client) => client.ip(),
            None => {
                let peer = Peer::find(head.extensions).map(Peer::ip);
                resolver.resolve(peer, head.headers).ip()
            }
        };
        ip.is_some_and(|ip| networks.contains(ip))
    }
}
