//! Keys that are missing, in part or whole, and keys that clients invent.

use hardpoint_core::{ClientResolver, KeyMissing, ManualClock, Peer};
use hardpoint_ratelimit::{OnMissingKey, Policy, Quota, key};
use hardpoint_testkit::TestBody;
use http::{HeaderName, Request, StatusCode};

use super::{TENANT, ask, captured_logs, limiter};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What a request has of a key.
#[derive(Clone, Copy, Default)]
struct Has {
    address: Option<u8>,
    tenant: Option<&'static str>,
    key: Option<&'static str>,
}

fn request(has: Has) -> Request<TestBody> {
    let mut request = Request::new(TestBody::default());
    if let Some(last) = has.address {
        request.extensions_mut().insert(Peer::new(([203, 0, 113, last], 4711).into()));
    }
    for (name, value) in [(TENANT, has.tenant), (API_KEY, has.key)] {
        if let Some(value) = value {
            request.headers_mut().append(name, value.parse().unwrap());
        }
    }
    request
}

fn composed() -> Policy {
    let address = || key::client_network(ClientResolver::direct());
    let key = key::both(address(), key::both(key::header(TENANT), key::header(API_KEY)));
    Policy::new("composed", Quota::per_hour(1), key)
}

/// Whether the two requests use one bucket.
async fn shared(policy: Policy, first: Request<TestBody>, second: Request<TestBody>) -> bool {
    let limiter = limiter(&ManualClock::default(), [policy]);
    assert_eq!(ask(&limiter, first).await.status(), StatusCode::OK);
    ask(&limiter, second).await.status() == StatusCode::TOO_MANY_REQUESTS
}

#[tokio::test]
async fn requests_that_lack_a_part_of_a_composed_key_are_counted_by_the_parts_they_have() {
    let all = [
        Has::default(),
        Has { address: Some(1), ..Has::default() },
        Has { address: Some(2), ..Has::default() },
        Has { tenant: Some("a"), ..Has::default() },
        Has { tenant: Some("b"), ..Has::default() },
        // The same value in another place of the key.
        Has { key: Some("a"), ..Has::default() },
        Has { address: Some(1), tenant: Some("a"), ..Has::default() },
        Has { address: Some(1), key: Some("a"), ..Has::default() },
        Has { address: Some(2), tenant: Some("a"), ..Has::default() },
        Has { tenant: Some("a"), key: Some("a"), ..Has::default() },
        Has { address: Some(1), tenant: Some("a"), key: Some("a") },
    ];
    for (first, number) in all.iter().zip(0..) {
        for (second, other) in all.iter().zip(0..) {
            let shared = shared(composed(), request(*first), request(*second)).await;
            assert_eq!(shared, number == other, "{number} {other}");
        }
    }
}

#[tokio::test]
async fn a_missing_part_is_reported_once() {
    let (logs, _guard) = captured_logs();
    let limiter = limiter(&ManualClock::default(), [composed()]);
    for last in [1, 2, 3] {
        let partly = request(Has { address: Some(last), ..Has::default() });
        assert_eq!(ask(&limiter, partly).await.status(), StatusCode::OK);
    }
    assert_eq!(logs.lines().len(), 1, "{:?}", logs.lines());
}

#[tokio::test]
async fn a_composed_key_without_a_part_is_still_skipped_or_rejected() {
    let partly = || request(Has { address: Some(1), ..Has::default() });
    let skipping = composed().on_missing_key(OnMissingKey::Skip);
    assert!(!shared(skipping, partly(), partly()).await);
    let rejecting =
        limiter(&ManualClock::default(), [composed().on_missing_key(OnMissingKey::Reject)]);
    assert_eq!(ask(&rejecting, partly()).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_empty_value_is_a_missing_key() {
    let policy = || Policy::new("key", Quota::per_hour(1), key::header(API_KEY));
    let with = |value| request(Has { key: value, ..Has::default() });
    for empty in ["", " ", "\t "] {
        assert!(shared(policy(), with(None), with(Some(empty))).await, "{empty:?}");
        assert!(!shared(policy(), with(Some("k")), with(Some(empty))).await, "{empty:?}");
        let rejecting = policy().on_missing_key(OnMissingKey::Reject);
        let limiter = limiter(&ManualClock::default(), [rejecting]);
        assert_eq!(ask(&limiter, with(Some(empty))).await.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn values_that_clients_invent_share_the_bucket_of_a_missing_key() {
    let policy = || {
        let known = key::header(API_KEY).known(|value| [&b"k-1"[..], b"k-2"].contains(&value));
        Policy::new("key", Quota::per_hour(1), known)
    };
    let with = |value| request(Has { key: Some(value), ..Has::default() });
    assert!(shared(policy(), with("made-up-1"), with("made-up-2")).await);
    assert!(shared(policy(), request(Has::default()), with("made-up-2")).await);
    assert!(!shared(policy(), with("k-1"), with("k-2")).await);
    assert!(!shared(policy(), with("k-1"), with("made-up-1")).await);
    // With the address, invented values do not use up the bucket of another client.
    let pair = || {
        let known = key::header(API_KEY).known(|value| value == b"k-1");
        let address = key::client_network(ClientResolver::direct());
        Policy::new("pair", Quota::per_hour(1), key::both(address, known))
    };
    let from = |last, value| request(Has { address: Some(last), key: Some(value), tenant: None });
    assert!(shared(pair(), from(1, "made-up-1"), from(1, "made-up-2")).await);
    assert!(!shared(pair(), from(1, "made-up-1"), from(2, "made-up-1")).await);
}

#[tokio::test]
async fn a_function_that_finds_no_key_has_no_part_of_it() {
    let none = || key::from_fn(|_| Err(KeyMissing::new("anything")));
    let policy = Policy::new("none", Quota::per_hour(1), key::both(none(), none()));
    let other = request(Has { address: Some(1), ..Has::default() });
    assert!(shared(policy, request(Has::default()), other).await);
}
