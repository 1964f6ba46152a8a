//! When a body is refused, and who gets to see how much of it.

use std::{convert::Infallible, future::ready};

use bytes::Bytes;
use hardpoint_core::Outcome;
use hardpoint_edge::{
    BodyLimitLayer,
    body_limit::{BodyTooLarge, LimitedBody},
};
use hardpoint_testkit::{
    TestBody,
    spy::{Spy, SpyError},
};
use http::{HeaderMap, Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};

use crate::{Reply, with_context};

type Limited = Request<LimitedBody<TestBody>>;

/// Four frames of three bytes, of unknown size.
fn chunked() -> TestBody {
    TestBody::default().data("abc").data("def").pending().data("ghi").data("jkl").without_size()
}

/// What a handler does with the body that it is given: reads it, and answers with what came.
async fn careless(request: Limited) -> Result<Response<TestBody>, Infallible> {
    let mut body = request.into_body();
    let mut read = Vec::new();
    // Skips errors: what must not matter.
    while let Some(frame) = body.frame().await {
        if let Ok(frame) = frame
            && let Ok(data) = frame.into_data()
        {
            read.extend_from_slice(&data);
        }
    }
    Ok(Response::new(TestBody::default().data(read)))
}

async fn ask(layer: &BodyLimitLayer, request: Request<TestBody>) -> Reply {
    let answer = layer.layer(service_fn(careless)).oneshot(request).await;
    Reply::of(answer.unwrap()).await
}

#[tokio::test]
async fn the_limit_itself_passes_and_one_byte_more_does_not() {
    for request in [Request::new(TestBody::from("abcdefghijkl")), Request::new(chunked())] {
        let reply = ask(&BodyLimitLayer::new(12), request).await;
        assert_eq!((reply.status(), &reply.body[..]), (200, &b"abcdefghijkl"[..]));
    }
    for request in [Request::new(TestBody::from("abcdefghijkl")), Request::new(chunked())] {
        let reply = ask(&BodyLimitLayer::new(11), request).await;
        assert_eq!(reply.status(), 413);
        assert_eq!(reply.problem("body_too_large")["limit"], 11);
    }
}

#[tokio::test]
async fn a_length_that_is_announced_above_the_limit_is_refused_unread() {
    let announced = Request::post("/").header("content-length", "12");
    for request in
        [Request::new(TestBody::from("abcdefghijkl")), announced.body(chunked()).unwrap()]
    {
        let (request, context) = with_context(request);
        let (spy, handle) = Spy::new();
        let answer = BodyLimitLayer::new(11).layer(spy).oneshot(request).await;
        let reply = Reply::of(answer.unwrap()).await;
        let problem = reply.problem("body_too_large");
        assert_eq!(problem["request_id"], "r-4711");
        assert_eq!(problem["limit"], 11);
        assert_eq!(handle.calls(), 0);
        assert_eq!(reply.outcome(), Some(Outcome::Rejected));
        assert_eq!(context.body_outcome(), None);
    }
}

#[tokio::test]
async fn an_announced_length_is_not_believed_where_the_body_does_not_know_it() {
    for length in ["3", "0", "-1", "twelve", "99999999999999999999999999"] {
        let request = Request::post("/").header("content-length", length);
        let reply = ask(&BodyLimitLayer::new(4), request.body(chunked()).unwrap()).await;
        assert_eq!(reply.status(), 413, "{length}");
    }
}

#[tokio::test]
async fn at_zero_only_an_empty_body_passes() {
    let layer = BodyLimitLayer::new(0);
    for empty in [TestBody::default(), TestBody::default().without_size()] {
        assert_eq!(ask(&layer, Request::new(empty)).await.status(), 200);
    }
    for full in [TestBody::from("a"), TestBody::from("a").without_size()] {
        assert_eq!(ask(&layer, Request::new(full)).await.status(), 413);
    }
}

