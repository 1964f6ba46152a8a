//! Serves a service on a socket.

use std::{
    error::Error,
    net::{Ipv4Addr, SocketAddr},
};

use hardpoint_core::Peer;
use http::{Request, Response};
use http_body::Body;
use hyper::{
    body::Incoming,
    service::{Service as HyperService, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};
use tower_service::Service;

/// A server on a free port of 127.0.0.1. Dropping it stops the server and closes all connections.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    task: AbortHandle,
}

impl Server {
    /// The address that the server listens on.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the URL of `path`, which starts with a slash and may contain a query.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves `service` over HTTP/1.1 and HTTP/2 (prior knowledge), with a clone for each connection.
///
/// Each request carries the client's [`Peer`].
pub async fn serve<S, B>(service: S) -> Server
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>> + Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await {
        Ok(listener) => listener,
        Err(error) => panic!("no free port on 127.0.0.1: {error}"),
    };
    let addr = match listener.local_addr() {
        Ok(addr) => addr,
        Err(error) => panic!("the listener has no address: {error}"),
    };
    let accept = async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, peer)) = listener.accept().await {
            connections.spawn(connection(stream, peer, service.clone()));
            while connections.try_join_next().is_some() {}
        }
    };
    Server { addr, task: tokio::spawn(accept).abort_handle() }
}

async fn connection<S, B>(stream: TcpStream, peer: SocketAddr, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>> + Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let service = TowerToHyperService::new(service);
    let with_peer = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer::new(peer));
        service.call(request)
    });
    // The client sees the error of a connection that ends early.
    let _ended = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), with_peer)
        .await;
}
