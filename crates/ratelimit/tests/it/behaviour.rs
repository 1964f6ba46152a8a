//! What a client sees.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use hardpoint_core::{
    Event, ManualClock, Refusals, Refused, Rejection, StackLayer, Telemetry, event::Limited,
};
use hardpoint_ratelimit::{ConfigError, OnMissingKey, Quota, RateLimitLayer, RateLimiter};
use hardpoint_testkit::TestBody;
use http::{
    Method, Request, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
};
use tower::{Layer, service_fn};

use super::{ask, check, from, left, limiter, per_tenant, read};

#[tokio::test]
async fn a_client_that_waits_for_retry_after_is_admitted() {
    let clock = ManualClock::default();
    let limiter = limiter(&clock, [per_tenant("tenant", Quota::per_minute(4).burst(2))]);
    for round in 0..5 {
        while ask(&limiter, from("acme")).await.status() == StatusCode::OK {}
        let refused = ask(&limiter, from("acme")).await;
        let seconds: u64 = refused.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
        assert_eq!(seconds, 15, "round {round}");
        clock.advance(Duration::from_secs(seconds) - Duration::from_nanos(1));
        assert_eq!(ask(&limiter, from("acme")).await.status(), StatusCode::TOO_MANY_REQUESTS);
        clock.advance(Duration::from_nanos(1));
        assert_eq!(ask(&limiter, from("acme")).await.status(), StatusCode::OK);
        clock.advance(Duration::from_secs(30));
    }
}

