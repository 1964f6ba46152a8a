//! What the exporter does with a collector's answers.

use std::time::Duration;

use hardpoint_observability::otlp::{DropReason, Otlp, Signal};
use http::StatusCode;
use tokio::time::Instant;

use super::{
    PATIENCE, builder,
    collector::{Behaviour, Collector, Protocol},
};

/// Records one log record.
fn record(otlp: &Otlp) {
    use hardpoint_observability::Logs;
    use tracing_subscriber::layer::SubscriberExt as _;

    let logs = Logs::json("orders").otlp(otlp).layer(std::io::sink).unwrap();
    let subscriber = tracing_subscriber::registry().with(logs);
    tracing::subscriber::with_default(subscriber, || tracing::info!("a record"));
}

/// `RetryInfo` of a second, in a `google.rpc.Status`.
const RETRY_INFO: &str = "CAgaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIAQ==";

#[tokio::test]
async fn what_may_succeed_later_is_sent_again_not_before_the_collector_asks_for_it() {
    let second = |name: &'static str, value: &str| vec![(name, value.to_owned())];
    for (protocol, behaviour) in [
        (
            Protocol::Http,
            Behaviour::Status(StatusCode::TOO_MANY_REQUESTS, second("retry-after", "1")),
        ),
        (
            Protocol::Http,
            Behaviour::Status(StatusCode::SERVICE_UNAVAILABLE, second("retry-after", "1")),
        ),
        (Protocol::Grpc, Behaviour::Grpc(8, second("grpc-status-details-bin", RETRY_INFO))),
        (Protocol::Grpc, Behaviour::Grpc(14, second("grpc-status-details-bin", RETRY_INFO))),
    ] {
        let collector = Collector::start(protocol);
        collector.script([behaviour.clone()]);
        let otlp = builder(&collector, &[]).start().unwrap();
        record(&otlp);
        let begin = Instant::now();
        assert!(otlp.flush(PATIENCE).await, "{behaviour:?}");
        assert!(begin.elapsed() >= Duration::from_secs(1), "{behaviour:?}: {:?}", begin.elapsed());
        assert_eq!(collector.requests(), 2);
        assert_eq!(otlp.totals(Signal::Logs).sent, 1, "{behaviour:?}");
    }
}

#[tokio::test]
async fn a_broken_connection_and_an_answer_that_does_not_come_are_tried_again() {
    for protocol in Protocol::BOTH {
        for behaviour in [Behaviour::Reset, Behaviour::Hang, Behaviour::Grpc(14, Vec::new())] {
            if protocol == Protocol::Http && matches!(behaviour, Behaviour::Grpc(..)) {
                continue;
            }
            let collector = Collector::start(protocol);
            collector.script([behaviour.clone(), behaviour.clone()]);
            let timeout = [("OTEL_EXPORTER_OTLP_TIMEOUT", "200")];
            let otlp = builder(&collector, &timeout).start().unwrap();
            record(&otlp);
            assert!(otlp.flush(PATIENCE).await, "{protocol:?} {behaviour:?}");
            assert_eq!(collector.requests(), 3, "{protocol:?} {behaviour:?}");
            assert_eq!(otlp.totals(Signal::Logs).sent, 1);
        }
    }
}

#[tokio::test]
async fn what_will_never_succeed_is_dropped_at_once_and_counted() {
    for (protocol, behaviour) in [
        (Protocol::Http, Behaviour::Status(StatusCode::UNAUTHORIZED, Vec::new())),
        (Protocol::Http, Behaviour::Status(StatusCode::BAD_REQUEST, Vec::new())),
        (Protocol::Grpc, Behaviour::Grpc(16, Vec::new())),
        (Protocol::Grpc, Behaviour::Grpc(8, Vec::new())),
        (Protocol::Grpc, Behaviour::Status(StatusCode::NOT_FOUND, Vec::new())),
    ] {
        let collector = Collector::with(protocol, behaviour.clone(), true);
        let otlp = builder(&collector, &[]).start().unwrap();
        record(&otlp);
        record(&otlp);
        assert!(otlp.flush(PATIENCE).await);
        let totals = otlp.totals(Signal::Logs);
        assert_eq!((totals.recorded, totals.sent), (2, 0), "{behaviour:?}");
        assert_eq!(totals.dropped_for(DropReason::Refused), 2, "{behaviour:?}");
        // The second record may miss the batch of the first.
        assert!(collector.requests() <= 2, "{behaviour:?}");
    }
}

#[tokio::test]
async fn a_request_is_not_tried_for_ever() {
    let busy = Behaviour::Status(StatusCode::SERVICE_UNAVAILABLE, Vec::new());
    let collector = Collector::with(Protocol::Http, busy, true);
    let otlp = builder(&collector, &[]).retry_for(Duration::from_secs(1)).start().unwrap();
    record(&otlp);
    assert!(otlp.flush(PATIENCE).await);
    assert_eq!(otlp.totals(Signal::Logs).dropped_for(DropReason::Expired), 1);
    assert!(collector.requests() >= 2);
    // The next one is tried anew.
    collector.then(Behaviour::Accept);
    record(&otlp);
    assert!(otlp.flush(PATIENCE).await);
    assert_eq!(otlp.totals(Signal::Logs).sent, 1);
}

#[tokio::test]
async fn a_signal_that_is_stuck_does_not_hold_up_another() {
    let stuck = Collector::with(Protocol::Http, Behaviour::Hang, true);
    let collector = Collector::start(Protocol::Http);
    let own = format!("{}/v1/logs", stuck.url());
    let variables = [("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", own.as_str())];
    let otlp = builder(&collector, &variables).start().unwrap();
    record(&otlp);
    let mut metrics = hardpoint_observability::Metrics::builder();
    let unit = hardpoint_observability::metrics::Unit::NONE;
    metrics.counter("orders_total", unit, "Orders.").increment();
    otlp.metrics(&metrics.build().unwrap());
    assert!(!otlp.flush(Duration::from_millis(500)).await, "log records wait");
    collector.wait_for_requests(1).await;
    assert!(collector.received(|received| received.metrics.iter().any(|one| one.name == "orders")));
    assert!(!otlp.shutdown(Duration::from_millis(100)).await);
    assert_eq!(otlp.totals(Signal::Logs).dropped_for(DropReason::Shutdown), 1);
}
