//! A request that is let in, through the layer.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::SocketAddr,
    task::{Context, Poll},
};

use axum::{body::Body, extract::ConnectInfo};
use hardpoint::{
    core::ClientResolver,
    ratelimit::{Draft, Headers, Policy, RateLimitLayer, RateLimiter, key},
};
use hardpoint_bench_harness::{
    exchange::exchange,
    keys,
    measure::{Contender, Plan},
    report::Contest,
};
use http::{Request, Response, StatusCode};
use tower_governor::{GovernorLayer, governor::GovernorConfigBuilder};
use tower_layer::Layer;
use tower_service::Service;

use super::{BURST, quota};

/// The innermost service, with the one body that the peer can answer with.
#[derive(Clone, Copy)]
struct Pong;

impl Service<Request<Body>> for Pong {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<Body>) -> Self::Future {
        ready(Ok(Response::new(Body::from("pong"))))
    }
}

fn request() -> Request<Body> {
    let mut request = Request::new(Body::empty());
    let address = SocketAddr::from((keys::address(1), 40_000));
    request.extensions_mut().insert(ConnectInfo(address));
    request
}

fn through<S, B>(mut service: S) -> Contender<'static>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + 'static,
    B: http_body::Body,
{
    Contender::prepared(request, move |request| {
        assert_eq!(exchange(&mut service, request), StatusCode::OK);
    })
}

fn ours(headers: Headers) -> RateLimitLayer {
    let policy = Policy::new("client", quota(), key::client_network(ClientResolver::direct()));
    let limiter = RateLimiter::builder().policy(policy).headers(headers).build();
    limiter.expect("one policy with a plain name").layer()
}

pub(super) fn without_headers() -> Contest<'static> {
    let config = GovernorConfigBuilder::default().per_second(1).burst_size(BURST).finish();
    let peer = GovernorLayer::new(config.expect("neither is zero"));
    Contest::new(through(ours(Headers::none()).layer(Pong)), through(peer.layer(Pong)))
        .plan(Plan::prepared())
        .floor("added by the layer", through(Pong), None)
}

pub(super) fn with_headers() -> Contest<'static> {
    let mut config = GovernorConfigBuilder::default();
    let config = config.per_second(1).burst_size(BURST).use_headers().finish();
    let peer = GovernorLayer::new(config.expect("neither is zero"));
    Contest::new(through(ours(Headers::ietf(Draft::V11)).layer(Pong)), through(peer.layer(Pong)))
        .plan(Plan::prepared())
        .floor("added by the layer", through(Pong), None)
}
