//! What a request that is let in costs.

use futures_util::FutureExt;
use hardpoint_core::{Head, Identity, Key, KeyExtractor, ManualClock, RequestContext, Time};
use hardpoint_ratelimit::{Draft, Headers, Quota, RateLimiter, key};
use hardpoint_testkit::contract::{allocations, allocations_in};
use http::StatusCode;

use super::{TENANT, from, limiter, per_tenant};

#[test]
fn without_headers_the_layer_allocates_nothing() {
    let limiter =
        limiter(&ManualClock::default(), [per_tenant("tenant", Quota::per_second(1_000))]);
    allocations("ratelimit", &limiter.layer().unwrap(), || from("acme")).assert_layer(0);
}

#[test]
fn with_eight_policies_the_layer_allocates_nothing() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let policies = names.map(|name| per_tenant(name, Quota::per_second(1_000)));
    let limiter = limiter(&ManualClock::default(), policies);
    allocations("ratelimit, 8 policies", &limiter.layer().unwrap(), || from("acme"))
        .assert_layer(0);
}

#[test]
fn charging_by_the_response_allocates_what_is_held() {
    let policy = per_tenant("tenant", Quota::per_second(1_000))
        .charge_on(|response| response.status == StatusCode::UNAUTHORIZED);
    let limiter = limiter(&ManualClock::default(), [policy]);
    // What is to be settled.
    allocations("ratelimit, charging", &limiter.layer().unwrap(), || from("acme")).assert_layer(1);
}

#[test]
fn with_headers_it_allocates_their_value() {
    let limiter = RateLimiter::builder()
        .policy(per_tenant("tenant", Quota::per_second(1_000)))
        .headers(Headers::ietf(Draft::V11))
        .time(ManualClock::default())
        .build()
        .unwrap();
    // The text, and the share count of the bytes that the header's value makes of it.
    allocations("ratelimit with headers", &limiter.layer().unwrap(), || from("acme"))
        .assert_layer(2);
}

#[test]
fn a_key_costs_nothing_to_extract_and_to_digest() {
    let request = from("acme");
    let extractor = key::header(TENANT);
    let key: Key<'_> = extractor.key(Head::new(&request)).unwrap();
    assert_eq!(key.as_bytes(), b"acme");
    assert_eq!(allocations_in(|| extractor.key(Head::new(&request)).is_ok()), 0);
}

#[test]
fn a_caller_with_a_short_name_costs_nothing_to_extract() {
    let mut request = from("acme");
    let context = RequestContext::ensure(request.extensions_mut(), &Time::system());
    context.set_identity(Identity::from_subject("01890a5d-ac96-774b-bcce-b302099a8057"));
    let extractor = key::subject();
    assert_eq!(allocations_in(|| extractor.key(Head::new(&request)).is_ok()), 0);
}

#[test]
fn a_check_without_a_request_allocates_nothing() {
    let limiter = limiter(&ManualClock::default(), [per_tenant("t", Quota::per_second(1_000))]);
    let handle = super::handle(&limiter, "t");
    let check = || handle.check(&super::ACME).now_or_never().unwrap().is_ok();
    assert_eq!(allocations_in(|| assert!(check())), 0);
}
