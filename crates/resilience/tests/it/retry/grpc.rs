//! gRPC, whose status is in the trailers.

use std::{
    io,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll},
    time::Duration,
};

use hardpoint_core::Head;
use hardpoint_resilience::{ClientPolicy, RetryLayer, retry::ReplayBody};
use hardpoint_testkit::{TestBody, spy::Spy};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::builder;
use crate::support::{post, read};

fn trailers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect::<HeaderMap>()
}

fn grpc(body: TestBody) -> Response<TestBody> {
    Response::builder().header("content-type", "application/grpc+proto").body(body).unwrap()
}

fn is_get(head: Head<'_>) -> bool {
    head.uri.path().contains("/Get")
}

fn layer() -> RetryLayer {
    builder().repeatable(is_get).build().unwrap()
}

/// The response to a call, whose first attempt ends with `body`, and the number of calls. A policy
/// reads the first frame from a body of its own, and puts it back.
async fn call(path: &str, body: TestBody) -> (bytes::Bytes, Option<HeaderMap>, usize) {
    let policy = ClientPolicy::internal("notes").retry(|retry| retry.repeatable(is_get));
    let by_policy = call_through(policy.build().unwrap().layer(), path, body.clone()).await;
    let by_retry = call_through(layer(), path, body).await;
    assert_eq!(by_policy, by_retry);
    by_retry
}

async fn call_through<L, B>(
    layer: L,
    path: &str,
    body: TestBody,
) -> (bytes::Bytes, Option<HeaderMap>, usize)
where
    L: Layer<Spy>,
    L::Service: Service<Request<TestBody>, Response = Response<B>>,
    <L::Service as Service<Request<TestBody>>>::Error: std::fmt::Debug,
    B: Body<Data = bytes::Bytes>,
    B::Error: std::fmt::Debug,
{
    let (spy, handle) = Spy::new();
    let calls = AtomicUsize::new(0);
    handle.respond(move |_| {
        let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
        let ok = || TestBody::from("message").trailers(trailers(&[("grpc-status", "0")]));
        Ok(grpc(if first { body.clone() } else { ok() }))
    });
    let request: Request<TestBody> = post(path);
    let response = layer.layer(spy).oneshot(request).await.unwrap();
    let (data, trailers) = read(response.into_body()).await;
    (data, trailers, handle.calls())
}

#[tokio::test(start_paused = true)]
async fn a_status_in_the_trailers_is_retried() {
    let failed = TestBody::default().pending().trailers(trailers(&[("grpc-status", "14")]));
    let (data, status, calls) = call("/notes.Notes/Get", failed.clone()).await;
    assert_eq!((&data[..], calls), (&b"message"[..], 2));
    assert_eq!(status.unwrap()["grpc-status"], "0");

    let (data, status, calls) = call("/notes.Notes/Create", failed).await;
    assert_eq!((data.len(), calls), (0, 1), "not declared repeatable");
    assert_eq!(status.unwrap()["grpc-status"], "14", "the peeked trailers are returned");
}

#[tokio::test(start_paused = true)]
async fn a_message_commits_to_the_response() {
    let failed = TestBody::from("partial").trailers(trailers(&[("grpc-status", "14")]));
    let (data, status, calls) = call("/notes.Notes/Get", failed).await;
    assert_eq!((&data[..], calls), (&b"partial"[..], 1));
    assert_eq!(status.unwrap()["grpc-status"], "14");
}

/// A subscription, whose first message may come tomorrow.
#[tokio::test(start_paused = true)]
async fn the_head_of_a_silent_stream_is_held_for_a_bounded_time() {
    struct Silent;
    impl Body for Silent {
        type Data = bytes::Bytes;
        type Error = io::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<bytes::Bytes>, io::Error>>> {
            Poll::Pending
        }
    }

    let head_after = async |layer: RetryLayer| {
        let client = service_fn(async |_: Request<ReplayBody<TestBody>>| {
            let response = Response::builder().header("content-type", "application/grpc");
            Ok::<_, io::Error>(response.body(Silent).unwrap())
        });
        let started = Instant::now();
        let request: Request<TestBody> = post("/notes.Notes/GetChanges");
        let response = layer.layer(client).oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        started.elapsed().as_millis()
    };
    assert_eq!(head_after(layer()).await, 100);
    let builder = || builder().repeatable(|_| true);
    assert_eq!(
        head_after(builder().grpc_wait(Duration::from_secs(2)).build().unwrap()).await,
        2_000
    );
    assert!(head_after(builder().grpc_wait(Duration::ZERO).build().unwrap()).await <= 1);
}

#[tokio::test(start_paused = true)]
async fn pushback_in_the_trailers_stops() {
    let pushback = [("grpc-status", "14"), ("grpc-retry-pushback-ms", "-1")];
    let failed = TestBody::default().trailers(trailers(&pushback));
    assert_eq!(call("/notes.Notes/Get", failed).await.2, 1);
}

#[tokio::test(start_paused = true)]
async fn a_trailers_only_response_is_judged_by_its_head() {
    let (spy, handle) = Spy::new();
    handle.respond(|_| {
        let mut response = grpc(TestBody::default());
        response.headers_mut().insert("grpc-status", "14".parse().unwrap());
        Ok(response)
    });
    let request: Request<TestBody> = post("/notes.Notes/Get");
    let response = layer().layer(spy).oneshot(request).await.unwrap();
    assert_eq!((handle.calls(), &response.headers()["grpc-status"]), (3, &"14".parse().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_body_is_returned_in_its_place() {
    use hardpoint_testkit::spy::SpyError;
    use http_body_util::BodyExt;

    let (spy, handle) = Spy::new();
    handle.respond(|_| Ok(grpc(TestBody::default().error(SpyError::new(3)))));
    let request: Request<TestBody> = post("/notes.Notes/Get");
    let response = layer().layer(spy).oneshot(request).await.unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert_eq!((error, handle.calls()), (SpyError::new(3), 1));
}
