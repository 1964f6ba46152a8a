//! What the drain layer counts and says.

use std::convert::Infallible;

use bytes::Bytes;
use hardpoint_health::{DrainLayer, Lifecycle};
use hardpoint_testkit::{
    TestBody,
    spy::{Spy, SpyError},
};
use http::{Request, Response, StatusCode, Version, header::CONNECTION};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{Seen, started};

/// The `Connection` header of a response with this status and header of its own.
async fn connection(
    lifecycle: &Lifecycle,
    version: Version,
    status: StatusCode,
    own: Option<&'static str>,
) -> Option<String> {
    let inner = service_fn(async |_: Request<()>| {
        let mut response = Response::builder().status(status);
        if let Some(own) = own {
            response = response.header(CONNECTION, own);
        }
        Ok::<_, Infallible>(response.body(()).unwrap())
    });
    let mut request = Request::new(());
    *request.version_mut() = version;
    let response = DrainLayer::new(lifecycle).layer(inner).oneshot(request);
    let response = response.await.unwrap();
    let value = response.headers().get(CONNECTION)?;
    Some(value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn clients_of_http_1_are_told_to_leave_while_the_service_drains() {
    let (v10, v11, v2) = (Version::HTTP_10, Version::HTTP_11, Version::HTTP_2);
    let (ok, switching) = (StatusCode::OK, StatusCode::SWITCHING_PROTOCOLS);
    let lifecycle = started([], &Seen::default());
    for (version, status, own, ready, draining) in [
        (v11, ok, None, None, Some("close")),
        (v10, ok, Some("keep-alive"), Some("keep-alive"), Some("close")),
        (v11, switching, Some("upgrade"), Some("upgrade"), Some("upgrade")),
        (v2, ok, None, None, None),
    ] {
        let seen = connection(&lifecycle, version, status, own).await;
        assert_eq!(seen.as_deref(), ready, "{version:?}");
        let lifecycle = started([], &Seen::default());
        lifecycle.begin_drain();
        let seen = connection(&lifecycle, version, status, own).await;
        assert_eq!(seen.as_deref(), draining, "{version:?}");
    }
}

#[tokio::test]
async fn a_request_that_was_in_flight_when_the_drain_began_is_told_to_leave_too() {
    let (spy, handle) = Spy::new();
    let lifecycle = started([], &Seen::default());
    let mut service = DrainLayer::new(&lifecycle).layer(spy);
    handle.hold();
    let ready = ServiceExt::<Request<TestBody>>::ready(&mut service).await;
    let answer = ready.unwrap().call(Request::new(TestBody::default()));
    lifecycle.begin_drain();
    handle.release();
    assert_eq!(answer.await.unwrap().headers()[CONNECTION], "close");
}

#[tokio::test]
async fn a_request_counts_until_its_body_has_ended() {
    let lifecycle = started([], &Seen::default());
    let inner = service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("body"))))
    });
    let service = DrainLayer::new(&lifecycle).layer(inner);
    let mut body = service.oneshot(Request::new(())).await.unwrap().into_body();
    assert_eq!(lifecycle.in_flight(), 1);
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "body");
    assert_eq!(lifecycle.in_flight(), 1, "its end was not read yet");
    assert!(body.frame().await.is_none());
    assert_eq!(lifecycle.in_flight(), 0, "the body is still held");
    drop(body);
    assert_eq!(lifecycle.in_flight(), 0, "counted once");
}

#[tokio::test]
async fn a_request_that_fails_leaves_the_count_with_its_error() {
    let lifecycle = started([], &Seen::default());
    let (spy, handle) = Spy::new();
    handle.respond(|_| Err(SpyError::new(1)));
    let mut service = DrainLayer::new(&lifecycle).layer(spy);
    let ready = ServiceExt::<Request<TestBody>>::ready(&mut service).await;
    let mut answer = std::pin::pin!(ready.unwrap().call(Request::new(TestBody::default())));
    assert_eq!(lifecycle.in_flight(), 1);
    assert_eq!(answer.as_mut().await.err(), Some(SpyError::new(1)));
    assert_eq!(lifecycle.in_flight(), 0, "the future is still held");
}

#[tokio::test]
async fn all_layers_of_a_lifecycle_share_one_count_and_off_counts_nothing() {
    let lifecycle = started([], &Seen::default());
    let inner = || service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(())));
    let first = DrainLayer::new(&lifecycle).layer(inner());
    let second = DrainLayer::new(&lifecycle.clone()).layer(inner());
    let off = DrainLayer::off().layer(inner());
    let _held = first.oneshot(Request::new(())).await.unwrap();
    let _held = second.oneshot(Request::new(())).await.unwrap();
    assert_eq!(lifecycle.in_flight(), 2);
    lifecycle.begin_drain();
    let response = off.oneshot(Request::new(())).await.unwrap();
    assert_eq!(lifecycle.in_flight(), 2);
    assert!(response.headers().is_empty());
}
