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

/// Three hops that each may make three attempts: 27 requests, if the inner ones did not learn that
/// the outer one retries.
#[tokio::test(start_paused = true)]
async fn a_chain_of_hops_does_not_multiply_retries() {
    use hardpoint_resilience::{BoxError, RetryBudget, RetryLayer, retry::ReplayBody};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tower::util::BoxCloneService;

    type Hop = BoxCloneService<Request<Empty<Bytes>>, Reply, BoxError>;

    fn retrying(next: Hop) -> BoxCloneService<Request<Empty<Bytes>>, StatusCode, BoxError> {
        let unbuffered = service_fn(move |request: Request<ReplayBody<Empty<Bytes>>>| {
            let (head, _empty) = request.into_parts();
            next.clone().oneshot(Request::from_parts(head, Empty::new()))
        });
        let retry = RetryLayer::builder().budget(&RetryBudget::unlimited()).build().unwrap();
        BoxCloneService::new(retry.layer(unbuffered).map_response(|response| response.status()))
    }

    /// A server that trusts its caller, and calls `next` for each request.
    fn hop(next: Hop) -> Hop {
        let client = retrying(next);
        let handler = service_fn(move |incoming: Request<Empty<Bytes>>| {
            let client = client.clone();
            async move {
                let mut request = Request::new(Empty::new());
                let context = RequestContext::find(incoming.extensions()).unwrap();
                request.extensions_mut().insert(Arc::clone(context));
                let mut response = Response::new(Empty::new());
                *response.status_mut() = client.oneshot(request).await.unwrap();
                Ok::<_, BoxError>(response)
            }
        });
        let server = layer().layer(handler);
        let arriving = service_fn(move |mut request: Request<Empty<Bytes>>| {
            // Nothing but the headers crosses the network.
            request.extensions_mut().clear();
            request.extensions_mut().insert(Peer::new((TRUSTED, 1).into()));
            let server = server.clone();
            async move {
                let response = server.oneshot(request).await?;
                Ok(response.map(|_body| Empty::new()))
            }
        });
        BoxCloneService::new(arriving)
    }

    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let failing: Hop = BoxCloneService::new(service_fn(move |_request| {
        counter.fetch_add(1, Ordering::Relaxed);
        let mut response = Response::new(Empty::new());
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        async { Ok(response) }
    }));
    let edge = retrying(hop(hop(failing)));
    assert_eq!(edge.oneshot(Request::new(Empty::new())).await.unwrap(), StatusCode::BAD_GATEWAY);
    let calls = calls.load(Ordering::Relaxed);
    println!("three hops with three attempts each: {calls} requests at the last one, of 27");
    // Three by the innermost hop for the first attempts of all others, and one for each retry: of
    // two in the middle and two at the edge.
    assert_eq!(calls, 7);
}
