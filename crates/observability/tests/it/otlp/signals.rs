//! What arrives at a collector: all three signals over both transports.

use std::{collections::BTreeMap, time::Duration};

use hardpoint_core::{ClientResolver, Peer, RequestContext, Route, Time};
use hardpoint_observability::{
    Logs, Metrics, RecordLayer,
    metrics::{Bounds, Unit},
    otlp::{DropReason, Signal},
};
use hardpoint_testkit::{TestBody, spy::Spy};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use opentelemetry_proto::tonic::{
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::{Metric, metric::Data, number_data_point},
    trace::v1::Span,
};
use tower::ServiceExt as _;
use tower_layer::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;

use super::{
    PATIENCE, builder,
    collector::{Behaviour, Collector, Protocol},
    start,
};

/// Sends a request through a record layer with this exporter.
async fn request(
    layer: RecordLayer,
    request: Request<TestBody>,
    status: StatusCode,
) -> http::HeaderMap {
    let (spy, handle) = Spy::new();
    handle.respond(move |_| {
        let mut response = Response::new(TestBody::from("hello"));
        *response.status_mut() = status;
        Ok(response)
    });
    let response = layer.layer(spy).oneshot(request).await.unwrap();
    let _read = response.into_body().collect().await.unwrap();
    handle.seen().pop().expect("one request").headers
}

fn get(path: &str) -> Request<TestBody> {
    let mut request = Request::get(path).body(TestBody::default()).unwrap();
    request.extensions_mut().insert(Route::from_static("/notes/{id}"));
    request
}

pub(super) fn pairs(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref().unwrap().value.as_ref().unwrap() {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(value) => value.to_string(),
        Value::DoubleValue(value) => value.to_string(),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn all_signals_arrive_over_both_transports_with_and_without_gzip() {
    for protocol in Protocol::BOTH {
        for gzip in ["none", "gzip"] {
            let collector = Collector::start(protocol);
            let variables = [
                ("OTEL_EXPORTER_OTLP_COMPRESSION", gzip),
                ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=blue%20team"),
                ("OTEL_RESOURCE_ATTRIBUTES", "team=a"),
            ];
            let otlp = builder(&collector, &variables).version("1.4.2").start().unwrap();
            let mut metrics = Metrics::builder();
            let telemetry = metrics.telemetry();
            metrics.otlp(&otlp);
            let orders = metrics.counter("orders_total", Unit::NONE, "Orders.");
            let metrics = metrics.build().unwrap();
            otlp.metrics(&metrics);
            orders.add(3);
            let logs = Logs::json("orders").otlp(&otlp).layer(std::io::sink).unwrap();
            let subscriber = tracing_subscriber::registry().with(logs);
            let guard = tracing::subscriber::set_default(subscriber);
            let layer = RecordLayer::new().otlp(&otlp).telemetry(&telemetry);
            request(layer, get("/notes/7"), StatusCode::OK).await;
            drop(guard);
            assert!(otlp.flush(PATIENCE).await);

            collector.received(|received| {
                let [span] = received.spans.as_slice() else { panic!("{:?}", received.spans) };
                assert_eq!(span.name, "GET /notes/{id}");
                let [line] = received.logs.as_slice() else { panic!("{:?}", received.logs) };
                assert_eq!(line.trace_id, span.trace_id, "the access line belongs to the span");
                assert_eq!(line.span_id, span.span_id);
                let orders = metric(&received.metrics, "orders");
                assert_eq!(sum(orders), 3.0);
                let duration = metric(&received.metrics, "http.server.request.duration");
                assert_eq!(duration.unit, "s");
                for resource in &received.resources {
                    let pairs = pairs(&resource.attributes);
                    for (key, value) in [
                        ("service.name", "orders"),
                        ("service.version", "1.4.2"),
                        ("team", "a"),
                        ("telemetry.sdk.name", "hardpoint"),
                    ] {
                        assert_eq!(pairs[key], value);
                    }
                    assert_eq!(pairs["service.instance.id"].len(), 36);
                }
                for headers in &received.headers {
                    assert_eq!(headers["x-tenant"], "blue team");
                }
            });
            for signal in [Signal::Logs, Signal::Metrics, Signal::Traces] {
                let totals = otlp.totals(signal);
                assert!(totals.recorded > 0, "{signal:?}");
                assert_eq!((totals.sent, totals.dropped()), (totals.recorded, 0), "{signal:?}");
            }
            assert!(otlp.shutdown(PATIENCE).await);
        }
    }
}

fn metric<'m>(metrics: &'m [Metric], name: &str) -> &'m Metric {
    let found = metrics.iter().find(|metric| metric.name == name);
    found.unwrap_or_else(|| panic!("{name} in {:?}", metrics.iter().map(|m| &m.name)))
}

