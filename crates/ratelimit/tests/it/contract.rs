//! The laws of every layer.

use hardpoint_core::ManualClock;
use hardpoint_ratelimit::{Quota, RateLimit, RateLimitLayer, RateLimiter, SubjectRateLimitLayer};
use hardpoint_testkit::contract;

use super::{conformance::remote::Remote, from, handle, limiter, per_tenant};

#[test]
fn the_layer_keeps_the_contract() {
    let limiter =
        limiter(&ManualClock::default(), [per_tenant("tenant", Quota::per_second(1_000))]);
    contract::run(&limiter.layer().unwrap(), || from("acme"));
    contract::run(&RateLimitLayer::off(), || from("acme"));
}

#[test]
fn the_layer_over_a_store_that_answers_later_keeps_the_contract() {
    let limiter = RateLimiter::builder()
        .policy(per_tenant("tenant", Quota::per_second(1_000)))
        .store(Remote::new(&ManualClock::default()))
        .build()
        .unwrap();
    let layer = limiter.layer().unwrap();
    contract::readiness_is_asked_of_the_same_instance(&layer, || from("acme"));
    contract::errors_are_preserved(&layer, || from("acme"));
    contract::trailers_and_size_hint_survive(&layer, || from("acme"));
    contract::dropping_the_future_returns_permits(&layer, || from("acme"));
}

#[test]
fn a_refusal_is_a_response() {
    let limiter = limiter(&ManualClock::default(), [per_tenant("tenant", Quota::per_hour(1))]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(handle(&limiter, "tenant").check(&super::ACME)).is_ok());
    contract::refusals_are_responses(&limiter.layer().unwrap(), || from("acme"));
}

#[test]
fn the_types_can_be_shared() {
    contract::assert_auto_traits::<RateLimitLayer>();
    contract::assert_auto_traits::<SubjectRateLimitLayer>();
    contract::assert_auto_traits::<RateLimit<()>>();
    contract::assert_auto_traits::<RateLimiter>();
}

/// A service of the user's names none of our type parameters, and is tested with a manual clock.
#[tokio::test]
async fn a_users_struct_holds_a_limiter_without_a_type_parameter() {
    struct Service {
        limiter: RateLimiter,
        layer: RateLimitLayer,
    }

    let limiter = limiter(&ManualClock::default(), [per_tenant("t", Quota::per_hour(1))]);
    let service = Service { layer: limiter.layer().unwrap(), limiter };
    assert!(service.layer.limiter().is_some());
    assert!(handle(&service.limiter, "t").check(&super::ACME).await.is_ok());
    assert!(handle(&service.limiter, "t").check(&super::ACME).await.is_err());
}
