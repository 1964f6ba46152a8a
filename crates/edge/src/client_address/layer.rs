//! The layer and the state its services share.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use hardpoint_core::{ClientResolver, Host, Peer, Place, RequestContext, StackLayer, Time};
use http::Request;
use tower_layer::Layer;

use super::{ResolveClient, forwarding};

/// Resolves the client of each request. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientLayer {
    shared: Option<Arc<Shared>>,
}

impl ClientLayer {
    /// Resolves the client by the rules of `resolver`.
    pub fn new(resolver: ClientResolver) -> Self {
        Self {
            shared: Some(Arc::new(Shared {
                resolver,
                time: Time::system(),
                peerless_reported: AtomicBool::new(false),
            })),
        }
    }

    /// Sets the clock for the arrival time of requests whose context this layer creates. Default:
    /// the system clock.
    pub fn time(self, time: impl Into<Time>) -> Self {
        let shared = self.shared.map(|shared| {
            let peerless_reported = AtomicBool::new(false);
            Arc::new(Shared {
                resolver: shared.resolver.clone(),
                time: time.into(),
                peerless_reported,
            })
        });
        Self { shared }
    }

    /// Does nothing: no client is resolved and no header is removed.
    pub const fn off() -> Self {
        Self { shared: None }
    }
}

impl Default for ClientLayer {
    /// Trusts no header: the peer is the client.
    fn default() -> Self {
        Self::new(ClientResolver::direct())
    }
}

impl<S> Layer<S> for ClientLayer {
    type Service = ResolveClient<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ResolveClient::new(inner, self.shared.clone())
    }
}

impl StackLayer for ClientLayer {
    const PLACE: Place = Place::CLIENT_ADDRESS;
}

#[derive(Debug)]
pub(super) struct Shared {
    resolver: ClientResolver,
    time: Time,
    peerless_reported: AtomicBool,
}

impl Shared {
    /// Puts the client into the request's context and removes untrusted forwarding headers.
    pub(super) fn resolve<B>(&self, request: &mut Request<B>) {
        let peer = Peer::find(request.extensions()).map(Peer::ip);
        let mut client = self.resolver.resolve(peer, request.headers());
        // A trusted Unix socket has no address either.
        if peer.is_none() && !client.through_proxy() {
            self.report_peerless();
        }
        if client.host().is_none() {
            let authority = request.uri().authority();
            client = client.or_host(authority.and_then(Host::from_authority));
        }
        let believed = client.through_proxy().then(|| self.resolver.family());
        forwarding::strip(request.headers_mut(), believed);
        RequestContext::ensure(request.extensions_mut(), &self.time).set_client(client);
    }

    /// Logs once: a server that omits the peer address omits it for every request.
    fn report_peerless(&self) {
        if self.peerless_reported.load(Ordering::Relaxed)
            || self.peerless_reported.swap(true, Ordering::Relaxed)
        {
            return;
        }
        tracing::warn!(
            target: "hardpoint::edge::client_address",
            "no peer address: clients are unknown; a TCP server must attach it to each request"
        );
    }
}
