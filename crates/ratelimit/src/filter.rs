//! Which requests a policy applies to: for [`Policy::when`](crate::Policy::when) and
//! [`Policy::unless`](crate::Policy::unless).

mod template;

use std::{
    borrow::Cow,
    sync::atomic::{AtomicBool, Ordering},
};

use hardpoint_core::{ClientResolver, Head, Peer, RequestContext, Route, TrustedProxies};
use http::Method;

/// Requests that matched this route, written as the router writes it (`/users/{id}`).
///
/// # Semantics
/// 1. [`Route::find`] finds the route. It equals the template, or the template is relative to the
///    path at which axum nested this part of the router ([`Route::nested_at`]): inside of
///    `Router::nest("/api", ..)`, `/users/{id}` and `/api/users/{id}` are the same.
/// 2. Where no layer knows a route, the template is compared with the path: around a router, inside
///    of `nest_service` around a service without routes, in plain hyper, and in tonic, where it is
///    written `/package.Service/Method`. `{id}` is one segment, and `{*rest}` is one or more. The
///    path is compared as it was sent: put the limit where the route is known if an inner layer
///    rewrites paths.
/// 3. The same is done where the route ends in `{*rest}`, because another router decides behind it.
/// 4. If a request looks as if the template was meant for it, but differs (a parameter has another
///    name, a slash is missing at one end, the prefix of the nesting is missing), the filter is
///    false and logs one warning. It does so only as long as no request has matched.
pub fn route(
    template: impl Into<Cow<'static, str>>,
) -> impl Fn(Head<'_>) -> bool + Send + Sync + 'static {
    let filter = RouteFilter { template: template.into(), is_settled: AtomicBool::new(false) };
    move |head| filter.matches(head)
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

struct RouteFilter {
    template: Cow<'static, str>,
    /// Whether a request matched, or a warning was logged.
    is_settled: AtomicBool,
}

impl RouteFilter {
    fn matches(&self, head: Head<'_>) -> bool {
        let matches = match Route::find(head.extensions) {
            Some(route) => self.matches_route(route.as_str(), head),
            None => self.matches_path(head),
        };
        if matches && !self.is_settled.load(Ordering::Relaxed) {
            self.is_settled.store(true, Ordering::Relaxed);
        }
        matches
    }

    fn matches_route(&self, route: &str, head: Head<'_>) -> bool {
        if route == self.template {
            return true;
        }
        let prefix = Route::nested_at(head.extensions);
        if prefix.is_some_and(|prefix| template::is_nested(route, prefix, &self.template)) {
            return true;
        }
        if template::has_rest(route) && self.matches_path(head) {
            return true;
        }
        if !self.is_settled.load(Ordering::Relaxed) && template::looks_like(route, &self.template) {
            self.warn(route);
        }
        false
    }

    fn matches_path(&self, head: Head<'_>) -> bool {
        let path = head.uri.path();
        if template::fits(&self.template, path) {
            return true;
        }
        let prefix = Route::nested_at(head.extensions);
        if let Some(relative) = prefix.and_then(|at| template::relative(&self.template, at)) {
            return template::fits(relative, path);
        }
        if !self.template.starts_with('/') && !self.is_settled.load(Ordering::Relaxed) {
            self.warn("");
        }
        false
    }

    #[cold]
    fn warn(&self, route: &str) {
        if !self.is_settled.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "hardpoint::ratelimit",
                template = &*self.template,
                route,
                "a route filter is not true for a route like its template: write it as the router does"
            );
        }
    }
}
