//! The spy tells the truth.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use hardpoint_testkit::{
    TestBody,
    spy::{Readiness, Spy, SpyError},
};
use http::{Request, Response, StatusCode};
use tower_service::Service;

fn poll_ready(spy: &mut Spy) -> Poll<Result<(), SpyError>> {
    let mut cx = Context::from_waker(Waker::noop());
    Service::<Request<()>>::poll_ready(spy, &mut cx)
}

#[test]
fn permits_are_shared_by_clones_and_come_back() {
    let (mut spy, handle) = Spy::with_permits(1);
    let mut twin = spy.clone();
    assert!(poll_ready(&mut spy).is_ready());
    assert!(poll_ready(&mut spy).is_ready(), "an instance that is ready stays so");
    assert!(poll_ready(&mut twin).is_pending());

    let future = spy.call(Request::new(()));
    assert!(poll_ready(&mut twin).is_pending(), "the future has the permit");
    drop(future);
    assert!(poll_ready(&mut twin).is_ready());
    drop((spy, twin));

    let counts = handle.counts();
    assert_eq!((counts.permits_in_use, counts.live, counts.in_flight), (0, 0, 0));
    assert_eq!((counts.polls, counts.calls, counts.clones), (5, 1, 1));
    assert_eq!((counts.answered, counts.cancelled), (0, 1));
}

#[test]
fn readiness_and_permits_are_steered_from_outside() {
    let (mut spy, handle) = Spy::new();
    handle.set_readiness(Readiness::Failed(SpyError::new(3)));
    assert_eq!(poll_ready(&mut spy), Poll::Ready(Err(SpyError::new(3))));
    handle.set_readiness(Readiness::Pending);
    assert!(poll_ready(&mut spy).is_pending());
    handle.set_readiness(Readiness::Ready);
    handle.set_permits(0);
    assert!(poll_ready(&mut spy).is_pending());
    handle.set_permits(1);
    assert_eq!(poll_ready(&mut spy), Poll::Ready(Ok(())));
}

#[test]
fn answers_are_held_and_released() {
    let (mut spy, handle) = Spy::new();
    handle.respond(|head| {
        let mut response = Response::new(TestBody::default());
        if head.uri.path() == "/missing" {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        Ok(response)
    });
    handle.hold();
    assert!(poll_ready(&mut spy).is_ready());
    let mut request = Request::new(());
    *request.uri_mut() = http::Uri::from_static("/missing");
    let mut future = pin!(spy.call(request));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut cx).is_pending());
    assert_eq!(handle.counts().in_flight, 1);
    handle.release();
    let Poll::Ready(Ok(response)) = future.as_mut().poll(&mut cx) else {
        panic!("a future that was let go is ready")
    };
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(handle.counts().answered, 1);
}
