use bytes::Bytes;
use hardpoint::{
    Stack,
    auth::{Algorithm, AuthLayer},
    core::{ClientResolver, ManualClock, Peer},
    edge::{BodyLimitLayer, CatchPanicLayer, ClientLayer, ProblemLayer, SecurityHeadersLayer},
    observability::RecordLayer,
    ratelimit::{Policy, Quota, RateLimiter, key},
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

use super::{
    Scenario,
    record::{identify, log},
};

fn limiter(policy: Policy, clock: &ManualClock) -> RateLimiter {
    let builder = RateLimiter::builder().policy(policy).time(clock);
    builder.build().expect("one policy with a plain name")
}

fn request() -> Request<Full<Bytes>> {
    let bearer = format!("Bearer {}", Fixture::signed_with(Algorithm::EdDsa).token);
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
    let verifier = Fixture::signed_with(Algorithm::EdDsa).verifier(clock.clone());
    let by_address = Policy::new("client", per_client, key::client_network(resolver()));
    let by_subject = Policy::new("subject", Quota::per_second(1_000), key::subject());
    let stack = Stack::new()
        .layer(ClientLayer::new(resolver()).time(&clock))
        .layer(RecordLayer::new().accept_ids().time(&clock))
        .layer(SecurityHeadersLayer::default())
        .layer(ProblemLayer::new())
        .layer(CatchPanicLayer::new())
        .layer(limiter(by_address, &clock).layer().expect("keyed by address"))
        .layer(AuthLayer::new(verifier))
        .layer(limiter(by_subject, &clock).by_subject().expect("keyed by subject"))
        .layer(BodyLimitLayer::new(64 * 1024));
    let mut service = stack.service(Pong);
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
