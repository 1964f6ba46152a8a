use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use hardpoint_core::{Outcome, RequestContext};
use hardpoint_observability::RecordLayer;
use hardpoint_testkit::TestBody;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use serde_json::{Value as Json, json};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;
use tower_service::Service;

use crate::harness::{Harness, get};

#[tokio::test]
async fn a_dropped_future_is_cancelled() {
    for polls in 0..2 {
        let harness = Harness::new();
        harness.spy.hold();
        let mut service = harness.service();
        let ready = ServiceExt::<Request<TestBody>>::ready(&mut service).await;
        {
            let mut future = pin!(ready.unwrap().call(get("/")));
            harness.advance(7);
            for _ in 0..polls {
                let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert!(matches!(polled, Poll::Pending));
            }
        }
        let line = harness.access();
        assert_eq!(line["outcome"], "cancelled");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["duration_ms"], 7.0);
        assert_eq!((&line["status"], &line["ttfb_ms"]), (&Json::Null, &Json::Null));
        assert_eq!(harness.spy.counts().in_flight, 0);
    }
}

#[tokio::test]
async fn a_body_that_is_dropped_before_its_end_is_aborted() {
    for frames in 0..2 {
        let harness = Harness::new();
        harness.body(TestBody::default().data("hel").data("lo"));
        let mut body = harness.call(get("/")).await.unwrap().into_body();
        for _ in 0..frames {
            assert!(body.frame().await.unwrap().is_ok());
        }
        drop(body);
        let line = harness.access();
        assert_eq!(line["outcome"], "aborted");
        assert_eq!((&line["status"], &line["bytes_out"]), (&json!(200), &json!(3 * frames)));
    }
}

#[tokio::test]
async fn a_failure_stays_one_though_the_client_does_not_wait_for_its_text() {
    let harness = Harness::new();
    harness.spy.respond(|_| {
        let mut response = Response::new(TestBody::from("oh"));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        Ok(response)
    });
    drop(harness.call(get("/")).await.unwrap());
    assert_eq!(harness.access()["outcome"], "failed");
}

#[test]
fn a_panic_is_told_and_passes() {
    #[derive(Clone, Copy)]
    enum When {
        Called,
        Polled,
    }
    for when in [When::Called, When::Polled] {
        let harness = Harness::new();
        let mut service = RecordLayer::new().layer(service_fn(move |_: Request<TestBody>| {
            assert!(matches!(when, When::Polled), "boom");
            async move {
                if matches!(when, When::Polled) {
                    panic!("boom");
                }
                Ok::<_, Infallible>(Response::new(TestBody::default()))
            }
        }));
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let mut future = pin!(service.call(get("/")));
            let mut cx = Context::from_waker(Waker::noop());
            future.as_mut().poll(&mut cx).is_ready()
        }));
        assert!(caught.is_err());
        let line = harness.access();
        assert_eq!((&line["outcome"], &line["level"]), (&json!("panicked"), &json!("ERROR")));
    }
}

#[tokio::test]
async fn what_a_dropped_handler_logs_has_the_ids_and_comes_first() {
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            tracing::info!("tidied up");
        }
    }
    let harness = Harness::new();
    let mut service = RecordLayer::new().layer(service_fn(async |_: Request<TestBody>| {
        let _guard = Guard;
        std::future::pending::<Result<Response<TestBody>, Infallible>>().await
    }));
    {
        let mut future = pin!(service.call(get("/")));
        let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
    }
    let lines = harness.lines();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert_eq!(lines[0]["message"], "tidied up");
    assert_eq!(lines[1]["outcome"], "cancelled");
    for id in ["request_id", "trace_id"] {
        assert_eq!(lines[0][id], lines[1][id]);
        assert!(lines[0][id].is_string());
    }
}

/// Logs when it is asked for a frame, then panics.
struct Loud;

impl Body for Loud {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        tracing::info!("asked");
        panic!("boom");
    }
}

#[tokio::test]
async fn a_body_that_panics_is_told_and_what_it_logs_has_the_ids() {
    let harness = Harness::new();
    let service = RecordLayer::new()
        .layer(service_fn(async |_: Request<TestBody>| Ok::<_, Infallible>(Response::new(Loud))));
    let body = service.oneshot(get("/")).await.unwrap().into_body();
    let caught = catch_unwind(AssertUnwindSafe(move || {
        let mut cx = Context::from_waker(Waker::noop());
        pin!(body).poll_frame(&mut cx).is_ready()
    }));
    assert!(caught.is_err());
    let lines = harness.lines();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert_eq!((&lines[0]["message"], &lines[1]["outcome"]), (&json!("asked"), &json!("panicked")));
    assert!(lines[0]["request_id"].is_string());
    assert_eq!(lines[0]["request_id"], lines[1]["request_id"]);
}

#[test]
fn a_panic_outweighs_the_outcome_that_was_set_before() {
    let harness = Harness::new();
    let mut service = RecordLayer::new().layer(service_fn(async |request: Request<TestBody>| {
        let context = RequestContext::find(request.extensions()).unwrap();
        context.set_body_outcome(Outcome::Rejected);
        assert!(context.body_outcome().is_none(), "boom");
        Ok::<_, Infallible>(Response::new(TestBody::default()))
    }));
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let mut future = pin!(service.call(get("/")));
        future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }));
    assert!(caught.is_err());
    let line = harness.access();
    assert_eq!((&line["outcome"], &line["level"]), (&json!("panicked"), &json!("ERROR")));
}

/// A body without end that logs when it is dropped.
struct Tidy;

impl Body for Tidy {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

impl Drop for Tidy {
    fn drop(&mut self) {
        tracing::info!("tidied up");
    }
}

#[tokio::test]
async fn what_a_dropped_body_logs_has_the_ids_and_comes_first() {
    let harness = Harness::new();
    let service = RecordLayer::new()
        .layer(service_fn(async |_: Request<TestBody>| Ok::<_, Infallible>(Response::new(Tidy))));
    drop(service.oneshot(get("/")).await.unwrap());
    let lines = harness.lines();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert_eq!(lines[0]["message"], "tidied up");
    assert_eq!(lines[1]["outcome"], "aborted");
    assert!(lines[0]["request_id"].is_string());
    assert_eq!(lines[0]["request_id"], lines[1]["request_id"]);
}
