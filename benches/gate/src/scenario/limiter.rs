use hardpoint::{
    core::{ClientResolver, Key, ManualClock, Peer},
    ratelimit::{Draft, Headers, Policy, Quota, RateLimiter, key},
};
use hardpoint_bench_harness::{
    exchange::{Pong, exchange, now},
    keys,
};
use http::{Request, StatusCode};
use tower_layer::Layer;

use super::Scenario;

fn limiter(quota: Quota, headers: Headers) -> RateLimiter {
    let policy = Policy::new("client", quota, key::client_network(ClientResolver::direct()));
    let builder = RateLimiter::builder().policy(policy).headers(headers);
    builder.time(ManualClock::default()).build().expect("one policy with a plain name")
}

/// A request of the only client. The table contains no other key, so the client always has the
/// first slot of its line, under any key of the digest.
fn request() -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(Peer::new((keys::address(1), 40_000).into()));
    request
}

fn through_layer(quota: Quota, headers: Headers, expected: StatusCode) -> Scenario {
    let layer = limiter(quota, headers).layer().expect("a limit by address");
    let mut service = layer.layer(Pong);
    // The burst of one is used up here; a large one is not.
    let _first = exchange(&mut service, request());
    Scenario::new(request, move |request| assert_eq!(exchange(&mut service, request), expected))
}

/// An admitted request, through the layer.
#[must_use]
pub fn limiter_accept() -> Scenario {
    through_layer(Quota::per_second(1_000), Headers::none(), StatusCode::OK)
}

/// The same with header fields that describe the limit.
#[must_use]
pub fn limiter_accept_headers() -> Scenario {
    through_layer(Quota::per_second(1_000), Headers::ietf(Draft::V11), StatusCode::OK)
}

/// A refused request, through the layer.
#[must_use]
pub fn limiter_refuse() -> Scenario {
    through_layer(Quota::per_second(1), Headers::none(), StatusCode::TOO_MANY_REQUESTS)
}

/// A check without a request: digest and decision.
#[must_use]
pub fn limiter_check() -> Scenario {
    let limiter = limiter(Quota::per_second(1_000), Headers::none());
    let handle = limiter.policy("client").expect("the limiter's policy");
    Scenario::new(
        || keys::address(1),
        move |address| assert!(now(handle.check(&Key::address(address.into()))).is_ok()),
    )
}
