//! The metrics of requests, recorded where the access line is written.

use std::{fmt::Write as _, process::Command, sync::Arc, time::Duration};

use hardpoint_core::{
    ClientResolver, Family, Head, Identity, Outcome, Problem, Refusals, RequestContext, Route,
    Telemetry, Time, TrustedProxies,
};
use hardpoint_observability::{Metrics, RecordLayer};
use hardpoint_testkit::{TestBody, contract, spy::SpyError};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tracing::subscriber::NoSubscriber;

use crate::{
    harness::{Harness, get},
    metrics::{OPEN, scrape, scrape_as, value},
};

/// A record layer that reports, and the metrics.
fn metered() -> (Harness, Metrics) {
    let mut builder = Metrics::builder();
    let telemetry = builder.telemetry();
    (Harness::with(RecordLayer::new().telemetry(&telemetry), "info"), builder.build().unwrap())
}

/// The samples of a metric, without the series that the other requests of a test have.
fn counts(metrics: &Metrics) -> Vec<String> {
    let text = scrape(metrics);
    let lines = text.lines();
    lines
        .filter_map(|line| line.strip_prefix("http_server_request_duration_seconds_count"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn the_duration_is_that_of_the_access_line_and_sizes_are_those_of_the_bodies() {
    let (harness, metrics) = metered();
    let twin = harness.clock.clone();
    harness.spy.respond(move |_| {
        twin.advance(Duration::from_millis(20));
        Ok(Response::new(TestBody::from("hello")))
    });
    let mut request = get("/orders/7?token=secret");
    *request.method_mut() = Method::POST;
    *request.body_mut() = TestBody::from("abc");
    request.extensions_mut().insert(Route::from_static("/orders/{id}"));
    let response = harness.call(request).await.unwrap();
    harness.advance(10);
    assert_eq!(counts(&metrics), [""; 0], "not before the end");
    response.into_body().collect().await.unwrap();
    assert_eq!(harness.access()["duration_ms"], 30.0);

    let text = scrape(&metrics);
    let labels = "http_request_method=\"POST\",url_scheme=\"http\",http_route=\"/orders/{id}\",\
                  http_response_status_code=\"200\"";
    for (name, expected) in [
        ("http_server_request_duration_seconds_sum", "0.03"),
        ("http_server_request_duration_seconds_count", "1"),
        ("http_server_request_body_size_bytes_sum", "3"),
        ("http_server_request_body_size_bytes_count", "1"),
        ("http_server_response_body_size_bytes_sum", "5"),
    ] {
        assert_eq!(value(&text, &format!("{name}{{{labels}}}")), Some(expected), "{text}");
    }
    let bucket = |bound| {
        let name = "http_server_request_duration_seconds_bucket";
        value(&text, &format!("{name}{{{labels},le=\"{bound}\"}}"))
    };
    assert_eq!((bucket("0.025"), bucket("0.05")), (Some("0"), Some("1")));
    assert!(!text.contains("secret"));
    let trace = harness.access()["trace_id"].as_str().unwrap().to_owned();
    let exemplar = format!("# {{trace_id=\"{trace}\"}} 0.03 ");
    assert!(scrape_as(&metrics, OPEN).contains(&exemplar));
}

#[tokio::test]
async fn requests_in_flight_are_counted_until_their_body_has_ended_however_it_ends() {
    let (harness, metrics) = metered();
    let sample = "http_server_active_requests{http_request_method=\"GET\",url_scheme=\"http\"}";
    let active = || value(&scrape(&metrics), sample).map(str::to_owned);
    harness.body(TestBody::from("x"));
    let response = harness.call(get("/")).await.unwrap();
    assert_eq!(active().as_deref(), Some("1"));
    response.into_body().collect().await.unwrap();
    assert_eq!(active().as_deref(), Some("0"));
    drop(harness.call(get("/")).await.unwrap());
    assert_eq!(active().as_deref(), Some("0"), "aborted");
    harness.spy.hold();
    let mut future = Box::pin(harness.call(get("/")));
    assert!(futures_poll(&mut future).await);
    assert_eq!(active().as_deref(), Some("1"));
    drop(future);
    assert_eq!(active().as_deref(), Some("0"), "cancelled");
    let same = "http_request_method=\"GET\",url_scheme=\"http\",http_route=\"unmatched\"";
    let counted = counts(&metrics);
    assert_eq!(
        counted,
        [
            format!("{{{same},http_response_status_code=\"200\"}} 1"),
            format!("{{{same},http_response_status_code=\"200\",error_type=\"aborted\"}} 1"),
            format!("{{{same},error_type=\"cancelled\"}} 1"),
        ]
    );
}

/// Polls once. Returns whether it is pending.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())
    })
    .await
}

