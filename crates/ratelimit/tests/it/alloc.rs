//! What a request that is let in costs.

use hardpoint_core::{Head, Key, KeyExtractor, ManualClock};
use hardpoint_ratelimit::{Draft, Headers, Quota, RateLimiter, key};
use hardpoint_testkit::contract::{allocations, allocations_in};
use http::StatusCode;

use super::{TENANT, from, limiter, per_tenant};

#[test]
fn without_headers_the_layer_allocates_nothing() {
    let limiter =
        limiter(&ManualClock::default(), [per_tenant("tenant", Quota::per_second(1_000))]);
    allocations("ratelimit", &limiter.layer(), || from("acme")).assert_layer(0);
}

#[test]
fn with_eight_policies_the_layer_allocates_nothing() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let policies = names.map(|name| per_tenant(name, Quota::per_second(1_000)));
    let limiter = limiter(&ManualClock::default(), policies);
    allocations("ratelimit, 8 policies", &limiter.layer(), || from("acme")).assert_layer(0);
}

#[test]
fn charging_by_the_response_allocates_what_is_held() {
    let policy = per_tenant("tenant", Quota::per_second(1_000))
        .charge_on(|response| response.status == StatusCode::UNAUTHORIZED);
    let limiter = limiter(&ManualClock::default(), [policy]);
    // What is to be settled, and what the key holds.
    allocations("ratelimit, charging", &limiter.layer(), || from("acme")).assert_layer(2);
}

#[test]
fn with_headers_it_allocates_their_value() {
    let limiter = RateLimiter::builder()
        .policy(per_tenant("tenant", Quota::per_second(1_000)))
        .headers(Headers::ietf(Draft::V11))
        .build_with_clock(ManualClock::default())
        .unwrap();
    // The text, and the share count of the bytes that the header's value makes of it.
    allocations("ratelimit with headers", &limiter.layer(), || from("acme")).assert_layer(2);
}

#[test]
fn a_key_costs_nothing_to_extract_and_to_digest() {
    let request = from("acme");
    let extractor = key::header(TENANT);
    let key: Key<'_> = extractor.key(Head::of(&request)).unwrap();
    assert_eq!(key.as_bytes(), b"acme");
    assert_eq!(allocations_in(|| extractor.key(Head::of(&request)).is_ok()), 0);
}
