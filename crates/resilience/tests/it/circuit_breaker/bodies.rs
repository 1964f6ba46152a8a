//! What bodies and trailers decide.

use hardpoint_testkit::spy::SpyError;
use http::HeaderValue;
use http_body::Body;

use super::*;
use crate::support::read;

/// A gRPC response with this body.
fn grpc(body: TestBody) -> Response<TestBody> {
    let mut response = Response::new(body);
    let media_type = HeaderValue::from_static("application/grpc+proto");
    response.headers_mut().insert(http::header::CONTENT_TYPE, media_type);
    response
}

fn trailers(status: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    trailers
}

fn message() -> TestBody {
    TestBody::from("message")
}

/// Makes three calls that are all answered like this, and reads their bodies. Returns whether the
/// circuit opened.
async fn opens(body: TestBody) -> bool {
    let circuit = circuit(&ManualClock::default());
    let (spy, handle) = Spy::new();
    handle.respond(move |_| Ok(grpc(body.clone())));
    let service = circuit.layer().layer(spy);
    for _ in 0..3 {
        let response = service.clone().oneshot(get::<TestBody>("/")).await.unwrap();
        let mut body = std::pin::pin!(response.into_body());
        while let Some(Ok(_)) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {}
    }
    circuit.state() == CircuitState::Open
}

#[tokio::test]
async fn the_grpc_status_in_trailers_decides() {
    for (code, failure) in [("0", false), ("3", false), ("13", true), ("14", true), ("4", true)] {
        assert_eq!(opens(message().trailers(trailers(code))).await, failure, "{code}");
        assert_eq!(opens(TestBody::default().trailers(trailers(code))).await, failure, "{code}");
    }
}

#[tokio::test]
async fn the_grpc_status_in_the_head_decides() {
    for (code, failure) in [("0", false), ("14", true)] {
        let circuit = circuit(&ManualClock::default());
        let (spy, handle) = Spy::new();
        handle.respond(move |_| {
            let mut response = grpc(TestBody::default());
            response.headers_mut().extend(trailers(code));
            Ok(response)
        });
        let mut service = circuit.layer().layer(spy);
        for _ in 0..3 {
            assert!(call(&mut service).await.is_ok());
        }
        assert_eq!(circuit.state() == CircuitState::Open, failure, "{code}");
    }
}

#[tokio::test]
async fn a_grpc_response_without_a_status_failed() {
    assert!(opens(message()).await, "no trailers");
    assert!(opens(message().trailers(HeaderMap::new())).await, "no status");
    assert!(opens(message().error(SpyError::new(1))).await, "broken off");
}

#[tokio::test]
async fn a_caller_that_has_read_enough_shows_no_failure() {
    let clock = ManualClock::default();
    let circuit = circuit(&clock);
    let (spy, handle) = Spy::new();
    handle.respond(|_| Ok(grpc(message().trailers(trailers("14")))));
    let service = circuit.layer().layer(spy);
    let response = service.clone().oneshot(get::<TestBody>("/")).await.unwrap();
    // A stream may last: its duration shows nothing.
    clock.advance(SLOW * 100);
    drop(response);
    let snapshot = circuit.snapshot();
    assert_eq!((snapshot.calls, snapshot.failed, snapshot.slow), (1, 0, 0));
}

/// A destination that hangs after the head of its responses.
#[tokio::test]
async fn waiting_in_vain_for_the_first_message_counts_as_a_hung_call() {
    for (waited, begins, calls, failed) in [
        (SLOW, false, 3, 3),
        (SLOW / 2, false, 0, 0),
        (SLOW, true, 3, 0), // a stream that pauses
    ] {
        let clock = ManualClock::default();
        let circuit = circuit(&clock);
        let (spy, handle) = Spy::new();
        let body = if begins { message() } else { TestBody::default() };
        let body = body.pending().trailers(trailers("0"));
        handle.respond(move |_| Ok(grpc(body.clone())));
        let service = circuit.layer().layer(spy);
        for _ in 0..3 {
            let response = service.clone().oneshot(get::<TestBody>("/")).await.unwrap();
            let mut body = Box::pin(response.into_body());
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            while body.as_mut().poll_frame(&mut cx).is_ready() {}
            clock.advance(waited);
            drop(body);
        }
        let snapshot = circuit.snapshot();
        let opened = snapshot.state == CircuitState::Open;
        assert_eq!(opened, failed == 3, "{waited:?} {begins}");
        if !opened {
            assert_eq!((snapshot.calls, snapshot.failed), (calls, failed), "{waited:?} {begins}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_has_begun_is_a_successful_trial() {
    let clock = ManualClock::default();
    let circuit = circuit(&clock);
    open(&circuit);
    clock.advance(SLOW);
    let (spy, handle) = Spy::new();
    handle.respond(|_| Ok(grpc(message().pending().trailers(trailers("0")))));
    let response = circuit.layer().layer(spy).oneshot(get::<TestBody>("/")).await.unwrap();
    assert_eq!(circuit.state(), CircuitState::HalfOpen);
    let mut body = std::pin::pin!(response.into_body());
    let first = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
    assert!(first.unwrap().unwrap().is_data());
    assert_eq!(circuit.state(), CircuitState::Closed, "its trailers have not come");
}

#[tokio::test]
async fn pushback_in_trailers_lengthens_the_wait() {
    let circuit = circuit(&ManualClock::default());
    let (spy, handle) = Spy::new();
    handle.respond(|_| {
        let mut trailers = trailers("14");
        trailers.insert("grpc-retry-pushback-ms", HeaderValue::from_static("60000"));
        Ok(grpc(TestBody::default().trailers(trailers)))
    });
    let mut service = circuit.layer().layer(spy);
    for _ in 0..3 {
        let response = service.clone().oneshot(get::<TestBody>("/")).await.unwrap();
        read(response.into_body()).await;
    }
    let refused = call(&mut service).await.unwrap_err();
    assert!(refused.retry_after() >= Some(Duration::from_secs(60)));
}
