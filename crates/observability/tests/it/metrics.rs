//! Metrics from outside: a scrape shows the recorded values.

use std::{
    sync::mpsc,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use bytes::Bytes;
use hardpoint_core::{ManualClock, TraceId};
use hardpoint_observability::{
    Metrics, MetricsBuilder,
    metrics::{Bounds, Counter, Family, Labels, MetricsService, Mistake, Unit},
};
use http::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{ACCEPT, ALLOW, CONTENT_TYPE},
};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use tower::ServiceExt;

pub(crate) const OPEN: &str = "application/openmetrics-text";

/// The exposition in one format, in full.
pub(crate) fn scrape_as(metrics: &Metrics, accept: &str) -> String {
    let request = Request::get("/metrics").header(ACCEPT, accept);
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    at_once(async {
        let response = metrics.service().oneshot(request).await.unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    })
}

/// The exposition as Prometheus text.
pub(crate) fn scrape(metrics: &Metrics) -> String {
    scrape_as(metrics, "text/plain")
}

/// The value of the sample with this name and these labels, as it is written.
pub(crate) fn value<'t>(text: &'t str, sample: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))
}

/// A scrape never waits, so that one poll is enough.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("a scrape waits"),
    }
}

struct Tenant(String);

impl Labels for Tenant {
    const NAMES: &'static [&'static str] = &["tenant"];

    fn values(&self, add: &mut dyn FnMut(&str)) {
        add(&self.0);
    }
}

fn tenants(metrics: &mut MetricsBuilder) -> Family<Tenant, Counter> {
    metrics.counter_family("calls_total", Unit::NONE, "Calls by tenant.")
}

