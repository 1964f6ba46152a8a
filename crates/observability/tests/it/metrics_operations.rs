//! Operations: their durations, and the line of the slow ones.

use std::time::Duration;

use hardpoint_core::ManualClock;
use hardpoint_observability::{Logs, Metrics, metrics::Operation};
use serde_json::{Value as Json, json};

use crate::{
    harness::capture,
    metrics::{scrape, value},
};

fn operation(clock: &ManualClock) -> (Operation, Metrics) {
    let mut builder = Metrics::builder().time(clock);
    let queries = builder.operations("query_duration_seconds", "Time of queries.");
    let list = queries.slow_after(Duration::from_millis(200)).operation("list_notes");
    (list, builder.build().unwrap())
}

fn sum(metrics: &Metrics, outcome: &str) -> Option<String> {
    let labels = format!("operation=\"list_notes\",outcome=\"{outcome}\"");
    let text = scrape(metrics);
    value(&text, &format!("query_duration_seconds_sum{{{labels}}}")).map(str::to_owned)
}

#[tokio::test]
async fn a_future_is_timed_from_its_first_poll_until_it_is_ready_or_dropped() {
    let clock = ManualClock::default();
    let (list, metrics) = operation(&clock);
    let take = |millis| clock.advance(Duration::from_millis(millis));
    let ok = list.time(async {
        take(10);
        Ok::<_, ()>(7)
    });
    take(1000);
    assert_eq!(ok.await, Ok(7), "the time before the first poll is not the operation's");
    let failed = list.time(async {
        take(20);
        Err::<(), _>("no connection")
    });
    assert_eq!(failed.await, Err("no connection"));
    let mut never = Box::pin(list.time(std::future::pending::<Result<(), ()>>()));
    let poll =
        std::future::poll_fn(|cx| std::task::Poll::Ready(never.as_mut().poll(cx).is_pending()));
    assert!(poll.await);
    take(30);
    drop(never);
    for (outcome, expected) in [("ok", "0.01"), ("failed", "0.02"), ("cancelled", "0.03")] {
        assert_eq!(sum(&metrics, outcome).as_deref(), Some(expected), "{outcome}");
    }
    drop(list.time(std::future::ready(Ok::<(), ()>(()))));
    assert_eq!(sum(&metrics, "cancelled").as_deref(), Some("0.03"), "never begun, never counted");
}

#[test]
fn a_slow_operation_is_logged_once_a_second_with_its_name_only() {
    let clock = ManualClock::default();
    let (logs, _guard) = capture(Logs::json("orders").time(&clock));
    let (list, _metrics) = operation(&clock);
    let run = |millis| {
        let timer = list.start();
        clock.advance(Duration::from_millis(millis));
        timer.finish(&Ok::<(), ()>(()));
    };
    run(199);
    assert_eq!(logs.lines().len(), 0);
    (0..3).for_each(|_| run(200));
    clock.advance(Duration::from_secs(1));
    run(250);
    let lines: Vec<Json> =
        logs.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    let facts = |line: &Json| {
        ["level", "message", "target", "operation", "duration_ms", "outcome", "suppressed"]
            .map(|name| line[name].clone())
    };
    let expected = |millis: f64, suppressed: u64| {
        [
            json!("WARN"),
            json!("slow operation"),
            json!("hardpoint::observability::slow"),
            json!("list_notes"),
            json!(millis),
            json!("ok"),
            json!(suppressed),
        ]
    };
    assert_eq!(facts(&lines[0]), expected(200.0, 0));
    assert_eq!(facts(&lines[1]), expected(250.0, 2));
}
