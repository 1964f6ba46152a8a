//! Which responses are charged: the client's headers and the wire format do not change it.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{Head, ManualClock, Problem, Refusals};
use hardpoint_ratelimit::{Policy, Quota, RateLimiter};
use hardpoint_testkit::TestBody;
use http::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{CONTENT_TYPE, TE},
};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};

use super::{from, left, limiter, per_tenant, read};

fn failed_log_ins() -> Policy {
    per_tenant("log-in", Quota::per_hour(5))
        .charge_on(|response| response.status == StatusCode::UNAUTHORIZED)
}

fn unauthenticated() -> Policy {
    per_tenant("log-in", Quota::per_hour(5)).charge_on(|response| response.grpc_status == Some(16))
}

fn grpc_looking() -> Request<TestBody> {
    let mut request = from("acme");
    *request.method_mut() = Method::POST;
    request.headers_mut().insert(CONTENT_TYPE, "application/grpc".parse().unwrap());
    request.headers_mut().insert(TE, "trailers".parse().unwrap());
    request
}

/// A refusal by a handler or an inner layer, rendered as `refusals` says.
async fn statuses(refusals: Refusals, status: StatusCode) -> (RateLimiter, Vec<StatusCode>) {
    let limiter = limiter(&ManualClock::default(), [failed_log_ins()]);
    let inner = service_fn(move |request: Request<TestBody>| {
        let facts = refusals.facts(Head::new(&request));
        let problem = Problem::from_status(status);
        let response = refusals.refuse::<TestBody>(&facts, &problem);
        async move { Ok::<_, Infallible>(response) }
    });
    let service = limiter.layer().unwrap().layer(inner);
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(read(service.clone(), grpc_looking()).await.status());
    }
    (limiter, statuses)
}

/// A client that made a failed log-in look like a gRPC call was not charged for it.
#[tokio::test]
async fn a_failed_log_in_with_the_headers_of_grpc_is_charged() {
    let (limiter, statuses) = statuses(Refusals::new(), StatusCode::UNAUTHORIZED).await;
    assert_eq!(statuses[..5], [StatusCode::UNAUTHORIZED; 5]);
    assert_eq!(statuses[5..], [StatusCode::TOO_MANY_REQUESTS; 2]);
    assert_eq!(left(&limiter, "log-in").await, 0);
}

#[tokio::test]
async fn a_refusal_that_is_rendered_for_grpc_is_judged_by_its_own_status() {
    let grpc = || Refusals::new().grpc();
    let (limiter, wire) = statuses(grpc(), StatusCode::UNAUTHORIZED).await;
    assert_eq!(wire[..5], [StatusCode::OK; 5]);
    assert_eq!(wire[5..], [StatusCode::TOO_MANY_REQUESTS; 2], "the limiter's own refusal");
    assert_eq!(left(&limiter, "log-in").await, 0);
    let (limiter, _) = statuses(grpc(), StatusCode::FORBIDDEN).await;
    assert_eq!(left(&limiter, "log-in").await, 5);
}

/// A body of frames; a frame may be a failure.
#[derive(Default)]
struct Frames(VecDeque<Result<Frame<Bytes>, &'static str>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Ready(self.0.pop_front())
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

fn message() -> Result<Frame<Bytes>, &'static str> {
    Ok(Frame::data(Bytes::from_static(b"\0\0\0\0\x01x")))
}

fn trailers(status: &str) -> Result<Frame<Bytes>, &'static str> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().unwrap());
    Ok(Frame::trailers(trailers))
}

/// The response of a gRPC service, before its body is read.
async fn respond(
    limiter: &RateLimiter,
    head: Option<&str>,
    frames: impl IntoIterator<Item = Result<Frame<Bytes>, &'static str>>,
) -> impl Body<Data = Bytes> {
    let mut response = Response::new(Frames(frames.into_iter().collect()));
    response.headers_mut().insert(CONTENT_TYPE, "application/grpc".parse().unwrap());
    if let Some(status) = head {
        response.headers_mut().insert("grpc-status", status.parse().unwrap());
    }
    let response = std::sync::Mutex::new(Some(response));
    let service = limiter.layer().unwrap().layer(service_fn(|_request: Request<TestBody>| {
        let response = response.lock().unwrap().take().unwrap();
        async move { Ok::<_, Infallible>(response) }
    }));
    service.oneshot(grpc_looking()).await.unwrap().into_body()
}

#[tokio::test]
async fn a_grpc_response_is_judged_by_its_head_or_by_its_trailers() {
    let limiter = limiter(&ManualClock::default(), [unauthenticated()]);
    drop(respond(&limiter, Some("16"), []).await);
    assert_eq!(left(&limiter, "log-in").await, 4, "in the head");
    drop(respond(&limiter, Some("0"), []).await);
    assert_eq!(left(&limiter, "log-in").await, 4, "in the head, and fine");
    for (status, held, settled) in [("16", 3, 3), ("0", 2, 3), ("7", 2, 3)] {
        let body = respond(&limiter, None, [message(), trailers(status)]).await;
        assert_eq!(left(&limiter, "log-in").await, held, "before trailers with {status}");
        let Ok(read) = body.collect().await else { panic!("the body does not fail") };
        assert_eq!(read.trailers().unwrap()["grpc-status"], status, "they are passed on");
        assert_eq!(left(&limiter, "log-in").await, settled, "after trailers with {status}");
    }
}

#[tokio::test]
async fn a_grpc_response_that_ends_early_is_charged_and_one_without_a_status_is_judged() {
    let limiter = limiter(&ManualClock::default(), [unauthenticated()]);
    drop(respond(&limiter, None, [message(), trailers("0")]).await);
    assert_eq!(left(&limiter, "log-in").await, 4, "dropped");
    let failed = respond(&limiter, None, [message(), Err("reset")]).await;
    assert!(failed.collect().await.is_err());
    assert_eq!(left(&limiter, "log-in").await, 3, "failed");
    let bare = respond(&limiter, None, [message()]).await;
    assert_eq!(left(&limiter, "log-in").await, 2, "held");
    assert!(bare.collect().await.is_ok());
    assert_eq!(left(&limiter, "log-in").await, 3, "without a status");
    drop(respond(&limiter, None, []).await);
    assert_eq!(left(&limiter, "log-in").await, 3, "without a body");
}
