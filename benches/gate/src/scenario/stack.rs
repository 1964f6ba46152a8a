use bytes::Bytes;
use hardpoint::{
    Stack,
    auth::{Algorithm, AuthLayer},
    core::{ClientResolver, ManualClock, Peer},
    edge::{BodyLimitLayer, ClientLayer, PanicLayer, ProblemLayer, SecurityHeadersLayer},
    observability::RecordLayer,
    ratelimit::{MemoryStore, Policy, Quota, RateLimitLayer, RateLimiter, key},
};
use hardpoint_bench_harness::{
    exchange::{Pong, exchange},
    keys,
    tokens::Fixture,
};
use http::{
    HeaderValue, Request, StatusCode,
    header::{AUTHORIZATION, HOST, USER_AGENT},
};
use http_body_util::Full;
use tower_layer::Layer;

use super::{
    Scenario,
    record::{identify, log},
};

fn limit(policy: Policy, clock: &ManualClock) -> RateLimitLayer<MemoryStore<ManualClock>> {
    let builder = RateLimiter::builder().policy(policy);
    builder.build_with_clock(clock.clone()).expect("one policy with a plain name").layer()
}

fn request() -> Request<Full<Bytes>> {
    let bearer = format!("Bearer {}", Fixture::of(Algorithm::EdDsa).token);
    let mut request = Request::new(Full::default());
    let headers = request.headers_mut();
    headers.insert(AUTHORIZATION, HeaderValue::try_from(bearer).expect("a token is ASCII"));
    headers.insert(HOST, HeaderValue::from_static("api.example"));
    headers.insert(USER_AGENT, HeaderValue::from_static("curl/8.5.0"));
    identify(headers);
    request.extensions_mut().insert(Peer::new((keys::address(1), 40_000).into()));
    request
}

/// Every layer of the stack that needs no server, in its order.
fn through_stack(per_client: Quota, expected: StatusCode) -> Scenario {
    let clock = ManualClock::default();
    let resolver = ClientResolver::direct;
    let verifier = Fixture::of(Algorithm::EdDsa).verifier(clock.clone());
    let by_address = Policy::new("client", per_client, key::client_network(resolver()));
    let by_subject = Policy::new("subject", Quota::per_second(1_000), key::subject());
    let stack = Stack::new()
        .client(ClientLayer::new(resolver()).with_clock(clock.clone()))
        .record(RecordLayer::new().accept_ids().with_clock(clock.clone()))
        .security_headers(SecurityHeadersLayer::default())
        .problem(ProblemLayer::new())
        .catch_panic(PanicLayer::new())
        .rate_limit_by_address(limit(by_address, &clock))
        .authenticate(AuthLayer::new(verifier))
        .rate_limit_by_subject(limit(by_subject, &clock))
        .body_limit(BodyLimitLayer::new(64 * 1024));
    let mut service = stack.layer(Pong);
    // The burst of one is used up here; a large one is not.
    let _first = exchange(&mut service, request());
    Scenario::new(request, move |request| assert_eq!(exchange(&mut service, request), expected))
}

/// A request with a valid token of EdDSA through all layers. It makes the log of the process.
#[must_use]
pub fn stack_accept() -> Scenario {
    log();
    through_stack(Quota::per_second(1_000), StatusCode::OK)
}

/// One that the limit by address refuses: what a flood costs.
#[must_use]
pub fn stack_refuse() -> Scenario {
    through_stack(Quota::per_second(1), StatusCode::TOO_MANY_REQUESTS)
}
