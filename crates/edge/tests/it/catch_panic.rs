//! What a client gets when a handler panics, and what the log does not.

use std::{
    convert::Infallible,
    future::Ready,
    task::{Context, Poll},
};

use hardpoint_core::{Outcome, Refusals};
use hardpoint_edge::CatchPanicLayer;
use hardpoint_testkit::{
    TestBody,
    spy::{Spy, SpyError},
};
use http::{Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::{Reply, captured_logs, with_context};

const SAID: &str = "no row for alice@example.com";

/// Panics in `call`, before there is a future.
#[derive(Clone, Copy, Debug)]
struct AtOnce;

impl Service<Request<()>> for AtOnce {
    type Response = Response<TestBody>;
    type Error = Infallible;
    type Future = Ready<Result<Response<TestBody>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        panic!("{SAID}")
    }
}

/// Panics when its future has been polled once.
async fn later(_: Request<()>) -> Result<Response<TestBody>, Infallible> {
    tokio::task::yield_now().await;
    panic!("{SAID}")
}

#[tokio::test]
async fn a_panic_is_answered_whenever_it_comes() {
    let layer = CatchPanicLayer::new();
    let (first, _) = with_context(Request::new(()));
    let (second, _) = with_context(Request::new(()));
    let replies = [
        Reply::of(layer.layer(AtOnce).oneshot(first).await.unwrap()).await,
        Reply::of(layer.layer(service_fn(later)).oneshot(second).await.unwrap()).await,
    ];
    for reply in replies {
        assert_eq!((reply.status(), reply.outcome()), (500, Some(Outcome::Panicked)));
        let problem = reply.problem("internal_error");
        assert_eq!(problem["request_id"], "r-4711");
        assert!(!reply.body.windows(5).any(|part| part == b"alice"));
    }
}

#[tokio::test]
async fn the_log_has_the_id_of_the_request_and_not_what_the_panic_said() {
    let (logs, _guard) = captured_logs();
    let (request, _) = with_context(Request::new(()));
    let service = CatchPanicLayer::new().layer(service_fn(later));
    let reply = Reply::of(service.oneshot(request).await.unwrap()).await;
    assert_eq!(reply.status(), 500);

    let lines = logs.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in ["ERROR", "handler panicked", "r-4711", "hardpoint::edge::catch_panic"] {
        assert!(lines[0].contains(part), "{part} in {lines:?}");
    }
    assert!(!lines[0].contains("alice"), "{lines:?}");
}

#[tokio::test]
async fn a_grpc_service_answers_trailers() {
    let request = Request::post("/notes.Notes/List").body(()).unwrap();
    let layer = CatchPanicLayer::new().refusals(&Refusals::new().grpc());
    let response = layer.layer(AtOnce).oneshot(request).await;
    let reply = Reply::of(response.unwrap()).await;
    assert_eq!((reply.status(), reply.header("grpc-status")), (200, "13"));
    assert!(reply.body.is_empty());
}

#[tokio::test]
async fn the_service_goes_on_after_a_panic() {
    let (spy, handle) = Spy::new();
    handle.respond(|head| match head.uri.path() {
        "/broken" => panic!("{SAID}"),
        "/failed" => Err(SpyError::new(3)),
        _ => Ok(Response::new(TestBody::from("fine"))),
    });
    let mut service = CatchPanicLayer::new().layer(spy);
    let mut statuses = Vec::new();
    for path in ["/broken", "/fine", "/broken", "/failed", "/fine"] {
        let request = Request::get(path).body(()).unwrap();
        let ready = ServiceExt::<Request<()>>::ready(&mut service).await;
        let answer = ready.unwrap().call(request).await;
        statuses.push(answer.map(|response| response.status().as_u16()));
    }
    let failed = Err(SpyError::new(3));
    assert_eq!(statuses, [Ok(500), Ok(200), Ok(500), failed, Ok(200)]);
}

#[tokio::test]
async fn a_layer_that_is_off_lets_the_panic_through() {
    let service = CatchPanicLayer::off().layer(service_fn(later));
    let panicked = tokio::spawn(service.oneshot(Request::new(()))).await;
    assert!(panicked.unwrap_err().is_panic());
}

/// What a panic carries, and what panics when it is dropped.
struct Again;

impl Drop for Again {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new("again"));
    }
}

#[tokio::test]
async fn a_panic_whose_payload_panics_is_answered() {
    let service = CatchPanicLayer::new().layer(service_fn(async |_: Request<()>| {
        tokio::task::yield_now().await;
        std::panic::panic_any(Again);
        #[expect(unreachable_code, reason = "tells the type")]
        Ok::<Response<TestBody>, Infallible>(Response::new(TestBody::default()))
    }));
    let reply = Reply::of(service.oneshot(Request::new(())).await.unwrap()).await;
    assert_eq!(reply.status(), 500);
}

#[tokio::test]
async fn a_renderer_that_panics_does_not_break_the_connection() {
    let refusals =
        Refusals::new().renderer(|_: &hardpoint_core::Refusal<'_>| panic!("a renderer panics"));
    let layer = CatchPanicLayer::new().refusals(&refusals);
    let reply = Reply::of(layer.layer(AtOnce).oneshot(Request::new(())).await.unwrap()).await;
    assert_eq!((reply.status(), reply.outcome()), (500, Some(Outcome::Panicked)));
}
