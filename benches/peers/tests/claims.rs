//! What `docs/ratelimit.md` says of peers, each claim run beside what ours does. A claim that stops
//! being true, because a newer version of the peer mended it, fails here and goes from the page.

#![expect(clippy::expect_used, reason = "a test panics where it fails")]

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    time::Duration,
};

use axum::{body::Body, extract::ConnectInfo};
use governor::{DefaultKeyedRateLimiter, RateLimiter as Governor};
use hardpoint::{
    core::{ClientResolver, Family, Key, ManualClock, TrustedProxies},
    ratelimit::{Policy, Quota, RateLimitLayer, RateLimiter, key},
};
use hardpoint_bench_harness::exchange::now;
use hardpoint_bench_peers::axum_pong::AxumPong;
use http::{
    HeaderMap, Request, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use tower_governor::{
    GovernorLayer,
    governor::GovernorConfigBuilder,
    key_extractor::{KeyExtractor, SmartIpKeyExtractor},
};
use tower_layer::Layer;
use tower_service::Service;

const CLIENT: &str = "203.0.113.9:4711";

/// A request from this address, with these lines of `X-Forwarded-For`.
fn request(peer: &str, forwarded: &[&str]) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    let peer: SocketAddr = peer.parse().expect("an address and a port");
    request.extensions_mut().insert(ConnectInfo(peer));
    for line in forwarded {
        let line = line.parse().expect("a header's value");
        request.headers_mut().append("x-forwarded-for", line);
    }
    request
}

fn ask<S, B>(service: &mut S, request: Request<Body>) -> (StatusCode, HeaderMap)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let (parts, _body) =
        now(service.call(request)).expect("a service that cannot fail").into_parts();
    (parts.status, parts.headers)
}

fn retry_after(headers: &HeaderMap) -> &str {
    headers[RETRY_AFTER].to_str().expect("digits")
}

fn client() -> key::ClientNetwork {
    key::client_network(ClientResolver::direct())
}

fn ours(quota: Quota) -> RateLimitLayer {
    layer(Policy::new("client", quota, client()))
}

fn layer(policy: Policy) -> RateLimitLayer {
    let limiter = RateLimiter::builder().policy(policy).time(ManualClock::default()).build();
    limiter.and_then(|limiter| limiter.layer()).expect("one policy by address")
}

#[test]
fn tower_governor_tells_a_refused_client_to_come_back_after_0_seconds() {
    let mut config = GovernorConfigBuilder::default();
    let config = config.per_millisecond(900).burst_size(1).finish().expect("neither is zero");
    let mut peer = GovernorLayer::new(config).layer(AxumPong);
    assert_eq!(ask(&mut peer, request(CLIENT, &[])).0, StatusCode::OK);
    let (status, headers) = ask(&mut peer, request(CLIENT, &[]));
    assert_eq!((status, retry_after(&headers)), (StatusCode::TOO_MANY_REQUESTS, "0"));
    // Nor does its text say what it is.
    assert_eq!(headers.get(CONTENT_TYPE), None);
    // Whoever does as it was told is refused again.
    assert_eq!(ask(&mut peer, request(CLIENT, &[])).0, StatusCode::TOO_MANY_REQUESTS);

    let quota = Quota::new(1, Duration::from_millis(900)).expect("neither is zero");
    let mut ours = ours(quota).layer(AxumPong);
    assert_eq!(ask(&mut ours, request(CLIENT, &[])).0, StatusCode::OK);
    let (status, headers) = ask(&mut ours, request(CLIENT, &[]));
    assert_eq!((status, retry_after(&headers)), (StatusCode::TOO_MANY_REQUESTS, "1"));
    assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
}

#[test]
fn tower_governors_per_second_of_n_is_one_cell_every_n_seconds() {
    let mut config = GovernorConfigBuilder::default();
    let config = config.per_second(60).burst_size(1).finish().expect("neither is zero");
    let mut peer = GovernorLayer::new(config).layer(AxumPong);
    ask(&mut peer, request(CLIENT, &[]));
    let (status, headers) = ask(&mut peer, request(CLIENT, &[]));
    assert_eq!((status, retry_after(&headers)), (StatusCode::TOO_MANY_REQUESTS, "59"));

    let mut ours = ours(Quota::per_second(60).burst(1)).layer(AxumPong);
    ask(&mut ours, request(CLIENT, &[]));
    let (status, headers) = ask(&mut ours, request(CLIENT, &[]));
    assert_eq!((status, retry_after(&headers)), (StatusCode::TOO_MANY_REQUESTS, "1"));
}

