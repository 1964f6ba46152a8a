//! A flood of rejected requests is not a flood of lines.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use hardpoint_core::{Event, Telemetry};
use hardpoint_observability::RecordLayer;
use hardpoint_testkit::TestBody;
use http::{Response, StatusCode};
use serde_json::Value as Json;

use crate::harness::{Harness, get};

/// Answers with the status that the path names.
fn by_path(layer: RecordLayer) -> Harness {
    let harness = Harness::with(layer, "info");
    harness.spy.respond(|parts| {
        let status: StatusCode = parts.uri.path().trim_start_matches('/').parse().unwrap();
        Ok(Response::builder().status(status).body(TestBody::from("x")).unwrap())
    });
    harness
}

async fn flood(harness: &Harness, path: &str, requests: usize) {
    for _ in 0..requests {
        harness.exchange(get(path)).await.unwrap();
    }
}

fn with_status(lines: &[Json], status: u64) -> usize {
    lines.iter().filter(|line| line["status"] == status).count()
}

#[tokio::test]
async fn lines_about_rejected_requests_are_bounded_and_counted_and_no_others_are() {
    let seen = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&seen);
    let telemetry = Telemetry::new(move |event: &Event<'_>| {
        if matches!(event, Event::RequestEnded(_)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    let harness = by_path(RecordLayer::new().rejected_lines(5).telemetry(&telemetry));
    for path in ["/404", "/429", "/401"] {
        flood(&harness, path, 1_000).await;
    }
    flood(&harness, "/200", 200).await;
    flood(&harness, "/500", 200).await;
    harness.advance(1_000);
    flood(&harness, "/404", 1).await;
    let lines = harness.lines();
    assert_eq!((with_status(&lines, 200), with_status(&lines, 500)), (200, 200));
    assert_eq!(with_status(&lines, 404) + with_status(&lines, 429) + with_status(&lines, 401), 51);
    let unlogged: Vec<_> = lines.iter().filter_map(|line| line["unlogged"].as_u64()).collect();
    assert_eq!(unlogged, [2_950], "the next line has the count");
    assert_eq!(seen.load(Ordering::Relaxed), 3_401, "observers see all");
}

#[tokio::test]
async fn by_default_a_thousand_lines_come_at_once() {
    let harness = by_path(RecordLayer::new());
    flood(&harness, "/404", 2_000).await;
    assert_eq!(harness.lines().len(), 1_000);
}
