//! A store that does not decide, and settlements that are lost.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use hardpoint_core::{
    Event, ManualClock, Telemetry,
    event::{SettlementsLost, StoreErrorKind, StoreFailed, StoreKind},
};
use hardpoint_ratelimit::{
    ConfigError, Draft, Headers, OnFailure, Policy, Quota, RateLimiter, RateLimiterBuilder,
};
use hardpoint_testkit::{TestBody, spy::Spy};
use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{ask, check, conformance::remote::Remote, from, left, per_tenant, read};

fn over(store: &Remote, clock: &ManualClock) -> RateLimiterBuilder {
    RateLimiter::builder().time(clock).store(store.clone())
}

fn tenant(quota: Quota, on_failure: OnFailure) -> Policy {
    per_tenant("t", quota).on_failure(on_failure)
}

async fn statuses(limiter: &RateLimiter, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(ask(limiter, from("acme")).await.status().as_u16());
    }
    statuses
}

#[tokio::test]
async fn while_the_store_is_down_each_policy_does_what_it_was_told() {
    let quota = Quota::per_hour(4);
    for (policy, expected) in [
        (tenant(quota, OnFailure::Allow), [200; 6]),
        (tenant(quota, OnFailure::Deny), [503; 6]),
        (tenant(quota, OnFailure::Local { share: 0.5 }), [200, 200, 429, 429, 429, 429]),
        (tenant(quota, OnFailure::LocalThenDeny { share: 0.25 }), [200, 429, 429, 429, 429, 429]),
        (per_tenant("t", quota), [200, 200, 200, 200, 429, 429]),
    ] {
        let clock = ManualClock::default();
        let store = Remote::new(&clock);
        let told = format!("{policy:?}");
        let limiter = over(&store, &clock).policy(policy).build().unwrap();
        store.down(true);
        assert_eq!(statuses(&limiter, 6).await, expected, "{told}");
        store.down(false);
        assert_eq!(statuses(&limiter, 5).await, [200, 200, 200, 200, 429], "the store decides");
    }
}

#[tokio::test]
async fn a_refusal_without_a_decision_is_503_with_a_time_to_retry() {
    let clock = ManualClock::default();
    let store = Remote::new(&clock);
    let policy = tenant(Quota::per_hour(4), OnFailure::Deny);
    let limiter = over(&store, &clock).policy(policy).build().unwrap();
    store.down(true);
    let refused = ask(&limiter, from("acme")).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[RETRY_AFTER], "1");
    let denied = check(&limiter, "t", 1).await.unwrap_err();
    assert!(denied.is_undecided());
    assert_eq!(denied.retry_after(), Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn local_then_deny_denies_after_a_minute_until_the_store_decides_again() {
    let clock = ManualClock::default();
    let store = Remote::new(&clock);
    let policy = tenant(Quota::per_second(100), OnFailure::LocalThenDeny { share: 1.0 });
    let limiter = over(&store, &clock).policy(policy).build().unwrap();
    store.down(true);
    for (seconds, status) in [(0, 200), (59, 200), (1, 503), (3_600, 503)] {
        clock.advance(Duration::from_secs(seconds));
        assert_eq!(statuses(&limiter, 1).await, [status], "{seconds} s later");
    }
    store.down(false);
    assert_eq!(statuses(&limiter, 1).await, [200]);
    // The next outage has a minute of its own.
    store.down(true);
    assert_eq!(statuses(&limiter, 1).await, [200]);
}

#[tokio::test]
async fn the_strictest_answer_of_a_failed_batch_wins() {
    let build = |policies: Vec<Policy>| {
        let clock = ManualClock::default();
        let store = Remote::new(&clock);
        let builder = policies.into_iter().fold(over(&store, &clock), |b, policy| b.policy(policy));
        store.down(true);
        builder.build().unwrap()
    };
    let named =
        |name: &'static str, quota, on_failure| per_tenant(name, quota).on_failure(on_failure);
    let local = || named("local", Quota::per_hour(1), OnFailure::Local { share: 1.0 });
    let allow = || named("allow", Quota::per_hour(1), OnFailure::Allow);
    let deny = || named("deny", Quota::per_hour(1), OnFailure::Deny);
    assert_eq!(statuses(&build(vec![local(), allow()]), 2).await, [200, 429]);
    assert_eq!(statuses(&build(vec![local(), allow(), deny()]), 1).await, [503]);
    assert_eq!(statuses(&build(vec![local(), deny().shadow()]), 2).await, [200, 429]);
    assert_eq!(statuses(&build(vec![allow()]), 3).await, [200; 3]);
}

#[test]
fn a_share_is_above_0_and_at_most_1() {
    for share in [0.0, -1.0, 1.1, f32::NAN, f32::INFINITY] {
        let policy = tenant(Quota::per_hour(4), OnFailure::Local { share });
        let error = RateLimiter::builder().policy(policy).build().unwrap_err();
        assert!(matches!(error, ConfigError::FailureShare { .. }), "{share}");
    }
}

/// The store took the cells and its answer was lost: the failure policy decides as well.
#[tokio::test]
async fn a_lost_answer_is_a_failure_and_its_cells_stay_consumed() {
    let clock = ManualClock::default();
    let store = Remote::new(&clock).lose_every(2);
    let policy = tenant(Quota::per_hour(10), OnFailure::Deny);
    let limiter = over(&store, &clock).policy(policy).build().unwrap();
    assert_eq!(statuses(&limiter, 4).await, [200, 503, 200, 503]);
    assert_eq!(left(&limiter, "t").await, 6);
}

#[tokio::test]
async fn a_request_that_is_dropped_while_the_store_is_asked_does_not_reach_the_service() {
    let clock = ManualClock::default();
    let store = Remote::new(&clock).delay([3]);
    let limiter = over(&store, &clock).policy(per_tenant("t", Quota::per_hour(2))).build().unwrap();
    let (spy, spied) = Spy::new();
    let mut service = limiter.layer().unwrap().layer(spy);
    let ready = ServiceExt::<Request<TestBody>>::ready(&mut service).await.unwrap();
    let mut asked = Box::pin(ready.call(from("acme")));
    assert_eq!(store.decided(), 1, "submitted before the future is polled");
    assert!(futures_util::poll!(&mut asked).is_pending());
    drop(asked);
    assert_eq!((spied.calls(), spied.counts().in_flight), (0, 0));
    assert_eq!(left(&limiter, "t").await, 1, "and not lost");
}

fn failed_log_ins() -> Policy {
    per_tenant("t", Quota::per_hour(3))
        .charge_on(|response| response.status == StatusCode::UNAUTHORIZED)
}

async fn log_in(limiter: &RateLimiter) -> Response<bytes::Bytes> {
    let service = limiter.layer().unwrap().layer(service_fn(async |_request| {
        Ok::<_, std::convert::Infallible>(Response::new(TestBody::from("ok")))
    }));
    read(service, from("acme")).await
}

#[tokio::test]
async fn a_settlement_does_not_delay_the_response_and_is_sent_once() {
    let clock = ManualClock::default();
    let store = Remote::new(&clock);
    let limiter = over(&store, &clock)
        .policy(failed_log_ins())
        .headers(Headers::ietf(Draft::V11))
        .build()
        .unwrap();
    for _ in 0..2 {
        let answer = log_in(&limiter).await;
        assert_eq!(answer.body(), "ok");
        assert_eq!(answer.headers()["ratelimit-policy"], "\"t\";q=3;w=3600");
    }
    assert_eq!(store.model.open_holds(), 2, "the responses came before the settlements");
    // The model panics if one is sent twice.
    store.flush();
    store.flush();
    assert_eq!((store.model.open_holds(), left(&limiter, "t").await), (0, 3));
}

#[tokio::test]
async fn a_settlement_without_room_in_the_queue_is_counted_and_its_cells_are_charged() {
    let clock = ManualClock::default();
    let store = Remote::new(&clock).room(1);
    let lost = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lost);
    let limiter = over(&store, &clock).policy(failed_log_ins()).build().unwrap();
    let layer = limiter.layer().unwrap();
    // The store hears of the observer that the stack hands to the layer.
    let telemetry = Telemetry::new(move |event: &Event<'_>| {
        if let Event::SettlementsLost(SettlementsLost {
            store: StoreKind::RateLimit, lost, ..
        }) = event
        {
            counted.fetch_add(usize::try_from(*lost).unwrap(), SeqCst);
        }
    });
    drop(layer.telemetry(&telemetry));
    for _ in 0..2 {
        log_in(&limiter).await;
    }
    store.flush();
    assert_eq!((store.lost(), lost.load(SeqCst)), (1, 1));
    assert_eq!(left(&limiter, "t").await, 2, "one is held until its time-out");
    clock.advance(Duration::from_secs(120));
    assert_eq!(left(&limiter, "t").await, 2, "then it is charged");
    clock.advance(Duration::from_secs(20 * 60));
    assert_eq!(left(&limiter, "t").await, 3, "and replenished");
}

