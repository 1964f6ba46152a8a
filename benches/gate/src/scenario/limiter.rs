use hardpoint::{
    core::{ClientResolver, Key, ManualClock, Peer},
    ratelimit::{Draft, Headers, MemoryStore, Policy, Quota, RateLimiter, key},
};
use hardpoint_bench_harness::{
    exchange::{Pong, exchange, now},
    keys,
};
use http::{Request, StatusCode};
use tower_layer::Layer;

use super::Scenario;

type Limiter = RateLimiter<MemoryStore<ManualClock>>;

fn limiter(quota: Quota, headers: Headers) -> Limiter {
    let policy = Policy::new("client", quota, key::client_network(ClientResolver::direct()));
    RateLimiter::builder()
        .policy(policy)
        .headers(headers)
        .build_with_clock(ManualClock::default())
        .expect("one policy with a plain name")
}

/// A request of the one client that asks. The client's slot is the first of its line, whatever the
/// digest is keyed with: nobody else is in the table.
fn request() -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(Peer::new((keys::address(1), 40_000).into()));
    request
}

fn through_layer(quota: Quota, headers: Headers, expected: StatusCode) -> Scenario {
    let mut service = limiter(quota, headers).layer().layer(Pong);
    // The burst of one is used up here; a large one is not.
    let _first = exchange(&mut service, request());
    Scenario::new(request, move |request| assert_eq!(exchange(&mut service, request), expected))
}

/// A request that is let in, through the layer.
#[must_use]
pub fn limiter_accept() -> Scenario {
    through_layer(Quota::per_second(1_000), Headers::none(), StatusCode::OK)
}

/// The same with the headers that tell the client.
#[must_use]
pub fn limiter_accept_headers() -> Scenario {
    through_layer(Quota::per_second(1_000), Headers::ietf(Draft::V11), StatusCode::OK)
}

/// A request that is refused, through the layer.
#[must_use]
pub fn limiter_refuse() -> Scenario {
    through_layer(Quota::per_second(1), Headers::none(), StatusCode::TOO_MANY_REQUESTS)
}

/// A check without a request: digest and decision.
#[must_use]
pub fn limiter_check() -> Scenario {
    let limiter = limiter(Quota::per_second(1_000), Headers::none());
    Scenario::new(
        || keys::address(1),
        move |address| {
            let key = Key::address(address.into());
            let verdict = now(limiter.check("client", &key, 1));
            assert!(verdict.is_ok_and(|verdict| verdict.allowed()));
        },
    )
}
