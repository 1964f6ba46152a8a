use std::io;

use bytes::Bytes;
use hardpoint::{
    core::ManualClock,
    observability::{Logs, RecordLayer},
};
use hardpoint_bench_harness::exchange::{Pong, exchange};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header::USER_AGENT};
use http_body_util::Full;
use tower_layer::Layer;
use tracing_subscriber::{Registry, layer::SubscriberExt};

use super::Scenario;

/// Makes the log of this process: JSON lines that go to a sink.
pub(super) fn log() {
    let logs =
        Logs::json("orders").version("1.4.2").environment("bench").time(ManualClock::default());
    let subscriber = Registry::default().with(logs.layer(io::sink).expect("the filter is `info`"));
    tracing::subscriber::set_global_default(subscriber).expect("one scenario to a process");
}

fn request() -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("curl/8.5.0"));
    identify(request.headers_mut());
    request
}

/// Gives a request its ids. New ones are random, and to check and to write a letter does not take
/// as many instructions as a digit does: no two runs would agree.
pub(super) fn identify(headers: &mut HeaderMap) {
    for (name, value) in [
        ("x-request-id", "0190b5a2-7c3e-7d44-9d1b-6a1f0c2e8b57"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

/// One request with its ids, its span and its access line. It makes the log of the process.
#[must_use]
pub fn record() -> Scenario {
    log();
    record_unlogged()
}

/// One request with its ids, and no log.
#[must_use]
pub fn record_unlogged() -> Scenario {
    let mut service = RecordLayer::new().accept_ids().time(ManualClock::default()).layer(Pong);
    Scenario::new(request, move |request| {
        assert_eq!(exchange(&mut service, request), StatusCode::OK);
    })
}

/// One log line inside the span of a request. It makes the log of the process.
#[must_use]
pub fn log_event() -> Scenario {
    log();
    let span = tracing::info_span!("request", request_id = "0190b5a2-7c3e-7d44", method = "GET");
    Scenario::new(
        || (),
        move |()| span.in_scope(|| tracing::info!(order = 7, total = 12.5, "order shipped")),
    )
}