#[tokio::test]
async fn the_error_type_tells_a_failure_from_a_refusal() {
    for (status, outcome, expected) in [
        (StatusCode::NOT_FOUND, None, "404\""),
        (StatusCode::INTERNAL_SERVER_ERROR, None, "500\",error_type=\"500\""),
        (StatusCode::TOO_MANY_REQUESTS, Some(Outcome::Rejected), "429\""),
        (StatusCode::SERVICE_UNAVAILABLE, Some(Outcome::Shed), "503\",error_type=\"shed\""),
        (StatusCode::GATEWAY_TIMEOUT, Some(Outcome::TimedOut), "504\",error_type=\"timed_out\""),
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            Some(Outcome::Panicked),
            "500\",error_type=\"panicked\"",
        ),
    ] {
        let (harness, metrics) = metered();
        harness.spy.respond(move |parts| {
            let Some(outcome) = outcome else {
                let mut response = Response::new(TestBody::default());
                *response.status_mut() = status;
                return Ok(response);
            };
            let problem = Problem::from_status(status).outcome(outcome);
            let refusals = Refusals::new();
            let facts = refusals.facts(Head::from_parts(parts));
            Ok(refusals.refuse::<TestBody>(&facts, &problem).map(|_| TestBody::default()))
        });
        harness.exchange(get("/")).await.unwrap();
        let counted = counts(&metrics).remove(0);
        assert!(counted.contains(&format!("status_code=\"{expected}}} 1")), "{counted}");
    }
    let (harness, metrics) = metered();
    harness.spy.respond(|_| Err(SpyError::new(4)));
    assert!(harness.exchange(get("/")).await.is_err());
    assert!(counts(&metrics).remove(0).contains("unmatched\",error_type=\"failed\"} 1"));
}

#[tokio::test]
async fn the_scheme_is_the_client_s_and_nothing_of_the_client_is_a_label() {
    let (harness, metrics) = metered();
    let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
    let resolver = ClientResolver::new(proxies, Family::XForwarded);
    let mut request = get("/");
    let headers = request.headers_mut();
    headers.insert("x-forwarded-for", "203.0.113.9".parse().unwrap());
    headers.insert("x-forwarded-proto", "https".parse().unwrap());
    headers.insert("x-forwarded-host", "canary.example".parse().unwrap());
    let client = resolver.resolve(Some("10.0.0.1".parse().unwrap()), request.headers());
    let context = RequestContext::ensure(request.extensions_mut(), &Time::manual(&harness.clock));
    context.set_client(client);
    context.set_identity(Identity::from_subject("canary-subject"));
    harness.exchange(request).await.unwrap();
    let text = scrape_as(&metrics, OPEN);
    assert!(text.contains("url_scheme=\"https\""), "{text}");
    for canary in ["canary", "203.0.113.9", "10.0.0.1"] {
        assert!(!text.contains(canary), "{canary}");
    }
}

#[tokio::test]
async fn a_layer_s_own_telemetry_wins_over_the_stack_s() {
    use hardpoint_core::StackLayer;
    use tower::ServiceExt;
    use tower_layer::Layer;

    let (own, stack) = (Metrics::builder(), Metrics::builder());
    let mut builders = [own, stack];
    let telemetries: Vec<Telemetry> = builders.iter_mut().map(|b| b.telemetry()).collect();
    let layer = RecordLayer::new().telemetry(&telemetries[0]);
    let layer = StackLayer::telemetry(layer, &telemetries[1]);
    let inherited = StackLayer::telemetry(RecordLayer::new(), &telemetries[1]);
    let [own, stack] = builders.map(|builder| builder.build().unwrap());
    let (spy, _) = hardpoint_testkit::spy::Spy::new();
    drop(layer.layer(spy.clone()).oneshot(get("/")).await);
    assert_eq!((counts(&own).len(), counts(&stack).len()), (1, 0));
    drop(inherited.layer(spy).oneshot(get("/")).await);
    assert_eq!((counts(&own).len(), counts(&stack).len()), (1, 1));
}

