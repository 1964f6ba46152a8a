//! Request bodies that are sent again, and response bodies that are not read.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hardpoint_resilience::{RetryLayer, retry::ReplayBody};
use hardpoint_testkit::TestBody;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

use super::builder;
use crate::support::{read, status};

type Received = Vec<(Bytes, Option<HeaderMap>)>;

/// What a destination received that fails twice, and the status of the call.
async fn received(layer: &RetryLayer, request: Request<TestBody>) -> (Received, u16) {
    let received = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&received);
    let client = service_fn(move |request: Request<ReplayBody<TestBody>>| {
        let log = Arc::clone(&log);
        async move {
            let body = read(request.into_body()).await;
            let mut log = log.lock().unwrap();
            log.push(body);
            Ok::<_, io::Error>(status::<TestBody>(if log.len() < 3 { 500 } else { 200 }))
        }
    });
    let response = layer.layer(client).oneshot(request).await.unwrap();
    let received = std::mem::take(&mut *received.lock().unwrap());
    (received, response.status().as_u16())
}

fn put(body: TestBody) -> Request<TestBody> {
    Request::put("/").body(body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_attempt_sends_the_whole_body() {
    let mut trailers = HeaderMap::new();
    trailers.insert("checksum", "abc".parse().unwrap());
    let body =
        TestBody::default().data("hello ").pending().data("world").trailers(trailers.clone());
    let (received, code) = received(&builder().build().unwrap(), put(body)).await;
    let whole = (Bytes::from("hello world"), Some(trailers));
    assert_eq!((received, code), (vec![whole.clone(), whole.clone(), whole], 200));
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_limit_is_sent_once() {
    let layer = builder().replay_limit(1_000).build().unwrap();
    let known = TestBody::default().data(vec![1; 1_001]);
    assert_eq!(received(&layer, put(known.clone())).await.1, 500);
    let (received, code) = received(&layer, put(known.without_size())).await;
    assert_eq!((received.len(), received[0].0.len(), code), (1, 1_001, 500));
}

/// A body that never ends: with data at each poll, or silent.
struct Endless {
    silent: bool,
    read: Arc<AtomicUsize>,
}

impl Body for Endless {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.silent {
            return Poll::Pending;
        }
        self.read.fetch_add(1_024, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 1_024])))))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.read.fetch_add(1 << 30, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_body_that_never_ends_does_not_hold_the_retry() {
    for silent in [false, true] {
        let read = Arc::new(AtomicUsize::new(0));
        let (bodies, calls) = (Arc::clone(&read), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&calls);
        let client = service_fn(move |_: Request<ReplayBody<TestBody>>| {
            let code = if counter.fetch_add(1, Ordering::Relaxed) == 0 { 503 } else { 200 };
            let mut response = Response::new(Endless { silent, read: Arc::clone(&bodies) });
            *response.status_mut() = code.try_into().unwrap();
            async { Ok::<_, io::Error>(response) }
        });
        let started = Instant::now();
        let layer = builder().build().unwrap();
        let request = Request::get("/").body(TestBody::default()).unwrap();
        let response = layer.layer(client).oneshot(request).await.unwrap();
        assert_eq!((response.status().as_u16(), calls.load(Ordering::Relaxed)), (200, 2));
        assert!(started.elapsed() <= Duration::from_millis(51), "{:?}", started.elapsed());
        let read = read.load(Ordering::Relaxed);
        assert_eq!(read >> 30, 1, "the failed body was dropped");
        let bytes = read & ((1 << 30) - 1);
        assert!(bytes <= 17 * 1_024, "{bytes} bytes of a failed body were read");
        assert!(silent || bytes >= 16 * 1_024, "{bytes}");
    }
}

/// A destination that answers before it has read the request, as a proxy that refuses does.
#[tokio::test(start_paused = true)]
async fn the_upload_of_an_attempt_that_failed_early_is_stopped() {
    let uploads = Arc::new(Mutex::new(Vec::new()));
    let held = Arc::clone(&uploads);
    let client = service_fn(move |request: Request<ReplayBody<TestBody>>| {
        let held = Arc::clone(&held);
        async move {
            let mut body = request.into_body();
            let first = held.lock().unwrap().is_empty();
            if first {
                // Reads one frame and keeps the rest, as a connection that still sends does.
                let frame = body.frame().await.unwrap().unwrap();
                assert_eq!(frame.into_data().unwrap(), "one");
                held.lock().unwrap().push(body);
                return Ok::<_, io::Error>(status::<TestBody>(503));
            }
            assert_eq!(read(body).await.0, "onetwothree");
            Ok(status(200))
        }
    });
    let body = TestBody::default().data("one").data("two").data("three").without_size();
    let response = builder().build().unwrap().layer(client).oneshot(put(body)).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut old = uploads.lock().unwrap().pop().unwrap();
    assert!(old.frame().await.unwrap().is_err(), "the old upload must not look complete");
}
