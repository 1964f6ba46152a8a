//! Readiness, wakers and permits.

use std::{
    pin::pin,
    task::{Context, Poll},
};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use super::drive::{Alarm, drive, exchange, ready};
use crate::spy::{Readiness, Spy, SpyError, SpyHandle};

/// The layer calls the inner instance whose `poll_ready` returned `Ready`.
///
/// A clone of a ready service is not ready, and neither instance takes the readiness of the other.
pub fn readiness_is_asked_of_the_same_instance<L, B>(layer: &L, request: impl Fn() -> Request<B>)
where
    L: Layer<Spy>,
    L::Service: Service<Request<B>, Error = SpyError> + Clone,
{
    let (spy, handle) = Spy::new();
    let mut service = layer.layer(spy);
    expect_ready(ready(&mut service));
    let mut twin = service.clone();
    let of_twin = exchange(&mut twin, request());
    let of_service = drive(service.call(request()));
    assert!(
        of_twin.is_ok() && of_service.is_ok(),
        "a request that the inner service answers failed"
    );
    for _ in 0..3 {
        assert!(exchange(&mut service, request()).is_ok(), "a service failed when used again");
    }
    // A layer that catches panics hides those of the spy, but not its recorded violations.
    assert_eq!(handle.violations(), Vec::<String>::new());
    expect_calls(&handle, 5);
}

/// The layer wakes the waker of the last poll when the inner service becomes ready or answers.
pub fn wakers_are_kept<L, B>(layer: &L, request: impl Fn() -> Request<B>)
where
    L: Layer<Spy>,
    L::Service: Service<Request<B>, Error = SpyError>,
{
    let (spy, handle) = Spy::new();
    let mut service = layer.layer(spy);
    handle.set_readiness(Readiness::Pending);
    {
        let mut poll = |cx: &mut Context<'_>| service.poll_ready(cx).map(|_| ());
        let waiting = last_waker_is_woken("poll_ready", &mut poll, || {
            handle.set_readiness(Readiness::Ready);
        });
        if !waiting {
            // The layer polls the inner service in its future, which waits below.
            handle.set_readiness(Readiness::Ready);
        }
    }
    expect_ready(ready(&mut service));

    handle.hold();
    let mut future = pin!(service.call(request()));
    let mut done = None;
    let waiting = last_waker_is_woken(
        "the future",
        &mut |cx| {
            future.as_mut().poll(cx).map(|answer| {
                done = Some(answer.is_ok());
            })
        },
        || handle.release(),
    );
    assert!(
        waiting,
        "the future was ready before the inner service answered: the contract needs a request that \
         the layer forwards"
    );
    let answered = done.unwrap_or_else(|| drive(future).is_ok());
    assert!(answered, "a request that the inner service answers failed");
    expect_calls(&handle, 1);
}

/// Polls with one waker, then with another, calls `let_go`, and asserts that the second waker is
/// woken. Returns `false` if the first poll is already ready.
fn last_waker_is_woken(
    what: &str,
    poll: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>,
    let_go: impl FnOnce(),
) -> bool {
    let (_first_alarm, first) = Alarm::new();
    if poll(&mut Context::from_waker(&first)).is_ready() {
        return false;
    }
    let (alarm, second) = Alarm::new();
    assert!(
        poll(&mut Context::from_waker(&second)).is_pending(),
        "{what} became ready while the inner service was not"
    );
    let_go();
    assert!(
        alarm.rang(),
        "{what} was pending, the inner service became ready, and the last waker was not woken: \
         pass the context of every poll to the inner service"
    );
    true
}

/// Futures, polled or not, and ready services return their permits on drop, and keep no inner
/// service alive.
pub fn dropping_the_future_returns_permits<L, B>(layer: &L, request: impl Fn() -> Request<B>)
where
    L: Layer<Spy>,
    L::Service: Service<Request<B>, Error = SpyError>,
{
    let (spy, handle) = Spy::with_permits(1);
    handle.hold();
    let mut service = layer.layer(spy);

    for polls in 0..3 {
        expect_ready(ready(&mut service));
        {
            let mut future = pin!(service.call(request()));
            for _ in 0..polls {
                let (_alarm, waker) = Alarm::new();
                let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
                assert!(
                    polled.is_pending(),
                    "the future was ready before the inner service answered"
                );
            }
        }
        expect_permits(&handle, 0, &format!("a future was dropped after {polls} polls"));
        assert_eq!(handle.counts().in_flight, 0, "an inner future outlived the outer one");
    }

    handle.release();
    assert!(exchange(&mut service, request()).is_ok(), "a request failed after dropped ones");
    expect_permits(&handle, 0, "a request was answered");

    expect_ready(ready(&mut service));
    drop(service);
    expect_permits(&handle, 0, "a ready service was dropped");
    assert_eq!(
        handle.counts().live,
        0,
        "an inner service outlives the service and all its futures"
    );
}

/// A ready service holds one permit, no matter how often it is polled, and its clones hold none.
pub fn clones_do_not_double_permits<L, B>(layer: &L, request: impl Fn() -> Request<B>)
where
    L: Layer<Spy>,
    L::Service: Service<Request<B>, Error = SpyError> + Clone,
{
    let (spy, handle) = Spy::with_permits(8);
    let mut service = layer.layer(spy);
    for asked in 1..=3 {
        expect_ready(ready(&mut service));
        at_most(&handle, 1, &format!("one service was polled {asked} times"));
    }
    let mut twin = service.clone();
    at_most(&handle, 1, "a ready service was cloned");
    expect_ready(ready(&mut twin));
    at_most(&handle, 2, "a service and its clone are ready");
    drop(twin);
    at_most(&handle, 1, "the ready clone was dropped");

    handle.hold();
    {
        let _future = service.call(request());
        at_most(&handle, 1, "the one ready service was called");
    }
    handle.release();
    for _ in 0..16 {
        let mut twin = service.clone();
        assert!(exchange(&mut twin, request()).is_ok(), "a clone failed");
    }
    drop(service);
    expect_permits(&handle, 0, "every service was dropped");
}

fn at_most(handle: &SpyHandle, permits: usize, after: &str) {
    let in_use = handle.counts().permits_in_use;
    assert!(in_use <= permits, "{after}: {in_use} permits are in use, expected at most {permits}");
}

fn expect_permits(handle: &SpyHandle, permits: usize, after: &str) {
    assert_eq!(handle.counts().permits_in_use, permits, "permits in use after {after}");
}

fn expect_calls(handle: &SpyHandle, calls: usize) {
    assert_eq!(
        handle.calls(),
        calls,
        "requests that reached the inner service: the layer must forward each request"
    );
}

fn expect_ready(result: Result<(), SpyError>) {
    assert_eq!(result, Ok(()), "the service failed although the inner service is ready");
}