fn sum(metric: &Metric) -> f64 {
    let points = match metric.data.as_ref().unwrap() {
        Data::Sum(sum) => &sum.data_points,
        Data::Gauge(gauge) => &gauge.data_points,
        other => panic!("{other:?}"),
    };
    let value = |value: &Option<number_data_point::Value>| match value.as_ref().unwrap() {
        number_data_point::Value::AsDouble(value) => *value,
        number_data_point::Value::AsInt(value) => *value as f64,
    };
    points.iter().map(|point| value(&point.value)).sum()
}

#[tokio::test]
async fn a_span_continues_the_trace_of_a_trusted_caller_and_the_handler_continues_the_span() {
    let collector = Collector::start(Protocol::Http);
    let otlp = start(&collector, &[]);
    let mut with_parent = get("/notes/alice@example.org?secret=x");
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    with_parent.headers_mut().insert("traceparent", parent.parse().unwrap());
    with_parent.headers_mut().insert("tracestate", "a=1".parse().unwrap());
    with_parent.extensions_mut().insert(Peer::new(([10, 0, 0, 1], 80).into()));
    let client =
        ClientResolver::direct().resolve(Some([10, 0, 0, 1].into()), with_parent.headers());
    RequestContext::ensure(with_parent.extensions_mut(), &Time::system()).set_client(client);
    let layer = RecordLayer::new().accept_ids().otlp(&otlp);
    let inner = request(layer, with_parent, StatusCode::INTERNAL_SERVER_ERROR).await;
    assert!(otlp.flush(PATIENCE).await);
    let span: Span = collector.received(|received| received.spans[0].clone());
    assert_eq!(hex(&span.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(hex(&span.parent_span_id), "00f067aa0ba902b7");
    let expected = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", hex(&span.span_id));
    assert_eq!(inner["traceparent"], expected);
    assert_eq!(inner["tracestate"], "a=1");
    let attributes = pairs(&span.attributes);
    assert_eq!(attributes["url.path"], "/notes/[redacted:email]");
    assert_eq!(attributes["error.type"], "500");
    assert_eq!(attributes["client.address"], "10.0.0.1");
    assert_eq!(attributes["network.peer.address"], "10.0.0.1");
    let all = format!("{span:?}");
    assert!(!all.contains("secret") && !all.contains("alice"), "{all}");
}

#[tokio::test]
async fn an_unsampled_request_has_no_span_and_its_flag_says_so() {
    let collector = Collector::start(Protocol::Http);
    let sampler = [("OTEL_TRACES_SAMPLER", "parentbased_always_off")];
    let otlp = start(&collector, &sampler);
    let layer = RecordLayer::new().accept_ids().otlp(&otlp);
    let inner = request(layer.clone(), get("/"), StatusCode::OK).await;
    assert!(!inner.contains_key("traceparent"));
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    for (flags, recorded) in [("00", 0), ("01", 1), ("03", 2)] {
        let mut with_parent = get("/");
        let parent = format!("00-{trace}-00f067aa0ba902b7-{flags}");
        with_parent.headers_mut().insert("traceparent", parent.parse().unwrap());
        let inner = request(layer.clone(), with_parent, StatusCode::OK).await;
        assert!(inner["traceparent"].as_bytes().ends_with(flags.as_bytes()), "{inner:?}");
        assert_eq!(otlp.totals(Signal::Traces).recorded, recorded);
    }
    // A sampler that asks no parent corrects the flag.
    let otlp = start(&collector, &[("OTEL_TRACES_SAMPLER", "always_on")]);
    let layer = RecordLayer::new().accept_ids().otlp(&otlp);
    let mut with_parent = get("/");
    let parent = format!("00-{trace}-00f067aa0ba902b7-00");
    with_parent.headers_mut().insert("traceparent", parent.parse().unwrap());
    let inner = request(layer, with_parent, StatusCode::OK).await;
    assert!(inner["traceparent"].as_bytes().ends_with(b"-01"), "{inner:?}");
}

#[tokio::test]
async fn log_records_have_their_fields_redacted() {
    let collector = Collector::start(Protocol::Grpc);
    let otlp = start(&collector, &[]);
    let logs = Logs::json("orders").filter("debug").otlp(&otlp).layer(std::io::sink).unwrap();
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(logs));
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let span =
        tracing::info_span!("request", trace_id = trace, span_id = "00f067aa0ba902b7", order = 1);
    span.in_scope(|| {
        tracing::warn!(
            order = 7,
            total = 12.5,
            paid = true,
            large = u64::MAX,
            password = "hunter2",
            note = "card 4111 1111 1111 1111",
            nothing = None::<u32>,
            "to alice@example.org"
        );
    });
    tracing::debug!("done");
    drop(guard);
    assert!(otlp.flush(PATIENCE).await);
    collector.received(|received| {
        let [warning, done] = received.logs.as_slice() else { panic!("{:?}", received.logs) };
        let body = |record: &opentelemetry_proto::tonic::logs::v1::LogRecord| match record
            .body
            .clone()
            .unwrap()
            .value
            .unwrap()
        {
            Value::StringValue(text) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(body(warning), "to [redacted:email]");
        assert_eq!((warning.severity_text.as_str(), warning.severity_number), ("WARN", 13));
        assert_eq!((done.severity_text.as_str(), done.severity_number), ("DEBUG", 5));
        assert_eq!(hex(&warning.trace_id), trace);
        assert_eq!(hex(&warning.span_id), "00f067aa0ba902b7");
        assert_eq!(warning.flags, 1);
        assert!(done.trace_id.is_empty() && done.flags == 0);
        assert!(warning.time_unix_nano > 1_700_000_000_000_000_000);
        let attributes = pairs(&warning.attributes);
        let attributes: Vec<_> =
            attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(
            attributes,
            [
                ("large", "18446744073709551615"),
                ("note", "card [redacted:card]"),
                ("order", "7"),
                ("paid", "true"),
                ("password", "[redacted]"),
                ("target", module_path!()),
                ("total", "12.5"),
            ]
        );
    });
}

#[tokio::test]
async fn metrics_of_every_kind_arrive_cumulative_with_exemplars() {
    let collector = Collector::start(Protocol::Http);
    let otlp = start(&collector, &[]);
    let mut builder = Metrics::builder().max_series(2);
    let orders = builder.counter("orders_total", Unit::NONE, "Orders.");
    let cost = builder.float_counter("cost_dollars_total", Unit::new("dollars"), "Cost.");
    let depth = builder.up_down("queue_depth", Unit::NONE, "Depth.");
    let level = builder.gauge("level_ratio", Unit::RATIO, "Level.");
    let wait = builder.histogram("wait_seconds", Unit::SECONDS, Bounds::new([0.1, 1.0]), "Wait.");
    builder.observed_gauge("answer", Unit::NONE, "Answer.", || 42.0);
    builder.target_info(&[("service_name", "orders")]);
    let metrics = builder.build().unwrap();
    otlp.metrics(&metrics);
    for round in 1..=2_u32 {
        orders.add(2);
        cost.add(0.5);
        depth.add(-3);
        level.set(0.25);
        let trace = hardpoint_core::TraceId::from_bytes([7; 16]).unwrap();
        wait.record_in_trace(0.5, trace);
        wait.record(5.0);
        assert!(otlp.flush(PATIENCE).await);
        collector.received(|received| {
            let last = |name: &str| {
                received.metrics.iter().rev().find(|metric| metric.name == name).unwrap()
            };
            let rounds = f64::from(round);
            let round = u64::from(round);
            assert_eq!(sum(last("orders")), 2.0 * rounds);
            assert_eq!(sum(last("cost_dollars")), 0.5 * rounds);
            assert_eq!(sum(last("queue_depth")), -3.0 * rounds);
            assert_eq!(sum(last("level_ratio")), 0.25);
            assert_eq!(sum(last("answer")), 42.0);
            let Some(Data::Sum(orders)) = &last("orders").data else { panic!() };
            assert!(orders.is_monotonic && orders.aggregation_temporality == 2);
            let Some(Data::Sum(depth)) = &last("queue_depth").data else { panic!() };
            assert!(!depth.is_monotonic && depth.aggregation_temporality == 2);
            let Some(Data::Histogram(wait)) = &last("wait").data else { panic!() };
            assert_eq!((last("wait").unit.as_str(), wait.aggregation_temporality), ("s", 2));
            let point = &wait.data_points[0];
            assert_eq!((point.count, point.sum), (2 * round, Some(5.5 * rounds)));
            assert_eq!(point.bucket_counts, [0, round, round]);
            assert_eq!(point.explicit_bounds, [0.1, 1.0]);
            assert!(
                0 < point.start_time_unix_nano && point.start_time_unix_nano < point.time_unix_nano
            );
            assert_eq!(point.exemplars.len(), 1);
            assert_eq!(point.exemplars[0].trace_id, [7; 16]);
            assert!(received.metrics.iter().all(|metric| metric.name != "target_info"));
        });
    }
}

#[tokio::test]
async fn many_series_are_cut_into_requests_that_collectors_accept() {
    struct Number(u32);
    impl hardpoint_observability::metrics::Labels for Number {
        const NAMES: &'static [&'static str] = &["number"];
        fn values(&self, add: &mut dyn FnMut(&str)) {
            add(&self.0.to_string());
        }
    }
    let collector = Collector::start(Protocol::Grpc);
    let otlp = start(&collector, &[]);
    let mut builder = Metrics::builder().max_series(10_000);
    let waits = builder.histogram_family("wait_seconds", Unit::SECONDS, Bounds::SECONDS, "Wait.");
    for number in 0..10_050 {
        waits.with(&Number(number)).record(1.0);
    }
    let metrics = builder.build().unwrap();
    otlp.metrics(&metrics);
    assert!(otlp.flush(PATIENCE).await);
    collector.received(|received| {
        let points = received.metrics.iter().filter(|metric| metric.name == "wait");
        let points: Vec<_> = points
            .flat_map(|metric| match &metric.data {
                Some(Data::Histogram(histogram)) => &histogram.data_points,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(points.len(), 10_001);
        assert_eq!(points.iter().map(|point| point.count).sum::<u64>(), 10_050);
        let overflow = points.last().unwrap();
        assert_eq!(pairs(&overflow.attributes)["otel.metric.overflow"], "true");
    });
    assert!(collector.requests() >= 4, "{}", collector.requests());
    let totals = otlp.totals(Signal::Metrics);
    assert_eq!(totals.sent, totals.recorded);
}

#[tokio::test]
async fn counts_are_metrics_by_signal_and_reason() {
    let collector = Collector::start(Protocol::Grpc);
    // The first batch may have one span only.
    collector.script([Behaviour::Partial(1)]);
    let otlp = start(&collector, &[]);
    let mut builder = Metrics::builder();
    builder.otlp(&otlp);
    let metrics = builder.build().unwrap();
    for _ in 0..5 {
        request(RecordLayer::new().otlp(&otlp), get("/"), StatusCode::OK).await;
    }
    assert!(otlp.flush(PATIENCE).await);
    let totals = otlp.totals(Signal::Traces);
    assert_eq!((totals.recorded, totals.sent), (5, 4));
    assert_eq!(totals.dropped_for(DropReason::Rejected), 1);
    let text = crate::metrics::scrape(&metrics);
    for line in [
        "hardpoint_otlp_dropped_total{signal=\"traces\",reason=\"rejected\"} 1",
        "hardpoint_otlp_dropped_total{signal=\"logs\",reason=\"queue_full\"} 0",
        "hardpoint_otlp_sent_total{signal=\"traces\"} 4",
        "hardpoint_otlp_queued_bytes{signal=\"traces\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

#[tokio::test]
async fn records_wait_for_others_but_not_longer_than_their_delay() {
    let collector = Collector::start(Protocol::Http);
    let otlp = start(&collector, &[("OTEL_BSP_SCHEDULE_DELAY", "50")]);
    for _ in 0..3 {
        request(RecordLayer::new().otlp(&otlp), get("/"), StatusCode::OK).await;
    }
    collector.wait_for_requests(1).await;
    let full = builder(&collector, &[("OTEL_BSP_SCHEDULE_DELAY", "3600000")]).batch_bytes(1000);
    let full = full.start().unwrap();
    let before = collector.requests();
    while full.totals(Signal::Traces).recorded < 20 {
        request(RecordLayer::new().otlp(&full), get("/"), StatusCode::OK).await;
    }
    // A full batch does not wait.
    collector.wait_for_requests(before + 1).await;
    assert!(
        otlp.shutdown(Duration::from_secs(5)).await && full.shutdown(Duration::from_secs(5)).await
    );
}

#[tokio::test]
async fn spans_inside_a_sampled_request_are_its_children_if_their_target_was_chosen() {
    let collector = Collector::start(Protocol::Http);
    let otlp = builder(&collector, &[]).span_targets([module_path!()]).start().unwrap();
    let logs = Logs::json("orders").otlp(&otlp).layer(std::io::sink).unwrap();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(logs));
    let handler = || {
        let outer = tracing::info_span!("load", order = 7, password = "hunter2");
        outer.in_scope(|| {
            tracing::info_span!(target: "other", "not chosen").in_scope(|| {
                tracing::info_span!("query").in_scope(|| tracing::error!("disk full"));
            });
            tracing::debug_span!("filtered out").in_scope(|| ());
        });
    };
    let run = async |layer: RecordLayer| {
        let inner = tower::service_fn(async |_: Request<TestBody>| {
            handler();
            Ok::<_, std::convert::Infallible>(Response::new(TestBody::from("hello")))
        });
        let response = layer.layer(inner).oneshot(get("/")).await.unwrap();
        let _read = response.into_body().collect().await.unwrap();
    };
    handler();
    run(RecordLayer::new()).await;
    run(RecordLayer::new().otlp(&otlp)).await;
    assert!(otlp.flush(PATIENCE).await);
    collector.received(|received| {
        assert_eq!(received.spans.len(), 3, "{:#?}", received.spans);
        let span = |name: &str| received.spans.iter().find(|span| span.name == name).unwrap();
        let (root, load, query) = (span("GET /notes/{id}"), span("load"), span("query"));
        assert_eq!((&load.parent_span_id, &query.parent_span_id), (&root.span_id, &load.span_id));
        assert!(received.spans.iter().all(|span| span.trace_id == root.trace_id));
        assert_eq!((load.kind, query.kind, load.flags), (1, 1, 0x101));
        let attributes = pairs(&load.attributes);
        assert_eq!(
            (attributes["order"].as_str(), attributes["password"].as_str()),
            ("7", "[redacted]")
        );
        assert!(load.status.is_none(), "the error was logged in the inner one");
        assert_eq!(query.status.as_ref().unwrap().code, 2);
        assert!(load.start_time_unix_nano <= query.start_time_unix_nano);
        assert!(query.end_time_unix_nano <= load.end_time_unix_nano);
        // The record belongs to the span that it was logged in.
        let in_query = received.logs.iter().filter(|record| record.span_id == query.span_id);
        assert_eq!(in_query.count(), 1);
    });
}