#[test]
fn every_kind_is_written_as_both_formats_want_it() {
    let mut builder = Metrics::builder();
    let orders = builder.counter("orders_total", Unit::NONE, "Orders \"placed\"\nso far.");
    let cost = builder.float_counter("cost_dollars_total", Unit::new("dollars"), "Cost.");
    let level = builder.gauge("level_ratio", Unit::RATIO, "Level.");
    let waiting = builder.up_down("waiting", Unit::NONE, "Waiting.");
    let bounds = Bounds::new([0.5, 1.0]);
    let wait = builder.histogram("wait_seconds", Unit::SECONDS, bounds, "Wait.");
    builder.observed_gauge("depth", Unit::NONE, "Depth.", || 7.0);
    builder.target_info(&[("service_name", "or\\d\"e\nrs"), ("service_version", "1")]);
    let metrics = builder.build().unwrap();
    orders.add(2);
    cost.add(0.25);
    level.set(-0.5);
    waiting.add(-3);
    wait.record(0.5);
    wait.record_duration(Duration::from_secs(3));

    let text = "\
# HELP cost_dollars_total Cost.
# TYPE cost_dollars_total counter
cost_dollars_total 0.25
# HELP depth Depth.
# TYPE depth gauge
depth 7
# HELP hardpoint_metrics_overflow_total Look-ups of a series that did not fit and took the overflow series.
# TYPE hardpoint_metrics_overflow_total counter
# HELP hardpoint_metrics_refused_total Values that are not amounts: negative, infinite or not numbers.
# TYPE hardpoint_metrics_refused_total counter
hardpoint_metrics_refused_total{metric=\"cost_dollars_total\"} 0
hardpoint_metrics_refused_total{metric=\"level_ratio\"} 0
hardpoint_metrics_refused_total{metric=\"wait_seconds\"} 0
# HELP level_ratio Level.
# TYPE level_ratio gauge
level_ratio -0.5
# HELP orders_total Orders \"placed\"\\nso far.
# TYPE orders_total counter
orders_total 2
# HELP target_info The build and deployment that these metrics are of.
# TYPE target_info gauge
target_info{service_name=\"or\\\\d\\\"e\\nrs\",service_version=\"1\"} 1
# HELP wait_seconds Wait.
# TYPE wait_seconds histogram
wait_seconds_bucket{le=\"0.5\"} 1
wait_seconds_bucket{le=\"1.0\"} 1
wait_seconds_bucket{le=\"+Inf\"} 2
wait_seconds_sum 3.5
wait_seconds_count 2
# HELP waiting Waiting.
# TYPE waiting gauge
waiting -3
";
    assert_eq!(scrape(&metrics), text);
    let open = text
        .replace("\"placed\"", "\\\"placed\\\"")
        .replace("cost_dollars_total Cost", "cost_dollars Cost")
        .replace(
            "TYPE cost_dollars_total counter",
            "TYPE cost_dollars counter\n# UNIT cost_dollars dollars",
        )
        .replace("TYPE level_ratio gauge", "TYPE level_ratio gauge\n# UNIT level_ratio ratio")
        .replace("wait_seconds histogram", "wait_seconds histogram\n# UNIT wait_seconds seconds")
        .replace("orders_total Orders", "orders Orders")
        .replace("orders_total counter", "orders counter")
        .replace("HELP target_info", "HELP target")
        .replace("TYPE target_info gauge", "TYPE target info")
        .replace("overflow_total Look", "overflow Look")
        .replace("overflow_total counter", "overflow counter")
        .replace("refused_total Values", "refused Values")
        .replace("refused_total counter", "refused counter");
    assert_eq!(scrape_as(&metrics, OPEN), open + "# EOF\n");
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let mut builder = Metrics::builder();
    let _first = builder.counter("orders_total", Unit::NONE, "Orders.");
    let _twice = builder.counter("orders_total", Unit::NONE, "Orders.");
    let _suffix = builder.gauge("wait", Unit::SECONDS, "Wait.");
    let _name = builder.counter("1_total", Unit::NONE, "One.");
    let _help = builder.gauge("depth", Unit::NONE, " ");
    let none = Bounds::new(Vec::new());
    let _bounds = builder.histogram("size_bytes", Unit::BYTES, none, "Size.");
    builder.target_info(&[("a", "1"), ("a", "2"), ("le", "3")]);
    let error = builder.build().unwrap_err();
    let kinds: Vec<&str> = error
        .mistakes()
        .iter()
        .map(|mistake| match mistake {
            Mistake::Bounds { .. } => "bounds",
            Mistake::Duplicate { .. } => "duplicate",
            Mistake::Help { .. } => "help",
            Mistake::Label { .. } => "label",
            Mistake::Name { .. } => "name",
            Mistake::Suffix { .. } => "suffix",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["suffix", "name", "help", "bounds", "label", "label", "duplicate"]);
    let text = error.to_string();
    assert!(text.contains("`orders_total`; declare it once"), "{text}");
}

#[test]
fn the_values_of_threads_are_added_up_also_after_they_have_ended() {
    let mut builder = Metrics::builder();
    let counter = builder.counter("events_total", Unit::NONE, "Events.");
    let wait = builder.histogram("wait_seconds", Unit::SECONDS, Bounds::SECONDS, "Wait.");
    let metrics = builder.build().unwrap();
    let (ready, go_on) = (mpsc::channel::<()>(), mpsc::channel::<()>());
    let lasting = {
        let (counter, ready) = (counter.clone(), ready.0);
        thread::spawn(move || {
            counter.add(5);
            ready.send(()).unwrap();
            go_on.1.recv().unwrap();
        })
    };
    ready.1.recv().unwrap();
    for _ in 0..20 {
        let (counter, wait) = (counter.clone(), wait.clone());
        thread::spawn(move || {
            counter.add(10);
            wait.record(0.5);
        })
        .join()
        .unwrap();
    }
    assert_eq!(value(&scrape(&metrics), "events_total"), Some("205"));
    go_on.0.send(()).unwrap();
    lasting.join().unwrap();
    let text = scrape(&metrics);
    assert_eq!(value(&text, "events_total"), Some("205"));
    assert_eq!(value(&text, "wait_seconds_sum"), Some("10"));
    assert_eq!(value(&text, "wait_seconds_count"), Some("20"));
}

#[test]
fn a_value_that_a_thread_records_while_it_ends_is_kept() {
    thread_local! {
        static LAST: std::cell::RefCell<Option<AtEnd>> = const { std::cell::RefCell::new(None) };
    }
    struct AtEnd(Counter);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            self.0.add(100);
        }
    }
    let mut builder = Metrics::builder();
    let counter = builder.counter("events_total", Unit::NONE, "Events.");
    let metrics = builder.build().unwrap();
    let twin = counter.clone();
    thread::spawn(move || {
        // Whichever of both is dropped first: once in each order.
        LAST.set(Some(AtEnd(twin.clone())));
        twin.increment();
    })
    .join()
    .unwrap();
    thread::spawn(move || {
        counter.increment();
        LAST.set(Some(AtEnd(counter)));
    })
    .join()
    .unwrap();
    assert_eq!(value(&scrape(&metrics), "events_total"), Some("202"));
}

#[test]
fn concurrent_scrapes_see_a_counter_that_only_grows_and_in_the_end_everything() {
    let mut builder = Metrics::builder();
    let counter = builder.counter("events_total", Unit::NONE, "Events.");
    let metrics = builder.build().unwrap();
    let total = || value(&scrape(&metrics), "events_total").unwrap().parse::<u64>().unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            // Threads that come and go, while others scrape.
            scope.spawn(|| {
                for _ in 0..50 {
                    thread::scope(|inner| {
                        inner.spawn(|| (0..100).for_each(|_| counter.increment()));
                    });
                }
            });
        }
        let mut last = 0;
        for _ in 0..200 {
            let now = total();
            assert!(last <= now && now <= 20_000, "{last} {now}");
            last = now;
        }
    });
    assert_eq!(total(), 20_000);
}

#[test]
fn what_does_not_fit_is_recorded_in_one_series_and_counted() {
    let mut builder = Metrics::builder().max_series(3);
    let calls = tenants(&mut builder);
    let metrics = builder.build().unwrap();
    for round in 0..2 {
        for tenant in 0..10 {
            calls.with(&Tenant(format!("t{tenant}"))).increment();
        }
        let text = scrape(&metrics);
        let series = text.lines().filter(|line| line.starts_with("calls_total{")).count();
        assert_eq!(series, 4, "{text}");
        let each = (round + 1).to_string();
        for tenant in 0..3 {
            let sample = format!("calls_total{{tenant=\"t{tenant}\"}}");
            assert_eq!(value(&text, &sample), Some(each.as_str()));
        }
        let rest = (7 * (round + 1)).to_string();
        let overflow = "calls_total{otel_metric_overflow=\"true\"}";
        assert_eq!(value(&text, overflow), Some(rest.as_str()));
        let counted = "hardpoint_metrics_overflow_total{metric=\"calls_total\"}";
        assert_eq!(value(&text, counted), Some(rest.as_str()));
    }
}

#[test]
fn metrics_that_were_dropped_do_not_show_in_those_that_follow() {
    for round in 1..5_u64 {
        let mut builder = Metrics::builder();
        let calls = tenants(&mut builder);
        let metrics = builder.build().unwrap();
        calls.with(&Tenant("a".to_owned())).add(round);
        let text = scrape(&metrics);
        assert_eq!(value(&text, "calls_total{tenant=\"a\"}"), Some(round.to_string().as_str()));
    }
}

#[test]
fn hostile_label_values_stay_inside_their_label() {
    let mut builder = Metrics::builder();
    let calls = tenants(&mut builder);
    let metrics = builder.build().unwrap();
    calls.with(&Tenant("a\"} 1\ncalls_total{tenant=\"b\\".to_owned())).increment();
    calls.with(&Tenant("\u{e9}".repeat(200))).increment();
    calls.with(&Tenant(String::new())).increment();
    let text = scrape(&metrics);
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("calls_total")).collect();
    assert_eq!(
        lines,
        [
            "calls_total{tenant=\"a\\\"} 1\\ncalls_total{tenant=\\\"b\\\\\"} 1",
            &format!("calls_total{{tenant=\"{}\"}} 1", "\u{e9}".repeat(64)),
            "calls_total 1",
        ]
    );
}

#[test]
fn what_is_no_amount_is_refused_and_counted() {
    let mut builder = Metrics::builder();
    let cost = builder.float_counter("cost_total", Unit::NONE, "Cost.");
    let wait = builder.histogram("wait_seconds", Unit::SECONDS, Bounds::SECONDS, "Wait.");
    let level = builder.gauge("level", Unit::NONE, "Level.");
    let metrics = builder.build().unwrap();
    level.set(1.0);
    for wrong in [f64::NAN, -1.0, f64::INFINITY, f64::NEG_INFINITY] {
        cost.add(wrong);
        wait.record(wrong);
    }
    level.set(f64::NAN);
    let text = scrape(&metrics);
    for (sample, expected) in [
        ("cost_total", "0"),
        ("wait_seconds_count", "0"),
        ("wait_seconds_sum", "0"),
        ("level", "1"),
        ("hardpoint_metrics_refused_total{metric=\"cost_total\"}", "4"),
        ("hardpoint_metrics_refused_total{metric=\"wait_seconds\"}", "4"),
        ("hardpoint_metrics_refused_total{metric=\"level\"}", "1"),
    ] {
        assert_eq!(value(&text, sample), Some(expected), "{sample}");
    }
}

#[test]
fn a_value_belongs_to_the_bucket_whose_bound_it_does_not_exceed() {
    let mut builder = Metrics::builder();
    let bounds = Bounds::new([1.0, 2.0, 4.0]);
    let size = builder.histogram("size_bytes", Unit::BYTES, bounds, "Size.");
    let metrics = builder.build().unwrap();
    for recorded in [0.0, 1.0, 1.5, 2.0, 4.0, 4.1] {
        size.record(recorded);
    }
    let text = scrape(&metrics);
    let buckets = ["1.0", "2.0", "4.0", "+Inf"].map(|bound| {
        value(&text, &format!("size_bytes_bucket{{le=\"{bound}\"}}")).unwrap().to_owned()
    });
    assert_eq!(buckets, ["2", "4", "5", "6"]);
}

#[test]
fn an_exemplar_is_shown_by_openmetrics_only() {
    let clock = ManualClock::at_unix(Duration::from_millis(1_800_000_000_500));
    let mut builder = Metrics::builder().time(&clock);
    let bounds = Bounds::new([1.0]);
    let wait = builder.histogram("wait_seconds", Unit::SECONDS, bounds, "Wait.");
    let metrics = builder.build().unwrap();
    wait.record_in_trace(0.5, TraceId::from_bytes([0xab; 16]).unwrap());
    wait.record_in_trace(f64::NAN, TraceId::from_bytes([0xcd; 16]).unwrap());
    let trace = "ab".repeat(16);
    let line = format!(
        "wait_seconds_bucket{{le=\"1.0\"}} 1 # {{trace_id=\"{trace}\"}} 0.5 1800000000.500\n"
    );
    assert!(!scrape(&metrics).contains("trace_id"));
    let open = scrape_as(&metrics, OPEN);
    assert!(open.contains(&line), "{open}");
    wait.record_in_trace(0.25, TraceId::from_bytes([0xef; 16]).unwrap());
    assert!(scrape_as(&metrics, OPEN).contains(&"ef".repeat(16)), "replaced after a scrape");
}

#[test]
fn a_guard_counts_until_it_is_dropped() {
    let mut builder = Metrics::builder();
    let busy = builder.up_down("busy", Unit::NONE, "Busy.");
    let metrics = builder.build().unwrap();
    let guard = busy.guard();
    assert_eq!(value(&scrape(&metrics), "busy"), Some("1"));
    // What one thread adds another takes away.
    thread::spawn(move || drop(guard)).join().unwrap();
    assert_eq!(value(&scrape(&metrics), "busy"), Some("0"));
}

#[test]
fn the_log_s_losses_and_the_process_are_observed() {
    let logs = hardpoint_observability::Logs::json("orders").handle();
    let mut builder = Metrics::builder();
    builder.logs(&logs);
    builder.process();
    let text = scrape(&builder.build().unwrap());
    assert_eq!(value(&text, "hardpoint_log_dropped_total"), Some("0"));
    #[cfg(target_os = "linux")]
    for name in [
        "process_cpu_seconds_total",
        "process_open_fds",
        "process_max_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "process_threads",
        "process_virtual_memory_bytes",
    ] {
        let value: f64 = value(&text, name).expect(name).parse().unwrap();
        assert!(value > 0.0 || name == "process_cpu_seconds_total", "{name} {value}");
    }
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn the_runtime_is_observed() {
    let mut builder = Metrics::builder();
    let handle = tokio::runtime::Handle::current();
    hardpoint_observability::metrics::tokio::runtime(&mut builder, &handle);
    let metrics = builder.build().unwrap();
    let text = thread::spawn(move || scrape(&metrics)).join().unwrap();
    assert_eq!(value(&text, "tokio_workers"), Some("1"));
    for name in ["tokio_alive_tasks", "tokio_global_queue_depth", "tokio_worker_busy_seconds_total"]
    {
        assert!(value(&text, name).is_some(), "{name}\n{text}");
    }
}

async fn call(service: MetricsService, method: Method) -> (StatusCode, HeaderMap, Bytes) {
    let request = Request::builder().method(method).body(Empty::<Bytes>::new()).unwrap();
    let response: Response<_> = service.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn only_get_and_head_are_answered() {
    let service = Metrics::builder().build().unwrap().service();
    let (status, headers, body) = call(service.clone(), Method::HEAD).await;
    assert_eq!((status, body.len()), (StatusCode::OK, 0));
    assert_eq!(headers[CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    let (status, headers, body) = call(service.clone(), Method::POST).await;
    assert_eq!((status, body.len()), (StatusCode::METHOD_NOT_ALLOWED, 0));
    assert_eq!(headers[ALLOW], "GET, HEAD");
    let request = Request::get("/").header(ACCEPT, OPEN).body(Empty::<Bytes>::new()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    let open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(response.headers()[CONTENT_TYPE], open);
}

#[tokio::test]
async fn a_scrape_of_many_series_is_sent_in_small_pieces() {
    let mut builder = Metrics::builder().max_series(10_000);
    let calls = tenants(&mut builder);
    let metrics = builder.build().unwrap();
    for tenant in 0..10_000 {
        calls.with(&Tenant(format!("tenant-{tenant}"))).add(tenant);
    }
    let request = Request::get("/").body(Empty::<Bytes>::new()).unwrap();
    let mut body = metrics.service().oneshot(request).await.unwrap().into_body();
    assert!(!body.is_end_stream());
    let (mut whole, mut largest, mut pieces) = (Vec::new(), 0, 0);
    while let Some(frame) = body.frame().await {
        let piece = frame.unwrap().into_data().unwrap();
        largest = largest.max(piece.len());
        pieces += 1;
        whole.extend_from_slice(&piece);
    }
    assert!(body.is_end_stream());
    println!("{} bytes in {pieces} pieces of at most {largest}", whole.len());
    assert!(largest <= 20 * 1024, "{largest}");
    let text = String::from_utf8(whole).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("calls_total{")).count(), 10_000);
    for tenant in [0, 1, 4_999, 9_999] {
        let sample = format!("calls_total{{tenant=\"tenant-{tenant}\"}}");
        assert_eq!(value(&text, &sample), Some(tenant.to_string().as_str()));
    }
}
