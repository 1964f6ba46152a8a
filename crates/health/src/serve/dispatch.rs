//! The service of one connection, as hyper calls it.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Extensions, Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;
use tower_service::Service;

use super::{
    BoxError,
    pace::PaceLimits,
    refused::Cause,
    rejection::{Refusal, lacks_host},
    request::RequestBody,
    response::{Responding, ResponseBody},
    state::{Exchange, State},
};

/// Hands the requests of one connection to the application's service.
#[derive(Clone, Debug)]
pub(super) struct Dispatch<S> {
    pub(super) inner: S,
    pub(super) peer: Ends,
    pub(super) state: Arc<State>,
    pub(super) pace: PaceLimits,
}

/// The two addresses of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) peer: SocketAddr,
    #[cfg_attr(not(feature = "tonic"), expect(dead_code, reason = "only tonic has a type for it"))]
    pub(super) local: Option<SocketAddr>,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Dispatch<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = BoxError;
    type Future = Responding<S>;

    fn call(&self, request: Request<Incoming>) -> Responding<S> {
        let exchange = Exchange::begin(&self.state, !request.body().is_end_stream());
        if lacks_host(&request) {
            self.state.refused().note(Cause::Host);
            return Responding::refuse(Refusal::Host, exchange);
        }
        let http1 = request.version() <= Version::HTTP_11;
        let (mut head, body) = request.into_parts();
        self.peer.insert(&mut head.extensions);
        if let Some(body) = exchange.body() {
            head.extensions.insert(body.replacement().clone());
        }
        let body = RequestBody::new(body, exchange.body(), self.pace);
        // The instance that the connection keeps is never called, so a clone need not be swapped.
        let service = self.inner.clone();
        let request = Request::from_parts(head, body);
        Responding::call(service, request, exchange, http1)
    }
}

impl Ends {
    /// Inserts the peer in the form in which each enabled server looks for it.
    /// [`Peer::find`](hardpoint_core::Peer::find) finds every one of them.
    fn insert(self, extensions: &mut Extensions) {
        #[cfg(feature = "axum")]
        extensions.insert(::axum::extract::ConnectInfo(self.peer));
        #[cfg(not(feature = "axum"))]
        extensions.insert(hardpoint_core::Peer::new(self.peer));
        #[cfg(feature = "tonic")]
        extensions.insert(::tonic::transport::server::TcpConnectInfo {
            local_addr: self.local,
            remote_addr: Some(self.peer),
        });
    }
}
