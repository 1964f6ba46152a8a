//! Timeouts of calls.

use std::{sync::Arc, time::Duration};

use hardpoint_core::{Mono, RequestContext, Time};
use hardpoint_resilience::{BoxError, Deadline, DeadlineHeader, TimedOut, TimeoutLayer};
use hardpoint_testkit::{clock::TokioClock, spy::Spy};
use http::{Request, Response};
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::get;

const SECOND: Duration = Duration::from_secs(1);

async fn hanging(_request: Request<()>) -> Result<Response<()>, BoxError> {
    std::future::pending().await
}

fn timed_out(error: &BoxError) -> Duration {
    error.downcast_ref::<TimedOut>().unwrap().after()
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_ends_after_the_limit() {
    let started = Instant::now();
    let client = TimeoutLayer::new(SECOND).unwrap().layer(service_fn(hanging));
    let error = client.oneshot(get("/")).await.unwrap_err();
    assert_eq!((timed_out(&error), started.elapsed().as_secs()), (SECOND, 1));
}

#[tokio::test(start_paused = true)]
async fn the_earlier_of_limit_and_deadline_counts() {
    let time = Time::custom(TokioClock::new());
    let layer = TimeoutLayer::new(SECOND).unwrap().time(time.clone());
    let in_millis = |millis| time.now().saturating_add(Duration::from_millis(millis));
    for (own, context, expected) in [
        (Some(200), None, 200),
        (None, Some(300), 300),
        (Some(400), Some(250), 250),
        (Some(9_000), None, 1_000),
    ] {
        let mut request: Request<()> = get("/");
        if let Some(own) = own {
            request.extensions_mut().insert(Deadline::at(in_millis(own)));
        }
        if let Some(context) = context {
            let stored = RequestContext::received_at(time.now());
            stored.set_deadline(in_millis(context));
            request.extensions_mut().insert(Arc::new(stored));
        }
        let started = Instant::now();
        let error = layer.layer(service_fn(hanging)).oneshot(request).await.unwrap_err();
        assert_eq!(timed_out(&error), Duration::from_millis(expected));
        let took = started.elapsed().as_millis();
        assert!((expected..=expected + 1).contains(&u64::try_from(took).unwrap()), "{took}");
    }
}

#[tokio::test]
async fn a_call_after_its_deadline_does_not_reach_the_destination() {
    let (spy, handle) = Spy::new();
    let client = TimeoutLayer::new(SECOND).unwrap().layer(spy);
    let mut request: Request<()> = get("/");
    request.extensions_mut().insert(Deadline::at(Mono::ZERO));
    let error = client.oneshot(request).await.unwrap_err();
    assert_eq!((timed_out(&error), handle.calls()), (Duration::ZERO, 0));
}

#[tokio::test]
async fn the_destination_learns_the_time_that_is_left() {
    let (spy, handle) = Spy::new();
    let margin = Duration::from_millis(10);
    let layer = TimeoutLayer::new(SECOND).unwrap().propagate(DeadlineHeader::grpc(), margin);
    layer.layer(spy).oneshot(get::<()>("/")).await.unwrap();
    let seen = handle.seen();
    assert_eq!(seen[0].headers["grpc-timeout"], "990m");
    assert!(Deadline::find(&seen[0].extensions).is_some(), "a retry inside ends in time");
}

/// A destination refuses a call that has no time.
#[tokio::test]
async fn the_destination_is_asked_for_at_least_one_unit_of_the_header() {
    let name = http::HeaderName::from_static("x-timeout");
    for (header, sent) in
        [(DeadlineHeader::seconds(name.clone()), "1"), (DeadlineHeader::millis(name.clone()), "1")]
    {
        let (spy, handle) = Spy::new();
        let layer = TimeoutLayer::new(SECOND / 2).unwrap().propagate(header, SECOND);
        layer.layer(spy).oneshot(get::<()>("/")).await.unwrap();
        assert_eq!(handle.seen()[0].headers[&name], sent);
    }
}

#[test]
fn a_limit_of_zero_is_a_mistake() {
    let error = TimeoutLayer::new(Duration::ZERO).unwrap_err();
    assert_eq!(error.mistakes()[0].setting(), "timeout");
}
