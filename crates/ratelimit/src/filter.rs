//! Which requests a policy applies to: for [`Policy::when`](crate::Policy::when) and
//! [`Policy::unless`](crate::Policy::unless).

use hardpoint_core::{ClientResolver, Head, TrustedProxies};
use http::Method;

use crate::request;

/// Requests that matched this route, written as the router writes it (`/users/{id}`).
///
/// The route is a [`Route`](hardpoint_core::Route) in the request's extensions, or, with the
/// feature `axum`, axum's matched path. It is known inside a router alone: outside one, and for a
/// request that matched nothing, this is false.
pub fn route(template: &'static str) -> impl Fn(Head<'_>) -> bool + Send + Sync + 'static {
    move |head| request::route(head) == Some(template)
}

/// Requests with this method.
pub fn method(method: Method) -> impl Fn(Head<'_>) -> bool + Send + Sync + 'static {
    move |head| *head.method == method
}

/// Requests of clients whose address lies in one of these networks. The client is found as
/// [`key::client_network`](crate::key::client_network) finds it.
pub fn client_in(
    networks: TrustedProxies,
    resolver: ClientResolver,
) -> impl Fn(Head<'_>) -> bool + Send + Sync + 'static {
    move |head| {
        let ip = request::client_ip(head, &resolver);
        ip.is_some_and(|ip| networks.contains(ip))
    }
}