#[test]
fn recording_allocates_nothing_once_its_series_is_known() {
    let mut builder = Metrics::builder();
    let telemetry = builder.telemetry();
    let layer = RecordLayer::new().telemetry(&telemetry);
    let request = || {
        let mut request = get("/");
        request.extensions_mut().insert(Route::from_static("/notes/{id}"));
        request
    };
    tracing::subscriber::with_default(NoSubscriber::default(), || {
        // The request's id, as without metrics.
        contract::allocations("record, metered", &layer, request).assert_layer(1);
    });
    let metrics = builder.build().unwrap();
    assert!(counts(&metrics)[0].contains("/notes/{id}"));
}

const MILLION: u64 = 1_000_000;

/// What an attacker can vary, through the layer, and the worst a route could become. In a program of
/// its own: its memory is what is measured.
#[test]
#[ignore = "a program of its own, started by the next test"]
fn flooded_program() {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let mut builder = Metrics::builder();
    let telemetry = builder.telemetry();
    let metrics = builder.build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (spy, _) = hardpoint_testkit::spy::Spy::silent();
    let service = tower_layer::Layer::layer(&RecordLayer::new().telemetry(&telemetry), spy);
    let attack = |number: u64| {
        let mut request = Request::new(TestBody::default());
        *request.method_mut() = Method::from_bytes(format!("M{number}").as_bytes()).unwrap();
        *request.uri_mut() = format!("http://h{number}.example/{number}?{number}").parse().unwrap();
        let mut headers = HeaderMap::new();
        for name in ["host", "user-agent", "x-request-id", "traceparent", "x-forwarded-host"] {
            headers.insert(name, format!("{number}").parse().unwrap());
        }
        *request.headers_mut() = headers;
        drop(runtime.block_on(tower::ServiceExt::oneshot(service.clone(), request)));
    };
    // A router that lets clients choose the route, unlike every router in this workspace.
    let chosen = |number: u64| {
        let mut route = String::new();
        let _written = write!(route, "/{number}/{number:064}");
        let mut request = get("/");
        request.extensions_mut().insert(Route::from(route));
        drop(runtime.block_on(tower::ServiceExt::oneshot(service.clone(), request)));
    };
    (0..20_000).for_each(attack);
    (0..20_000).for_each(chosen);
    let before = resident();
    (0..MILLION / 2).for_each(attack);
    (0..MILLION / 2).for_each(chosen);
    let grown = resident().saturating_sub(before);
    let text = scrape(&metrics);
    let series = text
        .lines()
        .filter(|l| l.starts_with("http_server_request_duration_seconds_count"))
        .count();
    let overflow =
        "hardpoint_metrics_overflow_total{metric=\"http_server_request_duration_seconds\"}";
    let overflowed = value(&text, overflow).unwrap();
    println!("flood: {series} series, {grown} KiB grown, {overflowed} overflowed");
}

#[test]
#[cfg(target_os = "linux")]
fn a_million_hostile_requests_neither_add_series_nor_memory() {
    let itself = std::env::current_exe().unwrap();
    let output = Command::new(itself)
        .args(["--ignored", "--exact", "metrics_http::flooded_program", "--nocapture"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    let line = text.lines().find(|line| line.starts_with("flood: ")).unwrap();
    println!("{line}");
    let numbers: Vec<u64> = line
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect();
    let [series, grown, overflowed] = numbers[..] else { panic!("{line}") };
    // 2000, the overflow series included beside them.
    assert_eq!(series, 2001);
    assert!(overflowed >= MILLION / 2, "{overflowed}");
    assert!(grown < 4 * 1024, "{grown} KiB");
}

#[tokio::test]
async fn unknown_methods_and_unmatched_routes_are_one_series() {
    let (harness, metrics) = metered();
    let harness = Arc::new(harness);
    for number in 0..50 {
        let mut request = get(&format!("/{number}"));
        *request.method_mut() = Method::from_bytes(format!("M{number}").as_bytes()).unwrap();
        harness.exchange(request).await.unwrap();
    }
    let labels = "http_request_method=\"_OTHER\",url_scheme=\"http\",http_route=\"unmatched\"";
    assert_eq!(counts(&metrics), [format!("{{{labels},http_response_status_code=\"200\"}} 50")]);
}