#[tokio::test]
async fn a_handler_cannot_turn_the_refusal_into_something_else() {
    // Into a success: `careless` above. Into a failure of its own:
    let failing = service_fn(|request: Limited| async {
        match request.into_body().collect().await {
            Ok(_) => Ok(Response::new(TestBody::default())),
            Err(_) => Err(SpyError::new(1)),
        }
    });
    let (request, context) = with_context(Request::new(chunked()));
    let answer = BodyLimitLayer::new(11).layer(failing).oneshot(request).await;
    let reply = Reply::of(answer.unwrap()).await;
    assert_eq!(reply.problem("body_too_large")["request_id"], "r-4711");
    assert_eq!(reply.outcome(), Some(Outcome::Rejected));
    assert_eq!(context.body_outcome(), Some(Outcome::Rejected), "for a head that was sent already");

    // Read in a task of its own.
    let spawning = service_fn(|request: Limited| async {
        let read = tokio::spawn(request.into_body().collect());
        let complete = read.await.is_ok_and(|body| body.is_ok());
        Ok::<_, Infallible>(Response::new(TestBody::from(if complete { "1" } else { "0" })))
    });
    let answer = BodyLimitLayer::new(11).layer(spawning).oneshot(Request::new(chunked())).await;
    assert_eq!(answer.unwrap().status(), 413);
}

#[tokio::test]
async fn a_handler_sees_no_byte_beyond_the_limit_and_then_the_end() {
    let reading = service_fn(|request: Limited| async {
        let mut body = request.into_body();
        assert!(!body.is_known_to_fit());
        let mut read = 0;
        let error = loop {
            match body.frame().await.unwrap() {
                Ok(frame) => read += frame.into_data().unwrap().len(),
                Err(error) => break error,
            }
        };
        assert_eq!(read, 6);
        assert!(error.is_too_large());
        let reason = std::error::Error::source(&error).unwrap();
        let reason = reason.downcast_ref::<BodyTooLarge>().unwrap();
        assert_eq!(reason.to_string(), "the request body is longer than 8 bytes");
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
        assert!(body.frame().await.is_none());
        Ok::<_, Infallible>(Response::new(TestBody::default()))
    });
    let service = BodyLimitLayer::new(8).layer(reading);
    let answer = service.oneshot(Request::new(chunked())).await;
    assert_eq!(answer.unwrap().status(), 413);
}

#[tokio::test]
async fn a_failure_of_the_body_itself_is_no_refusal() {
    let reading = service_fn(|request: Limited| async {
        let error = request.into_body().collect().await.unwrap_err();
        assert!(!error.is_too_large());
        let cause = std::error::Error::source(&error).unwrap();
        assert_eq!(cause.downcast_ref(), Some(&SpyError::new(9)));
        Ok::<_, Infallible>(Response::builder().status(400).body(TestBody::default()).unwrap())
    });
    let broken = TestBody::from("abc").error(SpyError::new(9)).without_size();
    let answer = BodyLimitLayer::new(3).layer(reading).oneshot(Request::new(broken));
    assert_eq!(answer.await.unwrap().status(), 400);
}

#[tokio::test]
async fn an_answer_that_was_given_before_the_limit_stands() {
    let (bodies, mut kept) = tokio::sync::mpsc::unbounded_channel();
    let early = service_fn(move |request: Limited| {
        bodies.send(request.into_body()).unwrap();
        ready(Ok::<_, Infallible>(Response::new(TestBody::from("early"))))
    });
    let answer = BodyLimitLayer::new(3).layer(early).oneshot(Request::new(chunked()));
    let reply = Reply::of(answer.await.unwrap()).await;
    assert_eq!((reply.status(), &reply.body[..]), (200, &b"early"[..]));
    // The body ends at the limit all the same.
    assert!(kept.recv().await.unwrap().collect().await.is_err());
}

#[tokio::test]
async fn trailers_are_not_counted() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", "0123456789abcdef".parse().unwrap());
    let body = chunked().trailers(trailers);
    let reply = ask(&BodyLimitLayer::new(12), Request::new(body)).await;
    assert_eq!(reply.status(), 200);
}

#[tokio::test]
async fn a_layer_that_is_off_lets_everything_through() {
    let announced = Request::post("/").header("content-length", "99999999");
    let reply = ask(&BodyLimitLayer::off(), announced.body(chunked()).unwrap()).await;
    assert_eq!((reply.status(), reply.body.len()), (200, 12));
}

#[tokio::test]
async fn the_answer_to_head_has_the_length_and_no_body() {
    let request = |method| {
        let request = Request::builder().method(method);
        request.body(TestBody::from("too long")).unwrap()
    };
    let layer = BodyLimitLayer::new(1);
    let get = ask(&layer, request("GET")).await;
    let head = ask(&layer, request("HEAD")).await;
    assert_eq!(head.status(), 413);
    assert_eq!(head.body, Bytes::new());
    assert_eq!(head.header("content-length"), get.body.len().to_string());
}
