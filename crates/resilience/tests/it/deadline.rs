//! Deadlines of the server's own requests.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use hardpoint_core::{Outcome, Peer, Refused, RequestContext, Time, TrustedProxies};
use hardpoint_resilience::{DeadlineHeader, DeadlineLayer};
use hardpoint_testkit::clock::TokioClock;
use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::Empty;
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

const LIMIT: Duration = Duration::from_secs(10);

type Reply = Response<Empty<Bytes>>;

/// A handler that answers with its deadline and attempt, or hangs.
async fn handler(request: Request<()>) -> Result<Reply, Infallible> {
    if request.uri().path() == "/hang" {
        std::future::pending::<()>().await;
    }
    let context = RequestContext::find(request.extensions()).unwrap();
    let time = context.deadline().unwrap().saturating_since(context.received());
    let mut response = Response::new(Empty::new());
    response.extensions_mut().insert((time, context.attempt()));
    Ok(response)
}

fn layer() -> DeadlineLayer {
    let time = Time::custom(TokioClock::new());
    let trusted = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
    DeadlineLayer::new(LIMIT).unwrap().trusted_callers(trusted).time(time)
}

fn from(peer: [u8; 4], headers: &[(&'static str, &str)]) -> Request<()> {
    let mut request = Request::get("/").extension(Peer::new((peer, 1).into())).body(()).unwrap();
    for (name, value) in headers {
        request.headers_mut().append(HeaderName::from_static(name), value.parse().unwrap());
    }
    request
}

const TRUSTED: [u8; 4] = [10, 1, 2, 3];

async fn given(layer: &DeadlineLayer, request: Request<()>) -> (Duration, Option<u32>) {
    let response = layer.layer(service_fn(handler)).oneshot(request).await.unwrap();
    *response.extensions().get().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_trusted_caller_shortens_the_time() {
    let millis = DeadlineHeader::millis(HeaderName::from_static("x-envoy-expected-rq-timeout-ms"));
    let layer = layer().add_header(millis);
    for (headers, seconds) in [
        (&[("grpc-timeout", "3S")][..], 3),
        (&[("x-envoy-expected-rq-timeout-ms", "2000")], 2),
        (&[("grpc-timeout", "99H")], 10),
        (&[("grpc-timeout", "soon")], 10),
        (&[("grpc-timeout", "3S"), ("grpc-timeout", "4S")], 10),
        (&[], 10),
    ] {
        let (time, _) = given(&layer, from(TRUSTED, headers)).await;
        assert_eq!(time.as_secs(), seconds, "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_headers_of_others_are_ignored() {
    let headers = &[("grpc-timeout", "1S"), ("x-retry-attempt", "2")];
    let layer = layer();
    assert_eq!(given(&layer, from([192, 0, 2, 1], headers)).await, (LIMIT, None));
    assert_eq!(given(&layer, from(TRUSTED, headers)).await.1, Some(2));
    let untrusting = DeadlineLayer::new(LIMIT).unwrap();
    assert_eq!(given(&untrusting, from(TRUSTED, headers)).await, (LIMIT, None));
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_ended_at_the_deadline() {
    let mut request = from(TRUSTED, &[("grpc-timeout", "2S")]);
    *request.uri_mut() = "/hang".parse().unwrap();
    let started = Instant::now();
    let response = layer().layer(service_fn(handler)).oneshot(request).await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 2);
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    let refused = response.extensions().get::<Refused>().unwrap();
    assert_eq!((refused.code(), refused.outcome()), ("deadline_exceeded", Outcome::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn time_in_outer_layers_counts() {
    let layer = layer();
    let time = Time::custom(TokioClock::new());
    let mut request = from(TRUSTED, &[("grpc-timeout", "2S")]);
    drop(RequestContext::ensure(request.extensions_mut(), &time));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let response = layer.layer(service_fn(handler)).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT, "passed on arrival");
}

#[tokio::test(start_paused = true)]
async fn an_outer_deadline_stays() {
    let outer = layer();
    let inner = DeadlineLayer::new(Duration::from_secs(60)).unwrap();
    let service = outer.layer(inner.layer(service_fn(handler)));
    let mut request = from(TRUSTED, &[("grpc-timeout", "2S")]);
    *request.uri_mut() = "/hang".parse().unwrap();
    let started = Instant::now();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!((started.elapsed().as_secs(), response.status().as_u16()), (2, 504));
}
