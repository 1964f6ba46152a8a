//! The laws of every layer.

use hardpoint_core::{Key, ManualClock};
use hardpoint_ratelimit::{Quota, RateLimit, RateLimitLayer, RateLimiter};
use hardpoint_testkit::contract;

use super::{from, later::Slow, limiter, per_tenant};

#[test]
fn the_layer_keeps_the_contract() {
    let limiter =
        limiter(&ManualClock::default(), [per_tenant("tenant", Quota::per_second(1_000))]);
    contract::run(&limiter.layer(), || from("acme"));
    contract::run(&RateLimitLayer::off(), || from("acme"));
}

#[test]
fn the_layer_over_a_store_that_answers_later_keeps_the_contract() {
    let limiter = RateLimiter::builder()
        .policy(per_tenant("tenant", Quota::per_second(1_000)))
        .build_with_store(Slow::new())
        .unwrap();
    contract::readiness_is_asked_of_the_same_instance(&limiter.layer(), || from("acme"));
    contract::errors_are_preserved(&limiter.layer(), || from("acme"));
    contract::trailers_and_size_hint_survive(&limiter.layer(), || from("acme"));
    contract::dropping_the_future_returns_permits(&limiter.layer(), || from("acme"));
}

#[test]
fn a_refusal_is_a_response() {
    let limiter = limiter(&ManualClock::default(), [per_tenant("tenant", Quota::per_hour(1))]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let first = runtime.block_on(limiter.check("tenant", &Key::borrowed(b"acme"), 1));
    assert!(first.unwrap().allowed());
    contract::refusals_are_responses(&limiter.layer(), || from("acme"));
}

#[test]
fn the_types_can_be_shared() {
    contract::assert_auto_traits::<RateLimitLayer>();
    contract::assert_auto_traits::<RateLimit<()>>();
    contract::assert_auto_traits::<RateLimiter>();
}