#[tokio::test]
async fn a_refusal_is_a_problem_of_the_registered_type() {
    let clock = ManualClock::default();
    let limiter = limiter(&clock, [per_tenant("tenant", Quota::per_hour(1))]);
    assert_eq!(ask(&limiter, from("acme")).await.body(), "ok");
    let refused = ask(&limiter, from("acme")).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()[CONTENT_TYPE], "application/problem+json");
    assert_eq!(refused.headers()[CACHE_CONTROL], "no-store");
    assert_eq!(refused.headers()[RETRY_AFTER], "3600");
    assert_eq!(
        refused.extensions().get::<Refused>().map(|refused| refused.code()),
        Some("rate_limited")
    );
    let body: serde_json::Value = serde_json::from_slice(refused.body()).unwrap();
    assert_eq!(body["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_eq!(body["violated-policies"], serde_json::json!(["tenant"]));
    assert!(!refused.body().windows(4).any(|text| text == b"acme"), "the key is not told");
}

#[tokio::test]
async fn a_grpc_service_refuses_with_resource_exhausted() {
    let clock = ManualClock::default();
    let limiter = limiter(&clock, [per_tenant("tenant", Quota::per_hour(1))]);
    ask(&limiter, from("acme")).await;
    // The stack's setting applies where the layer has none of its own.
    let layer = StackLayer::refusals(limiter.layer().unwrap(), &Refusals::new().grpc());
    let layer = StackLayer::refusals(layer, &Refusals::new());
    let service = layer.layer(service_fn(async |_request| {
        Ok::<_, std::convert::Infallible>(http::Response::new(TestBody::from("ok")))
    }));
    let refused = read(service, from("acme")).await;
    assert_eq!(refused.status(), StatusCode::OK);
    assert_eq!(refused.headers()["grpc-status"], "8");
    assert_eq!(refused.headers()[RETRY_AFTER], "3600");
    assert!(refused.headers().contains_key("grpc-status-details-bin"), "RetryInfo");
}

#[tokio::test]
async fn keys_do_not_share_a_bucket_and_clones_of_a_layer_do() {
    let clock = ManualClock::default();
    let limiter = limiter(&clock, [per_tenant("tenant", Quota::per_hour(1))]);
    assert_eq!(ask(&limiter, from("acme")).await.status(), StatusCode::OK);
    assert_eq!(ask(&limiter, from("globex")).await.status(), StatusCode::OK);
    let twin = limiter.clone();
    assert_eq!(ask(&twin, from("acme")).await.status(), StatusCode::TOO_MANY_REQUESTS);
    let second = super::limiter(&clock, [per_tenant("tenant", Quota::per_hour(1))]);
    assert_eq!(
        ask(&second, from("acme")).await.status(),
        StatusCode::OK,
        "a second limiter is a second state"
    );
}

#[tokio::test]
async fn a_request_that_one_policy_refuses_costs_nothing_under_the_others() {
    let clock = ManualClock::default();
    let wide = per_tenant("wide", Quota::per_hour(10));
    let narrow = per_tenant("narrow", Quota::per_hour(1));
    let limiter = limiter(&clock, [wide, narrow]);
    for _ in 0..8 {
        ask(&limiter, from("acme")).await;
    }
    assert_eq!(left(&limiter, "wide").await, 9, "one was admitted and seven were refused");
    let refused = ask(&limiter, from("acme")).await;
    let body: serde_json::Value = serde_json::from_slice(refused.body()).unwrap();
    assert_eq!(body["violated-policies"], serde_json::json!(["narrow"]));
}

#[tokio::test]
async fn a_policy_applies_only_where_its_filter_says_so() {
    let clock = ManualClock::default();
    let writes = per_tenant("writes", Quota::per_hour(1)).when(|head| head.method == Method::POST);
    let limiter = limiter(&clock, [writes]);
    let post = || {
        let mut request = from("acme");
        *request.method_mut() = Method::POST;
        request
    };
    assert_eq!(ask(&limiter, post()).await.status(), StatusCode::OK);
    assert_eq!(ask(&limiter, post()).await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask(&limiter, from("acme")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_missing_key_means_what_the_policy_says() {
    let clock = ManualClock::default();
    let nobody = || Request::new(TestBody::default());
    for (what, first, second) in [
        (OnMissingKey::Shared, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS),
        (OnMissingKey::Skip, StatusCode::OK, StatusCode::OK),
        (OnMissingKey::Reject, StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST),
    ] {
        let policy = per_tenant("tenant", Quota::per_hour(1)).on_missing_key(what);
        let limiter = limiter(&clock, [policy]);
        assert_eq!(ask(&limiter, nobody()).await.status(), first, "{what:?}");
        assert_eq!(ask(&limiter, nobody()).await.status(), second, "{what:?}");
        assert_eq!(ask(&limiter, from("acme")).await.status(), StatusCode::OK, "{what:?}");
    }
}

#[tokio::test]
async fn a_layer_that_is_off_limits_nothing() {
    let inner = service_fn(async |_request| {
        Ok::<_, std::convert::Infallible>(http::Response::new(TestBody::from("ok")))
    });
    let service = RateLimitLayer::off().layer(inner);
    for _ in 0..1_000 {
        assert_eq!(read(service.clone(), from("acme")).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn every_decision_is_reported_once() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let observer = move |event: &Event<'_>| {
        if let Event::Limited(Limited { policy, allowed, .. }) = event {
            sink.lock().unwrap().push(((*policy).to_owned(), *allowed));
        }
    };
    let limiter = RateLimiter::builder()
        .policy(per_tenant("wide", Quota::per_hour(9)))
        .policy(per_tenant("narrow", Quota::per_hour(1)))
        .time(ManualClock::default())
        .build()
        .unwrap();
    // The first observer stays, whichever layer of the limiter hands it over.
    let layer = limiter.layer().unwrap().telemetry(&Telemetry::new(observer));
    let layer = StackLayer::telemetry(layer, &Telemetry::new(|_: &Event<'_>| unreachable!()));
    let service = layer.layer(service_fn(async |_request| {
        Ok::<_, std::convert::Infallible>(http::Response::new(TestBody::from("ok")))
    }));
    for _ in 0..2 {
        read(service.clone(), from("acme")).await;
    }
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen, [("narrow".to_owned(), true), ("narrow".to_owned(), false)]);
}

#[test]
fn mistakes_are_found_when_the_limiter_is_built() {
    let build = |names: &[&'static str]| {
        let policies = names.iter().map(|name| per_tenant(*name, Quota::per_hour(1)));
        let builder =
            policies.fold(RateLimiter::builder(), |builder, policy| builder.policy(policy));
        builder.build().map(|_| ())
    };
    assert_eq!(build(&[]), Err(ConfigError::NoPolicy));
    assert_eq!(build(&["a", "b", "a"]), Err(ConfigError::DuplicatePolicy { name: "a".into() }));
    for bad in ["", "caf\u{e9}", "a\nb"] {
        assert_eq!(build(&[bad]), Err(ConfigError::PolicyName { name: bad.into() }));
    }
    let nine = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    assert_eq!(build(&nine), Err(ConfigError::TooManyPolicies { given: 9, most: 8 }));
    assert_eq!(build(&nine[..8]), Ok(()));
}

#[tokio::test]
async fn a_check_without_a_request_costs_what_it_says() {
    let clock = ManualClock::default();
    let limiter = limiter(&clock, [per_tenant("bytes", Quota::per_second(100))]);
    assert_eq!(check(&limiter, "bytes", 60).await.unwrap().remaining(), 40);
    let denied = check(&limiter, "bytes", 60).await.unwrap_err();
    assert_eq!(denied.remaining(), 40);
    assert_eq!(denied.retry_after(), Some(Duration::from_millis(200)));
    assert!(!denied.is_undecided());
    assert_eq!(check(&limiter, "bytes", 101).await.unwrap_err().retry_after(), None);
    assert_eq!(denied.problem().status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(denied.problem().retry_delay(), denied.retry_after());
}

/// `?` returns a denial to the caller, so it cannot be dropped by mistake.
#[tokio::test]
async fn a_denial_is_an_error() {
    async fn twice(limiter: &RateLimiter) -> Result<(), Box<dyn std::error::Error>> {
        let handle = limiter.policy("t")?;
        let _first = handle.check(&super::ACME).await?;
        let _second = handle.check(&super::ACME).await?;
        Ok(())
    }

    let limiter = limiter(&ManualClock::default(), [per_tenant("t", Quota::per_hour(1))]);
    assert_eq!(twice(&limiter).await.unwrap_err().to_string(), "the quota is consumed");
}

#[test]
fn a_handle_to_an_unknown_policy_is_a_configuration_error() {
    let limiter = limiter(&ManualClock::default(), [per_tenant("t", Quota::per_hour(1))]);
    assert_eq!(limiter.policy("t").unwrap().name(), "t");
    let error = limiter.policy("other").unwrap_err();
    assert_eq!(error, ConfigError::UnknownPolicy { name: "other".into() });
    assert!(error.to_string().contains("`other`"), "{error}");
}
