//! A request that is let in, through the layer.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    time::Duration,
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
    report::{Contest, Goal},
};
use http::{Request, Response, StatusCode};
use tower_governor::{GovernorLayer, governor::GovernorConfigBuilder};
use tower_layer::Layer;
use tower_service::Service;

use super::{BURST, quota};
use crate::axum_pong::AxumPong;

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

/// The same on several threads, each with a clone of the service.
fn through_on<S, B>(threads: usize, service: S) -> Contender<'static>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Sync + 'static,
    B: http_body::Body,
{
    Contender::prepared_on(threads, request, move || {
        let mut service = service.clone();
        move |request| assert_eq!(exchange(&mut service, request), StatusCode::OK)
    })
}

fn ours(headers: Headers) -> RateLimitLayer {
    let policy = Policy::new("client", quota(), key::client_network(ClientResolver::direct()));
    let limiter = RateLimiter::builder().policy(policy).headers(headers).build();
    limiter.and_then(|limiter| limiter.layer()).expect("one policy by address")
}

const ADDED: &str = "added by the layer";

pub(super) fn without_headers() -> Contest<'static> {
    let config = GovernorConfigBuilder::default().per_second(1).burst_size(BURST).finish();
    let peer = GovernorLayer::new(config.expect("neither is zero"));
    Contest::new(through(ours(Headers::none()).layer(AxumPong)), through(peer.layer(AxumPong)))
        .plan(Plan::prepared())
        .floor(ADDED, through(AxumPong), Some(Goal::Ratio(1.0)))
}

pub(super) fn with_headers() -> Contest<'static> {
    let mut config = GovernorConfigBuilder::default();
    let config = config.per_second(1).burst_size(BURST).use_headers().finish();
    let peer = GovernorLayer::new(config.expect("neither is zero"));
    Contest::new(
        through(ours(Headers::ietf(Draft::V11)).layer(AxumPong)),
        through(peer.layer(AxumPong)),
    )
    .plan(Plan::prepared())
    .floor(ADDED, through(AxumPong), Some(Goal::Value(300.0)))
}

/// It sends headers of the draft and older ones, and cannot be told not to.
fn axum_governor() -> axum_governor::GovernorLayer<IpAddr> {
    use axum_governor::{GovernorConfigBuilder, GovernorLayer, Quota, extractor::PeerIp};

    let burst = NonZeroU32::new(BURST).expect("not zero");
    let config = GovernorConfigBuilder::default()
        .with_extractor(PeerIp::default())
        .expect_connect_info()
        .quota_default(Quota::requests_per_second(NonZeroU32::MIN).burst(burst))
        .finish();
    GovernorLayer::new(config.expect("an extractor and a quota"))
}

fn beside_axum_governor(headers: Headers) -> Contest<'static> {
    let (ours, peer) = (ours(headers).layer(AxumPong), axum_governor().layer(AxumPong));
    Contest::new(through(ours), through(peer)).plan(Plan::prepared()).floor(
        ADDED,
        through(AxumPong),
        Some(Goal::Ratio(1.0)),
    )
}

fn beside_axum_governor_on_two(headers: Headers) -> Contest<'static> {
    let (ours, peer) = (ours(headers).layer(AxumPong), axum_governor().layer(AxumPong));
    // Waking two threads takes tens of microseconds: samples are longer than those of one thread.
    let plan = Plan { rounds: 101, most: 8192, ..Plan::prepared() };
    let plan = Plan { sample: Duration::from_millis(4), ..plan };
    Contest::new(through_on(2, ours), through_on(2, peer)).plan(plan).floor(
        ADDED,
        through_on(2, AxumPong),
        Some(Goal::Ratio(1.0)),
    )
}

pub(super) fn axum_governor_without_headers() -> Contest<'static> {
    beside_axum_governor(Headers::none())
}

pub(super) fn axum_governor_without_headers_on_two() -> Contest<'static> {
    beside_axum_governor_on_two(Headers::none())
}

pub(super) fn axum_governor_with_headers() -> Contest<'static> {
    beside_axum_governor(Headers::ietf(Draft::V11))
}

pub(super) fn axum_governor_with_headers_on_two() -> Contest<'static> {
    beside_axum_governor_on_two(Headers::ietf(Draft::V11))
}
