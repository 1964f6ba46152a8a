//! What is charged and what is released: keeping cells gains nothing, and costs nothing.

use std::{convert::Infallible, time::Duration};

use hardpoint_core::{Event, ManualClock, Telemetry};
use hardpoint_ratelimit::{Policy, Quota, RateLimiter};
use hardpoint_testkit::TestBody;
use http::{Request, Response, StatusCode};
use tower::{Layer, service_fn};

use super::{ACME, ask, check, from, handle, left, limiter, per_tenant, read};

fn failures(quota: Quota) -> Policy {
    per_tenant("log-in", quota).charge_on(|response| response.status == StatusCode::UNAUTHORIZED)
}

fn reservable(clock: &ManualClock, quota: Quota) -> RateLimiter {
    limiter(clock, [per_tenant("t", quota).reservable()])
}

#[tokio::test]
async fn cells_that_are_held_do_not_replenish() {
    let clock = ManualClock::default();
    let limiter = reservable(&clock, Quota::per_minute(10));
    let handle = handle(&limiter, "t");
    let mut held = Vec::new();
    while let Ok(reservation) = handle.reserve(&ACME, 1).await {
        held.push(reservation);
        clock.advance(Duration::from_secs(3));
    }
    assert_eq!(held.len(), 10, "a burst is in flight, however slowly it comes");
    held.into_iter().for_each(|reservation| reservation.settle(0));
    assert_eq!(left(&limiter, "t").await, 10, "a burst, and not one more for each hold");
}

#[tokio::test]
async fn uncharged_requests_leave_the_whole_quota_however_many_are_in_flight() {
    let clock = ManualClock::default();
    let limiter = reservable(&clock, Quota::per_minute(100));
    let handle = handle(&limiter, "t");
    // Twenty a second, each of which takes 300 ms: for ten minutes.
    let mut flying = std::collections::VecDeque::new();
    for _ in 0..12_000 {
        flying.push_back(handle.reserve(&ACME, 1).await.unwrap());
        if flying.len() > 6 {
            flying.pop_front().unwrap().settle(0);
        }
        clock.advance(Duration::from_millis(50));
    }
}

#[tokio::test]
async fn a_cell_is_charged_from_the_time_when_it_is_settled() {
    let clock = ManualClock::default();
    let limiter = reservable(&clock, Quota::per_minute(10));
    let reservation = handle(&limiter, "t").reserve(&ACME, 10).await.unwrap();
    clock.advance(Duration::from_secs(30));
    assert!(check(&limiter, "t", 1).await.is_err());
    reservation.settle(5);
    assert_eq!(left(&limiter, "t").await, 5);
    clock.advance(Duration::from_secs(6));
    assert_eq!(left(&limiter, "t").await, 6);
}

/// The shadow's hold was not taken, so nothing is released.
#[tokio::test]
async fn cells_that_were_not_taken_are_not_given_back() {
    let shadow = limiter(&ManualClock::default(), [failures(Quota::per_hour(1)).shadow()]);
    handle(&shadow, "log-in").penalize(&ACME, 1).await.unwrap();
    assert_eq!(ask(&shadow, from("acme")).await.status(), StatusCode::OK);
    assert_eq!(left(&shadow, "log-in").await, 0);
}

#[tokio::test]
async fn a_request_or_a_reservation_that_is_dropped_is_charged() {
    let clock = ManualClock::default();
    let tokens = per_tenant("t", Quota::per_minute(10)).reservable();
    let limiter = limiter(&clock, [tokens, failures(Quota::per_hour(5))]);
    drop(handle(&limiter, "t").reserve(&ACME, 4).await.unwrap());
    assert_eq!(left(&limiter, "t").await, 6);
    let service =
        limiter.layer().unwrap().layer(service_fn(async |_request: Request<TestBody>| {
            std::future::pending::<()>().await;
            Ok::<_, Infallible>(Response::new(TestBody::default()))
        }));
    let mut asked = Box::pin(tower::ServiceExt::oneshot(service, from("acme")));
    assert!(futures_util::poll!(&mut asked).is_pending());
    drop(asked);
    assert_eq!(left(&limiter, "log-in").await, 4);
    clock.advance(Duration::from_secs(12 * 60));
    assert_eq!(left(&limiter, "log-in").await, 5);
}

async fn fine(_request: Request<TestBody>) -> Result<Response<TestBody>, Infallible> {
    Ok(Response::new(TestBody::default()))
}

#[tokio::test]
async fn a_failed_service_is_charged() {
    let limiter = limiter(&ManualClock::default(), [failures(Quota::per_hour(5))]);
    let service =
        limiter.layer().unwrap().layer(service_fn(async |_request: Request<TestBody>| {
            Err::<Response<TestBody>, _>("broken")
        }));
    assert!(tower::ServiceExt::oneshot(service, from("acme")).await.is_err());
    assert_eq!(left(&limiter, "log-in").await, 4);
}

/// Whether the service, the judgement or the observer panics.
#[tokio::test]
async fn a_panic_charges_the_request_and_leaves_nothing_held() {
    let judged = || per_tenant("log-in", Quota::per_hour(5)).charge_on(|_| panic!("judged"));
    let observed = || {
        let telemetry = Telemetry::new(|event: &Event<'_>| {
            let is_request = matches!(event, Event::Limited(limited) if limited.enforced);
            assert!(!is_request, "observed");
        });
        let policy = failures(Quota::per_hour(5));
        let builder = RateLimiter::builder().policy(policy).time(ManualClock::default());
        builder.telemetry(&telemetry).build().unwrap()
    };
    for (limiter, service_panics) in [
        (limiter(&ManualClock::default(), [judged()]), false),
        (observed(), false),
        (limiter(&ManualClock::default(), [failures(Quota::per_hour(5))]), true),
    ] {
        let service = limiter.layer().unwrap().layer(service_fn(move |request| {
            assert!(!service_panics, "the service panics");
            fine(request)
        }));
        let asked = tokio::spawn(async move { read(service, from("acme")).await });
        assert!(asked.await.unwrap_err().is_panic());
        assert_eq!(left(&limiter, "log-in").await, 4);
        // Had it stayed held, the reset would charge it once more.
        handle(&limiter, "log-in").reset(&ACME).await.unwrap();
        assert_eq!(left(&limiter, "log-in").await, 5);
    }
}

#[tokio::test]
async fn a_hold_that_was_open_during_a_reset_is_charged_in_full() {
    let limiter = reservable(&ManualClock::default(), Quota::per_hour(10));
    let handle = handle(&limiter, "t");
    let reservation = handle.reserve(&ACME, 4).await.unwrap();
    handle.reset(&ACME).await.unwrap();
    assert_eq!(left(&limiter, "t").await, 10);
    reservation.settle(0);
    assert_eq!(left(&limiter, "t").await, 6);
}

#[tokio::test]
async fn a_hold_that_was_open_during_a_change_of_the_quota_is_charged_in_full() {
    let limiter = reservable(&ManualClock::default(), Quota::per_hour(10));
    let reservation = handle(&limiter, "t").reserve(&ACME, 4).await.unwrap();
    limiter.set_quota("t", Quota::per_hour(20)).unwrap();
    reservation.settle(0);
    // Four cells of the old quota are eight of the new one.
    assert_eq!(left(&limiter, "t").await, 12);
}