#[test]
fn tower_governors_smart_extractor_believes_what_the_client_wrote_leftmost() {
    // The proxy appends the address that it saw; what stands left of it the client has sent.
    let through_proxy = request("10.0.0.1:80", &["6.6.6.6, 203.0.113.9"]);
    let found = SmartIpKeyExtractor.extract(&through_proxy).expect("an address");
    assert_eq!(found, IpAddr::from([6, 6, 6, 6]));
    // A proxy that adds a line of its own is not heard at all.
    let two_lines = request("10.0.0.1:80", &["6.6.6.6", "203.0.113.9"]);
    let found = SmartIpKeyExtractor.extract(&two_lines).expect("an address");
    assert_eq!(found, IpAddr::from([6, 6, 6, 6]));

    // So one client gets a new bucket by each header that it invents.
    let invented = |last: u8| request("10.0.0.1:80", &[&format!("198.51.100.{last}, 203.0.113.9")]);
    let mut config = GovernorConfigBuilder::default();
    let mut config = config.per_second(3600).burst_size(1).key_extractor(SmartIpKeyExtractor);
    let mut peer = GovernorLayer::new(config.finish().expect("neither is zero")).layer(AxumPong);
    let admitted = (0..50).filter(|&n| ask(&mut peer, invented(n)).0 == StatusCode::OK).count();
    assert_eq!(admitted, 50);

    let proxies = TrustedProxies::new(["10.0.0.0/8"]).expect("a network");
    let resolver = ClientResolver::new(proxies, Family::XForwarded);
    let policy = Policy::new("client", Quota::per_hour(1), key::client_network(resolver));
    let mut ours = layer(policy).layer(AxumPong);
    let admitted = (0..50).filter(|&n| ask(&mut ours, invented(n)).0 == StatusCode::OK).count();
    assert_eq!(admitted, 1);
}

#[test]
fn tower_governor_gives_a_customer_as_many_buckets_as_it_has_addresses() {
    let address = |last: u16| format!("[{}]:1", Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, last));
    let mut config = GovernorConfigBuilder::default();
    let config = config.per_second(3600).burst_size(1).finish().expect("neither is zero");
    let mut peer = GovernorLayer::new(config).layer(AxumPong);
    let mut ours = ours(Quota::per_hour(1)).layer(AxumPong);
    let (mut theirs, mut admitted) = (0, 0);
    for last in 1..=50 {
        theirs += usize::from(ask(&mut peer, request(&address(last), &[])).0 == StatusCode::OK);
        admitted += usize::from(ask(&mut ours, request(&address(last), &[])).0 == StatusCode::OK);
    }
    assert_eq!((theirs, admitted), (50, 1));
}

#[test]
fn tower_governor_answers_500_where_the_peer_is_not_known() {
    let mut peer = GovernorLayer::new(
        GovernorConfigBuilder::default().finish().expect("the defaults are not zero"),
    )
    .layer(AxumPong);
    let unknown = || Request::new(Body::empty());
    assert_eq!(ask(&mut peer, unknown()).0, StatusCode::INTERNAL_SERVER_ERROR);

    let mut ours = ours(Quota::per_hour(1)).layer(AxumPong);
    assert_eq!(ask(&mut ours, unknown()).0, StatusCode::OK, "they share one bucket");
    assert_eq!(ask(&mut ours, unknown()).0, StatusCode::TOO_MANY_REQUESTS);
}

#[test]
fn governor_keeps_every_key_until_somebody_cleans_up_and_every_key_in_debt_even_then() {
    const KEYS: u64 = 100_000;

    let quota = governor::Quota::per_hour(NonZeroU32::MIN);
    let peer: DefaultKeyedRateLimiter<u64> = Governor::keyed(quota);
    let policy = Policy::new("key", Quota::per_hour(1), client()).peak_keys(1_000);
    let ours = RateLimiter::builder().policy(policy).build().expect("a plain name");
    let size = ours.memory_size();
    let handle = ours.policy("key").expect("its policy");
    for key in 0..KEYS {
        peer.check_key(&key).expect("the first cell of a key");
        assert!(now(handle.check(&Key::borrowed(&key.to_le_bytes()))).is_ok());
    }
    assert_eq!(peer.len() as u64, KEYS);
    peer.retain_recent();
    assert_eq!(peer.len() as u64, KEYS, "all of them are in debt for an hour");
    assert_eq!(ours.memory_size(), size);
    assert!(size < 24_000, "{size} bytes for 1000 keys");
}

#[test]
fn stacked_layers_of_tower_governor_burn_the_quota_of_the_outer_one() {
    let limit = |burst| {
        let mut config = GovernorConfigBuilder::default();
        config.per_second(3600).burst_size(burst).finish().expect("neither is zero")
    };
    let (wide, narrow) = (limit(3), limit(1));
    let wide_limiter = wide.limiter().clone();
    let mut peer = GovernorLayer::new(wide).layer(GovernorLayer::new(narrow).layer(AxumPong));
    let statuses: Vec<_> =
        (0..3).map(|_| ask(&mut peer, request(CLIENT, &[])).0.as_u16()).collect();
    assert_eq!(statuses, [200, 429, 429]);
    // One request was served, and all three cells are gone.
    let address = request_address();
    assert!(wide_limiter.check_key(&address).is_err());

    let ours = RateLimiter::builder()
        .policy(Policy::new("wide", Quota::per_hour(1).burst(3), client()))
        .policy(Policy::new("narrow", Quota::per_hour(1).burst(1), client()))
        .time(ManualClock::default())
        .build()
        .expect("plain names");
    let mut service = ours.layer().expect("limits by address").layer(AxumPong);
    let statuses: Vec<_> =
        (0..3).map(|_| ask(&mut service, request(CLIENT, &[])).0.as_u16()).collect();
    assert_eq!(statuses, [200, 429, 429]);
    let wide = ours.policy("wide").expect("its policy");
    let left = now(wide.check_cost(&Key::address(address), 0)).expect("two cells are left");
    assert_eq!(left.remaining(), 2);
}

fn request_address() -> IpAddr {
    CLIENT.parse::<SocketAddr>().expect("an address and a port").ip()
}
