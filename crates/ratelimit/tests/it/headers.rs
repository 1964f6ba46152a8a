//! The headers, read back by an independent parser of structured fields (RFC 9651).

use std::time::Duration;

use hardpoint_core::ManualClock;
use hardpoint_ratelimit::{Draft, Headers, LegacyReset, Policy, Quota, RateLimiter};
use http::{HeaderMap, StatusCode};
use proptest::prelude::*;
use sfv::{BareItem, ListEntry, Parser};

use tower::Layer;

use super::{ask, from, per_tenant};

fn with_headers(clock: &ManualClock, policies: impl IntoIterator<Item = Policy>) -> RateLimiter {
    policies
        .into_iter()
        .fold(RateLimiter::builder().headers(Headers::ietf(Draft::V11)), |builder, policy| {
            builder.policy(policy)
        })
        .time(clock)
        .build()
        .unwrap()
}

/// The items of a list of strings with whole numbers as parameters.
fn items(headers: &HeaderMap, name: &str) -> Vec<(String, Vec<(String, i64)>)> {
    let list = Parser::new(headers[name].as_bytes()).parse::<sfv::List>().unwrap();
    list.into_iter()
        .map(|entry| {
            let ListEntry::Item(item) = entry else { panic!("an inner list") };
            let BareItem::String(name) = item.bare_item else { panic!("no string") };
            let parameters = item.params.into_iter().map(|(key, value)| {
                let BareItem::Integer(number) = value else { panic!("no number") };
                (key.as_str().to_owned(), i64::from(number))
            });
            (name.as_str().to_owned(), parameters.collect())
        })
        .collect()
}

fn numbers(pairs: &[(&str, i64)]) -> Vec<(String, i64)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect()
}

#[tokio::test]
async fn every_response_describes_the_policies_and_what_is_left() {
    let clock = ManualClock::default();
    let burst = per_tenant("burst", Quota::per_second(2).burst(3));
    let daily = per_tenant("daily", Quota::new(1_000, Duration::from_hours(24)).unwrap());
    let limiter = with_headers(&clock, [burst, daily]);
    let first = ask(&limiter, from("acme")).await;
    assert_eq!(
        items(first.headers(), "ratelimit-policy"),
        [
            ("burst".to_owned(), numbers(&[("q", 3), ("w", 2)])),
            ("daily".to_owned(), numbers(&[("q", 1_000), ("w", 86_400)])),
        ]
    );
    assert_eq!(
        items(first.headers(), "ratelimit"),
        [
            ("burst".to_owned(), numbers(&[("r", 2), ("t", 1)])),
            ("daily".to_owned(), numbers(&[("r", 999), ("t", 87)])),
        ]
    );
    ask(&limiter, from("acme")).await;
    ask(&limiter, from("acme")).await;
    let refused = ask(&limiter, from("acme")).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(items(refused.headers(), "ratelimit")[0].1, numbers(&[("r", 0), ("t", 1)]));
    assert_eq!(items(refused.headers(), "ratelimit")[1].1[0], ("r".to_owned(), 997));
}

#[tokio::test]
async fn the_window_is_the_one_that_was_asked_for() {
    for (quota, window) in [
        (Quota::per_second(60), 1),
        (Quota::per_second(3), 1),
        (Quota::per_second(999), 1),
        (Quota::per_minute(7), 60),
        (Quota::per_hour(1), 3_600),
        (Quota::per_second(3).burst(4), 2),
        (Quota::per_second(1_000).burst(1), 1),
    ] {
        let limiter = with_headers(&ManualClock::default(), [per_tenant("t", quota)]);
        let answer = ask(&limiter, from("acme")).await;
        let told = &items(answer.headers(), "ratelimit-policy")[0].1;
        assert_eq!(told[1], ("w".to_owned(), window), "{quota:?}");
    }
}

#[tokio::test]
async fn two_limiters_describe_their_limits_side_by_side() {
    let clock = ManualClock::default();
    let outer = with_headers(&clock, [per_tenant("outer", Quota::per_hour(100))]);
    let inner = with_headers(&clock, [per_tenant("inner", Quota::per_hour(1))]);
    let service = outer.layer().unwrap().layer(inner.layer().unwrap().layer(tower::service_fn(
        async |_request| {
            Ok::<_, std::convert::Infallible>(http::Response::new(
                hardpoint_testkit::TestBody::from("ok"),
            ))
        },
    )));
    super::read(service.clone(), from("acme")).await;
    let refused = super::read(service, from("acme")).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let all: Vec<_> = refused.headers().get_all("ratelimit").iter().collect();
    assert_eq!(all, [r#""inner";r=0;t=3600"#, r#""outer";r=98;t=36"#]);
}

#[tokio::test]
async fn the_old_headers_say_when_the_bucket_is_full_in_either_form() {
    let clock = ManualClock::default();
    let unix = hardpoint_core::Clock::unix(&clock).as_secs();
    for (form, reset) in [(LegacyReset::DeltaSeconds, 12), (LegacyReset::UnixSeconds, unix + 12)] {
        let limiter = RateLimiter::builder()
            .policy(per_tenant("t", Quota::per_minute(5)))
            .headers(Headers::none().legacy(form).expose())
            .time(&clock)
            .build()
            .unwrap();
        let answer = ask(&limiter, from("acme")).await;
        let number = |name: &str| answer.headers()[name].to_str().unwrap().parse::<u64>().unwrap();
        let told = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"].map(number);
        assert_eq!(told, [5, 4, reset]);
        assert_eq!(
            answer.headers()["access-control-expose-headers"],
            "retry-after, x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset"
        );
        assert!(!answer.headers().contains_key("ratelimit"));
    }
}

#[tokio::test]
async fn a_shadow_policy_appears_in_no_header() {
    let shadow = per_tenant("tried", Quota::per_hour(1)).shadow();
    let limiter =
        with_headers(&ManualClock::default(), [shadow, per_tenant("real", Quota::per_hour(9))]);
    let answer = ask(&limiter, from("acme")).await;
    assert_eq!(items(answer.headers(), "ratelimit").len(), 1);
    assert_eq!(items(answer.headers(), "ratelimit-policy")[0].0, "real");
}

#[tokio::test]
async fn retry_after_is_never_earlier_than_the_header_says() {
    let clock = ManualClock::default();
    let limiter = with_headers(&clock, [per_tenant("slow", Quota::per_hour(7))]);
    for step in 0..40_u64 {
        let answer = ask(&limiter, from("acme")).await;
        if let Some(retry) = answer.headers().get("retry-after") {
            let retry: i64 = retry.to_str().unwrap().parse().unwrap();
            assert!(retry >= items(answer.headers(), "ratelimit")[0].1[1].1);
        }
        clock.advance(Duration::from_millis(step * 1_237));
    }
}

proptest! {
    #[test]
    fn any_name_that_a_policy_may_have_survives_the_header(name in "[ -~]{1,64}") {
        let policy = per_tenant(name.clone(), Quota::per_second(5));
        let limiter = with_headers(&ManualClock::default(), [policy]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let answer = runtime.block_on(ask(&limiter, from("acme")));
        prop_assert_eq!(&items(answer.headers(), "ratelimit")[0].0, &name);
        prop_assert_eq!(&items(answer.headers(), "ratelimit-policy")[0].0, &name);
    }
}
