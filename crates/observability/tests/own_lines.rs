//! The exporter's own log lines are written but not exported: each request would cause the next one.
//! A program of its own, because the log of all threads is global.

#![cfg(feature = "otlp")]
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "it/otlp/collector.rs"]
mod collector;

use std::time::Duration;

use hardpoint_observability::{
    Logs,
    otlp::{OtlpBuilder, Signal},
};
use hardpoint_testkit::leak::CapturedLogs;
use http::StatusCode;
use tracing_subscriber::layer::SubscriberExt as _;

use self::collector::{Behaviour, Collector, Protocol};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn lines_of_the_exporter_s_thread_are_written_and_not_exported() {
    let collector = Collector::start(Protocol::Http);
    collector.script([Behaviour::Status(StatusCode::SERVICE_UNAVAILABLE, Vec::new())]);
    let url = format!("{}/v1/logs", collector.url());
    let variables = [("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", url.as_str())];
    let otlp = OtlpBuilder::from_variables(variables).unwrap().start().unwrap();
    let captured = CapturedLogs::default();
    let logs = Logs::json("orders").otlp(&otlp).layer(captured.writer()).unwrap();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(logs)).unwrap();

    tracing::info!("one");
    assert!(otlp.blocking_flush(PATIENCE));
    assert!(otlp.blocking_flush(PATIENCE));
    let lines = captured.lines();
    for expected in ["\"one\"", "telemetry export fails", "telemetry export recovered"] {
        assert!(lines.iter().any(|line| line.contains(expected)), "{expected} in {lines:#?}");
    }
    let totals = otlp.totals(Signal::Logs);
    assert_eq!((totals.recorded, totals.sent), (1, 1), "{lines:#?}");
    assert!(otlp.blocking_shutdown(PATIENCE));
}
