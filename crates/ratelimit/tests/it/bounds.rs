//! The header fields agree with each other, with `Retry-After`, and across limiters.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use hardpoint_core::ManualClock;
use hardpoint_ratelimit::{Draft, Headers, LegacyReset, Policy, Quota, RateLimiter};
use hardpoint_testkit::TestBody;
use http::{HeaderMap, Method, Response, StatusCode, header::RETRY_AFTER};
use tower::{Layer, service_fn};

use super::{ask, from, per_tenant, read};

const ALL: Headers = Headers::ietf(Draft::V11).legacy(LegacyReset::DeltaSeconds);

fn limiter(headers: Headers, policies: impl IntoIterator<Item = Policy>) -> RateLimiter {
    let builder = policies.into_iter().fold(RateLimiter::builder(), |b, policy| b.policy(policy));
    builder.headers(headers).time(ManualClock::default()).build().unwrap()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

fn number(headers: &HeaderMap, name: &str) -> u64 {
    text(headers, name).parse().unwrap()
}

/// The parameter of the first item of a list.
fn parameter(headers: &HeaderMap, name: &str, parameter: &str) -> u64 {
    let first = text(headers, name).split(',').next().unwrap();
    let found = first.split(';').find_map(|part| part.strip_prefix(parameter)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("{first} {parameter}")).parse().unwrap()
}

/// The answer of limiters around each other, the outermost first.
async fn through(limiters: &[&RateLimiter]) -> Response<Bytes> {
    let inner =
        service_fn(async |_request| Ok::<_, Infallible>(Response::new(TestBody::from("ok"))));
    match limiters {
        [outer, inner_one] => {
            let service = inner_one.layer().unwrap().layer(inner);
            read(outer.layer().unwrap().layer(service), from("acme")).await
        }
        [outer, middle, inner_one] => {
            let service = inner_one.layer().unwrap().layer(inner);
            let service = middle.layer().unwrap().layer(service);
            read(outer.layer().unwrap().layer(service), from("acme")).await
        }
        _ => panic!("two limiters or three"),
    }
}

#[tokio::test]
async fn no_figure_exceeds_the_window_that_is_told() {
    let quotas = ["7/60s", "7/1m:3", "3/1s", "59/1m", "7/1h", "11/1d", "900001/1s", "7/100ms:1"];
    for (quota, whole) in quotas.into_iter().flat_map(|quota| [(quota, false), (quota, true)]) {
        let parsed: Quota = quota.parse().unwrap();
        let cells = parsed.capacity();
        let policy = per_tenant("t", parsed).cost(move |head| match *head.method {
            Method::GET if !whole => 1,
            _ => cells,
        });
        let limiter = limiter(ALL, [policy]);
        let mut all = from("acme");
        *all.method_mut() = Method::POST;
        for answer in [ask(&limiter, all).await, ask(&limiter, from("acme")).await] {
            let headers = answer.headers();
            let window = parameter(headers, "ratelimit-policy", "w");
            assert!(number(headers, "x-ratelimit-reset") <= window, "{quota} {headers:?}");
            assert!(parameter(headers, "ratelimit", "t") <= window, "{quota} {headers:?}");
            if answer.status() == StatusCode::TOO_MANY_REQUESTS {
                let after = number(headers, "retry-after");
                assert!(after <= window, "{quota} {headers:?}");
                assert_eq!(after.max(1), parameter(headers, "ratelimit", "t").max(1));
            }
        }
    }
}

#[tokio::test]
async fn the_old_fields_describe_the_refusal_that_lasts_longest() {
    let short = per_tenant("short", Quota::per_second(1));
    let long = per_tenant("long", Quota::per_hour(1));
    for policies in [[short.clone(), long.clone()], [long, short]] {
        let limiter = limiter(ALL, policies);
        assert_eq!(ask(&limiter, from("acme")).await.status(), StatusCode::OK);
        let refused = ask(&limiter, from("acme")).await;
        assert_eq!(refused.headers()[RETRY_AFTER], "3600");
        assert_eq!(number(refused.headers(), "x-ratelimit-reset"), 3_600);
    }
}

#[tokio::test]
async fn a_refusal_of_an_inner_limiter_is_described_by_the_outer_one() {
    let unix = Headers::none().legacy(LegacyReset::UnixSeconds);
    let ietf = Headers::ietf(Draft::V11);
    for inner_headers in
        [Headers::none(), ietf, Headers::none().legacy(LegacyReset::DeltaSeconds), ALL]
    {
        for middle_headers in [None, Some(Headers::none()), Some(ALL)] {
            let inner = limiter(
                inner_headers,
                [per_tenant("inner", Quota::new(1, Duration::from_secs(20)).unwrap())],
            );
            let middle = middle_headers
                .map(|headers| limiter(headers, [per_tenant("middle", Quota::per_hour(500))]));
            let outer = limiter(ALL, [per_tenant("outer", Quota::per_second(400))]);
            let mut limiters = vec![&outer];
            limiters.extend(&middle);
            limiters.push(&inner);
            assert_eq!(through(&limiters).await.status(), StatusCode::OK);
            let refused = through(&limiters).await;
            let headers = refused.headers();
            assert_eq!((refused.status().as_u16(), text(headers, "retry-after")), (429, "20"));
            assert_eq!(text(headers, "ratelimit"), r#""inner";r=0;t=20"#, "{headers:?}");
            assert_eq!(text(headers, "ratelimit-policy"), r#""inner";q=1;w=20"#);
            let told = ["limit", "remaining", "reset"]
                .map(|name| number(headers, &format!("x-ratelimit-{name}")));
            assert_eq!(told, [1, 0, 20], "{inner_headers:?} {middle_headers:?}");
            let others = headers.get_all("ratelimit").iter().count() - 1;
            let telling = usize::from(middle_headers == Some(ALL));
            assert_eq!(others, 1 + telling, "{headers:?}");
            assert_eq!(headers.get_all("ratelimit-policy").iter().count(), others + 1);
        }
    }
    // The form of the reset is the outer limiter's.
    let inner = limiter(Headers::none(), [per_tenant("inner", Quota::per_hour(1))]);
    let outer = limiter(unix, [per_tenant("outer", Quota::per_second(400))]);
    let (_admitted, refused) = (through(&[&outer, &inner]).await, through(&[&outer, &inner]).await);
    let now = hardpoint_core::Clock::unix(&ManualClock::default()).as_secs();
    assert_eq!(number(refused.headers(), "x-ratelimit-reset"), now + 3_600);
}

#[tokio::test]
async fn an_inner_refusal_with_cells_left_beats_an_outer_limiter_with_fewer() {
    let dear = per_tenant("inner", Quota::per_hour(5)).cost(|_| 6);
    let inner = limiter(Headers::none(), [dear]);
    let outer = limiter(ALL, [per_tenant("outer", Quota::per_hour(2))]);
    let refused = through(&[&outer, &inner]).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(number(refused.headers(), "x-ratelimit-remaining"), 5);
    assert_eq!(text(refused.headers(), "ratelimit"), r#""inner";r=5;t=0"#);
}

#[tokio::test]
async fn a_policy_that_does_not_apply_is_not_advertised() {
    let post = per_tenant("post", Quota::per_hour(9)).when(|head| head.method == Method::POST);
    let limiter = limiter(ALL, [per_tenant("all", Quota::per_hour(5)), post]);
    let answer = ask(&limiter, from("acme")).await;
    assert_eq!(text(answer.headers(), "ratelimit-policy"), r#""all";q=5;w=3600"#);
    assert_eq!(text(answer.headers(), "ratelimit"), r#""all";r=4;t=720"#);
    let mut request = from("acme");
    *request.method_mut() = Method::POST;
    let answer = ask(&limiter, request).await;
    assert_eq!(
        text(answer.headers(), "ratelimit-policy"),
        r#""all";q=5;w=3600, "post";q=9;w=3600"#
    );
}
