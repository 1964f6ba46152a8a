//! Of many successes, one in so many has a line.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hardpoint_core::{Event, Telemetry};
use hardpoint_observability::RecordLayer;
use hardpoint_testkit::TestBody;
use http::{HeaderValue, Request, Response, StatusCode};
use serde_json::Value as Json;

use crate::harness::{Harness, get};

/// A request of a trace whose id ends with this number.
fn traced(path: &str, trace: u64) -> Request<TestBody> {
    let mut request = get(path);
    let parent = format!("00-0000000000000001{trace:016x}-00f067aa0ba902b7-01");
    request.headers_mut().insert("traceparent", HeaderValue::from_str(&parent).unwrap());
    request
}

fn with(layer: RecordLayer) -> Harness {
    let harness = Harness::with(layer.accept_ids(), "info");
    let clock = harness.clock.clone();
    harness.spy.respond(move |parts| match parts.uri.path().trim_start_matches('/') {
        "slow" => {
            clock.advance(Duration::from_secs(1));
            Ok(Response::new(TestBody::default()))
        }
        status => {
            let status: StatusCode = status.parse().unwrap();
            Ok(Response::builder().status(status).body(TestBody::default()).unwrap())
        }
    });
    harness
}

fn unlogged(line: &Json) -> Option<u64> {
    line.get("unlogged").and_then(Json::as_u64)
}

#[tokio::test]
async fn one_success_in_so_many_has_a_line_and_every_error_and_slow_request_has() {
    let seen = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&seen);
    let telemetry = Telemetry::new(move |event: &Event<'_>| {
        if matches!(event, Event::RequestEnded(_)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    let harness = with(RecordLayer::new().one_success_in(10).telemetry(&telemetry));
    let step = u64::MAX / 1_000;
    for index in 0..1_000 {
        harness.exchange(traced("/204", index * step + step / 2)).await.unwrap();
    }
    let lines = harness.lines();
    assert_eq!(lines.len(), 100, "the traces of a tenth of all ids");
    assert!(lines.iter().all(|line| unlogged(line).is_none()), "they came first");
    harness.logs.clear();
    let last = u64::MAX;
    for path in ["/500", "/404", "/503", "/slow", "/200"] {
        harness.exchange(traced(path, last)).await.unwrap();
    }
    harness.exchange(traced("/302", 1)).await.unwrap();
    let lines = harness.lines();
    let found: Vec<_> =
        lines.iter().map(|line| (line["status"].as_u64().unwrap(), unlogged(line))).collect();
    // The line about the slow success has the count, and then that of the last.
    assert_eq!(found, [(500, None), (404, None), (503, None), (200, Some(900)), (302, Some(1))]);
    assert_eq!(seen.load(Ordering::Relaxed), 1_006, "observers see all");
}

#[tokio::test]
async fn the_trace_decides_and_the_settings_do_not_undo_each_other() {
    let layer = RecordLayer::new().one_success_in(2).rejected_lines(0);
    let harness = with(layer.slow_after(Duration::from_secs(2)));
    for trace in 1..100_u64 {
        // Spreads the ids over all values.
        let trace = trace.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        harness.logs.clear();
        harness.exchange(traced("/200", trace)).await.unwrap();
        assert_eq!(harness.lines().len() == 1, trace >> 63 == 0, "{trace:x}");
    }
    harness.logs.clear();
    for path in ["/404", "/slow"] {
        harness.exchange(traced(path, u64::MAX)).await.unwrap();
    }
    assert_eq!(harness.lines().len(), 0, "neither rejections nor seconds");
}
