//! The layer and what its services share.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use hardpoint_core::{ClientResolver, Clock, Host, Peer, RequestContext, SystemClock};
use http::{Extensions, Request};
use tower_layer::Layer;

use super::{ResolveClient, forwarding};
#[cfg(feature = "axum")]
use crate::axum::connect_info;

/// Finds out who sent a request. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientLayer<C = SystemClock> {
    shared: Option<Arc<Shared>>,
    clock: C,
}

impl ClientLayer {
    /// Finds the client by these rules.
    pub fn new(resolver: ClientResolver) -> Self {
        Self {
            shared: Some(Arc::new(Shared { resolver, peerless_reported: AtomicBool::new(false) })),
            clock: SystemClock,
        }
    }

    /// Does nothing: no client is found, and every header stays.
    pub const fn off() -> Self {
        Self { shared: None, clock: SystemClock }
    }
}

impl<C> ClientLayer<C> {
    /// Reads the time that a request was received from `clock`, where this layer makes the
    /// request's context. Default: [`SystemClock`].
    pub fn with_clock<D>(self, clock: D) -> ClientLayer<D> {
        ClientLayer { shared: self.shared, clock }
    }
}

impl Default for ClientLayer {
    /// Believes no header: the peer is the client.
    fn default() -> Self {
        Self::new(ClientResolver::direct())
    }
}

impl<S, C: Clone> Layer<S> for ClientLayer<C> {
    type Service = ResolveClient<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        ResolveClient::new(inner, self.shared.clone(), self.clock.clone())
    }
}

#[derive(Debug)]
pub(super) struct Shared {
    resolver: ClientResolver,
    peerless_reported: AtomicBool,
}

impl Shared {
    /// Puts the client into the request's context, and removes what nobody vouches for.
    pub(super) fn resolve<B>(&self, request: &mut Request<B>, clock: &impl Clock) {
        let peer = peer(request.extensions());
        if peer.is_none() {
            self.report_peerless();
        }
        let mut client = self.resolver.resolve(peer, request.headers());
        if client.host().is_none() {
            let authority = request.uri().authority();
            client = client.or_host(authority.and_then(Host::from_authority));
        }
        let believed = client.through_proxy().then(|| self.resolver.family());
        forwarding::strip(request.headers_mut(), believed);
        RequestContext::of(request.extensions_mut(), clock).set_client(client);
    }

    /// Once: a server that does not say who connects does not say it for any request.
    fn report_peerless(&self) {
        if self.peerless_reported.load(Ordering::Relaxed)
            || self.peerless_reported.swap(true, Ordering::Relaxed)
        {
            return;
        }
        tracing::warn!(
            target: "hardpoint::edge::client_address",
            "no peer address: clients are unknown; over TCP the server must attach it to requests"
        );
    }
}

fn peer(extensions: &Extensions) -> Option<IpAddr> {
    match extensions.get::<Peer>() {
        Some(peer) => Some(peer.ip()),
        None => connect_info(extensions),
    }
}

#[cfg(not(feature = "axum"))]
const fn connect_info(_: &Extensions) -> Option<IpAddr> {
    None
}