/// A hold goes back to the side that decided it, even if the other one is there again.
#[tokio::test]
async fn a_hold_that_was_decided_locally_is_settled_locally() {
    let clock = ManualClock::default();
    let store = Remote::new(&clock);
    let limiter = over(&store, &clock).policy(failed_log_ins()).build().unwrap();
    let revived = store.clone();
    store.down(true);
    let service = limiter.layer().unwrap().layer(service_fn(move |_request| {
        revived.down(false);
        async { Ok::<_, std::convert::Infallible>(Response::new(TestBody::from("ok"))) }
    }));
    assert_eq!(read(service.clone(), from("acme")).await.status(), StatusCode::OK);
    // The model panics if it is sent a hold that it does not know.
    store.flush();
    store.down(true);
    assert_eq!(left(&limiter, "t").await, 3, "locally, nothing is held");
    // The other way round: held by the store, settled while it is down.
    store.down(false);
    let fallen = store.clone();
    let service = limiter.layer().unwrap().layer(service_fn(move |_request| {
        fallen.down(true);
        async { Ok::<_, std::convert::Infallible>(Response::new(TestBody::from("ok"))) }
    }));
    assert_eq!(read(service, from("acme")).await.status(), StatusCode::OK);
    assert_eq!(store.model.open_holds(), 1);
    store.flush();
    assert_eq!(store.model.open_holds(), 0);
}

#[tokio::test]
async fn a_failure_is_reported_with_its_kind() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let telemetry = Telemetry::new(move |event: &Event<'_>| {
        if let Event::StoreFailed(StoreFailed { store, kind, .. }) = event {
            sink.lock().unwrap().push((*store, *kind));
        }
    });
    let clock = ManualClock::default();
    let store = Remote::new(&clock).lose_every(1);
    let policy = per_tenant("t", Quota::per_hour(9));
    let limiter = over(&store, &clock).policy(policy).telemetry(&telemetry).build().unwrap();
    assert_eq!(statuses(&limiter, 1).await, [200]);
    store.down(true);
    assert!(check(&limiter, "t", 1).await.is_ok());
    assert!(super::handle(&limiter, "t").refund(&super::ACME, 1).await.is_err());
    let seen = seen.lock().unwrap().clone();
    let [timeout, unavailable] = [StoreErrorKind::Timeout, StoreErrorKind::Unavailable];
    assert_eq!(seen, [timeout, unavailable, unavailable].map(|kind| (StoreKind::RateLimit, kind)));
}
