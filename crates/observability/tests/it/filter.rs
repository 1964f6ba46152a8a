//! A filter that changes while the program runs.

use std::time::Duration;

use hardpoint_observability::{ConfigError, Logs, LogsHandle};
use hardpoint_testkit::leak::CapturedLogs;
use tracing::{debug, info, info_span, trace, warn};

use crate::harness::capture;

const PATIENCE: Duration = Duration::from_secs(30);

fn start(filter: &str) -> (LogsHandle, CapturedLogs, tracing::subscriber::DefaultGuard) {
    let logs = Logs::json("orders").filter(filter);
    let handle = logs.handle();
    let (captured, guard) = capture(logs);
    (handle, captured, guard)
}

/// Logs at each level, and returns the messages that were written.
fn written(captured: &CapturedLogs) -> Vec<String> {
    captured.clear();
    trace!("trace");
    debug!("debug");
    info!("info");
    warn!("warn");
    let lines = captured.lines();
    let message = |line: &String| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["message"].as_str().unwrap().to_owned()
    };
    lines.iter().map(message).collect()
}

#[test]
fn a_new_filter_counts_from_then_on_and_a_wrong_one_changes_nothing() {
    let (handle, captured, _guard) = start("info");
    assert_eq!(written(&captured), ["info", "warn"]);
    handle.set_filter("debug").unwrap();
    assert!(captured.text().contains("log filter changed"));
    assert_eq!(written(&captured), ["debug", "info", "warn"]);
    let wrong = handle.set_filter("inof");
    assert!(matches!(wrong, Err(ConfigError::Filter { .. })), "{wrong:?}");
    assert_eq!(written(&captured), ["debug", "info", "warn"]);
    handle.set_filter("it::filter=warn,info").unwrap();
    assert_eq!(written(&captured), ["warn"]);
    handle.set_filter("off").unwrap();
    assert_eq!(written(&captured), Vec::<String>::new());
}

#[test]
fn a_filter_may_ask_for_the_fields_of_spans_later_on() {
    let (handle, captured, _guard) = start("warn");
    handle.set_filter("[order{id=7}]=debug,warn").unwrap();
    for (id, expected) in [(7, &["debug", "info", "warn"][..]), (8, &["warn"])] {
        let span = info_span!("order", id);
        assert_eq!(span.in_scope(|| written(&captured)), expected, "{id}");
    }
    handle.set_filter("warn").unwrap();
    assert_eq!(info_span!("order", id = 7).in_scope(|| written(&captured)), ["warn"]);
}

#[test]
fn a_temporary_filter_ends_by_itself_and_the_last_change_wins() {
    let (handle, captured, _guard) = start("info");
    handle.set_filter_for("trace", Duration::from_millis(1)).unwrap();
    let clock = hardpoint_core::Time::system();
    let begin = clock.now();
    while written(&captured).len() != 2 {
        assert!(clock.now().saturating_since(begin) < PATIENCE, "it does not end");
        std::thread::yield_now();
    }
    handle.set_filter_for("off", Duration::from_hours(1)).unwrap();
    assert_eq!(written(&captured).len(), 0);
    handle.set_filter_for("trace", Duration::from_hours(1)).unwrap();
    assert_eq!(written(&captured), ["trace", "debug", "info", "warn"]);
    // What it returns to is what was set for good.
    handle.set_filter("warn").unwrap();
    handle.set_filter_for("trace", Duration::from_millis(1)).unwrap();
    while written(&captured).len() != 1 {
        assert!(clock.now().saturating_since(begin) < PATIENCE, "it does not end");
        std::thread::yield_now();
    }
}
