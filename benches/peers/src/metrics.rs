//! Metrics, beside the crates that others record and expose them with.

use std::{fmt::Write as _, time::Duration};

use ::metrics::{Counter as FacadeCounter, with_local_recorder};
use axum_prometheus::PrometheusMetricLayer;
use bytes::Bytes;
use hardpoint::{
    core::{
        Route, Scheme, Telemetry,
        event::{Ending, RequestEnded, RequestStarted},
    },
    observability::{
        Metrics, RecordLayer,
        metrics::{Bounds, Labels, Unit},
    },
};
use hardpoint_bench_harness::{
    exchange::{Pong, exchange},
    measure::{Contender, Plan},
    memory::Resident,
    report::{Contest, Goal},
};
use http::{Method, Request, StatusCode};
use http_body::Body;
use http_body_util::Full;
use metrics_exporter_prometheus::PrometheusBuilder;
use opentelemetry::{
    KeyValue,
    metrics::{Histogram as OtelHistogram, MeterProvider as _, UpDownCounter},
};
use opentelemetry_sdk::metrics::{ManualReader, SdkMeterProvider};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use tower_layer::Layer;
use tower_service::Service;
use tracing::{Dispatch, dispatcher};

use crate::{Named, ratelimit::space::Side};

/// How many hostile requests the flood has.
pub const FLOOD: u32 = 1_000_000;

const SERIES: u32 = 10_000;

pub(crate) fn contests() -> Vec<Named> {
    vec![
        ("counter / prometheus-client", counter),
        ("counter / metrics facade, a handle", counter_facade),
        ("counter / OpenTelemetry SDK", counter_otel),
        ("counter, two threads / prometheus-client", counter_threads),
        ("counter, two threads / ours on one thread", counter_scaling),
        ("histogram / prometheus-client", histogram),
        ("histogram, two threads / prometheus-client", histogram_threads),
        ("four HTTP instruments / prometheus-client", instruments),
        ("four HTTP instruments / OpenTelemetry SDK", instruments_otel),
        ("four HTTP instruments, two threads / ours on one thread", instruments_scaling),
        ("request with HTTP metrics / axum-prometheus", request),
        ("scrape of 10 k series / prometheus-client", scrape),
        ("scrape of 10 k series / metrics-exporter-prometheus", scrape_exporter),
    ]
}

fn our_counter() -> hardpoint::observability::metrics::Counter {
    Metrics::builder().counter("events_total", Unit::NONE, "Events.")
}

fn ours_counts() -> Contender<'static> {
    let counter = our_counter();
    Contender::new(move || counter.increment())
}

fn counter() -> Contest<'static> {
    let peer = Counter::<u64>::default();
    Contest::new(ours_counts(), Contender::new(move || peer.inc())).goal(Goal::Value(3.0))
}

fn counter_facade() -> Contest<'static> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let peer: FacadeCounter =
        with_local_recorder(&recorder, || ::metrics::counter!("events_total"));
    Contest::new(ours_counts(), Contender::new(move || peer.increment(1)))
}

fn provider() -> SdkMeterProvider {
    SdkMeterProvider::builder().with_reader(ManualReader::builder().build()).build()
}

fn counter_otel() -> Contest<'static> {
    let provider = provider();
    let peer = provider.meter("bench").u64_counter("events").build();
    let labels = [KeyValue::new("policy", "client"), KeyValue::new("decision", "allowed")];
    Contest::new(
        ours_counts(),
        Contender::new(move || {
            let _alive = &provider;
            peer.add(1, &labels);
        }),
    )
}

fn counter_threads() -> Contest<'static> {
    let (ours, peer) = (our_counter(), Counter::<u64>::default());
    Contest::new(
        Contender::on_threads(2, move |_, _| ours.increment()),
        Contender::on_threads(2, move |_, _| {
            peer.inc();
        }),
    )
}

fn counter_scaling() -> Contest<'static> {
    let counter = our_counter();
    let twin = counter.clone();
    let two = Contender::on_threads(2, move |_, _| counter.increment());
    Contest::new(two, Contender::on_threads(1, move |_, _| twin.increment())).goal(Goal::Ratio(1.2))
}

/// Values that fall into different buckets.
fn values() -> impl FnMut() -> f64 {
    let mut state = 1_u32;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 20) / 1000.0
    };
    let drawn: Vec<f64> = (0..1024).map(|_| draw()).collect();
    let mut next = 0;
    move || {
        next = (next + 1) % drawn.len();
        drawn[next]
    }
}

fn our_histogram() -> hardpoint::observability::metrics::Histogram {
    Metrics::builder().histogram("wait_seconds", Unit::SECONDS, Bounds::SECONDS, "Wait.")
}

const SECONDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const BYTES: [f64; 10] = [
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
];

fn histogram() -> Contest<'static> {
    let (ours, peer) = (our_histogram(), Histogram::new(SECONDS));
    let (mut first, mut second) = (values(), values());
    Contest::new(
        Contender::new(move || ours.record(first())),
        Contender::new(move || peer.observe(second())),
    )
    .goal(Goal::Value(10.0))
}

fn histogram_threads() -> Contest<'static> {
    let (ours, peer) = (our_histogram(), Histogram::new(SECONDS));
    Contest::new(
        Contender::on_threads(2, move |_, _| ours.record(0.03)),
        Contender::on_threads(2, move |_, _| peer.observe(0.03)),
    )
}

/// The labels of a request, as the peers want them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Active {
    http_request_method: &'static str,
    url_scheme: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    http_request_method: &'static str,
    url_scheme: &'static str,
    http_route: &'static str,
    http_response_status_code: u16,
}

const ROUTES: [&str; 8] = [
    "/api/v1/accounts",
    "/api/v1/session",
    "/api/v1/sessions/{id}",
    "/api/v1/me",
    "/api/v1/ping",
    "/api/v1/notes",
    "/api/v1/notes/{id}",
    "/api/v1/quote",
];

/// A different route each time.
fn routes() -> impl FnMut() -> &'static str + Clone {
    let mut next = 0;
    move || {
        next = (next + 1) % ROUTES.len();
        ROUTES[next]
    }
}

fn our_telemetry() -> Telemetry {
    Metrics::builder().telemetry()
}

/// The start and the end of a request: four instruments, one of them twice.
fn report(telemetry: &Telemetry, route: &'static str) {
    telemetry.on(&RequestStarted::new("GET", Scheme::Https).into());
    let duration = Duration::from_micros(30_000);
    let mut ended = RequestEnded::new("GET", Scheme::Https, Ending::Ok, duration);
    ended.route = Some(route);
    ended.status = Some(200);
    ended.bytes_in = Some(120);
    ended.bytes_out = 4000;
    telemetry.on(&ended.into());
}

fn our_instruments() -> Contender<'static> {
    let telemetry = our_telemetry();
    let mut route = routes();
    Contender::new(move || report(&telemetry, route()))
}

fn instruments() -> Contest<'static> {
    let active = Family::<Active, Gauge>::default();
    let seconds = Family::<Ended, Histogram>::new_with_constructor(|| Histogram::new(SECONDS));
    let bytes = || Family::<Ended, Histogram>::new_with_constructor(|| Histogram::new(BYTES));
    let (incoming, outgoing) = (bytes(), bytes());
    let mut route = routes();
    let peer = Contender::new(move || {
        let started = Active { http_request_method: "GET", url_scheme: "https" };
        active.get_or_create(&started).inc();
        active.get_or_create(&started).dec();
        let ended = Ended {
            http_request_method: "GET",
            url_scheme: "https",
            http_route: route(),
            http_response_status_code: 200,
        };
        seconds.get_or_create(&ended).observe(0.03);
        incoming.get_or_create(&ended).observe(120.0);
        outgoing.get_or_create(&ended).observe(4000.0);
    });
    Contest::new(our_instruments(), peer).goal(Goal::Value(40.0))
}

fn instruments_otel() -> Contest<'static> {
    let provider = provider();
    let meter = provider.meter("bench");
    let active: UpDownCounter<i64> =
        meter.i64_up_down_counter("http.server.active_requests").build();
    let histogram = |name: &'static str, bounds: &[f64]| -> OtelHistogram<f64> {
        meter.f64_histogram(name).with_boundaries(bounds.to_vec()).build()
    };
    let seconds = histogram("http.server.request.duration", &SECONDS);
    let incoming = histogram("http.server.request.body.size", &BYTES);
    let outgoing = histogram("http.server.response.body.size", &BYTES);
    let mut route = routes();
    let peer = Contender::new(move || {
        let _alive = &provider;
        let method = KeyValue::new("http.request.method", "GET");
        let scheme = KeyValue::new("url.scheme", "https");
        let started = [method.clone(), scheme.clone()];
        active.add(1, &started);
        active.add(-1, &started);
        let ended = [
            method,
            scheme,
            KeyValue::new("http.route", route()),
            KeyValue::new("http.response.status_code", 200),
        ];
        seconds.record(0.03, &ended);
        incoming.record(120.0, &ended);
        outgoing.record(4000.0, &ended);
    });
    Contest::new(our_instruments(), peer)
}

fn instruments_scaling() -> Contest<'static> {
    let telemetry = our_telemetry();
    let twin = telemetry.clone();
    let two = Contender::on_threads(2, move |_, _| report(&telemetry, "/api/v1/notes"));
    Contest::new(two, Contender::on_threads(1, move |_, _| report(&twin, "/api/v1/notes")))
        .goal(Goal::Ratio(1.2))
}

/// A request through the layers, with nothing logged. Ours also makes ids.
fn request() -> Contest<'static> {
    let ours = RecordLayer::new().telemetry(&our_telemetry()).layer(Pong);
    let recorder = PrometheusBuilder::new().build_recorder();
    let peer = PrometheusMetricLayer::new().layer(Pong);
    Contest::new(
        through(ours).within(|run| dispatcher::with_default(&Dispatch::none(), run)),
        through(peer).within(move |run| with_local_recorder(&recorder, run)),
    )
    .plan(Plan::prepared())
}

fn through<S, B>(mut service: S) -> Contender<'static>
where
    S: Service<Request<Full<Bytes>>, Response = http::Response<B>> + 'static,
    S::Error: std::fmt::Debug,
    B: Body,
{
    let matched = || {
        let mut request = Request::get("/api/v1/notes").body(Full::default()).expect("a path");
        request.extensions_mut().insert(Route::from_static("/api/v1/notes"));
        request
    };
    Contender::prepared(matched, move |request| {
        assert_eq!(exchange(&mut service, request), StatusCode::OK);
    })
}

struct Tenant(u32);

impl Labels for Tenant {
    const NAMES: &'static [&'static str] = &["tenant", "plan"];

    fn values(&self, add: &mut dyn FnMut(&str)) {
        add(&format!("tenant-{}", self.0));
        add("gold");
    }
}

/// As many series as a large service has: counters, each with two labels.
fn our_series() -> Contender<'static> {
    let mut builder = Metrics::builder().max_series(SERIES as usize);
    let calls = builder.counter_family("calls_total", Unit::NONE, "Calls.");
    let metrics = builder.build().expect("a valid name");
    for tenant in 0..SERIES {
        calls.with(&Tenant(tenant)).add(u64::from(tenant) * 1000);
    }
    let mut service = metrics.service();
    Contender::new(move || {
        let request = Request::get("/metrics").body(Full::<Bytes>::default()).expect("a path");
        assert_eq!(exchange(&mut service, request), StatusCode::OK);
    })
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PeerTenant {
    tenant: String,
    plan: &'static str,
}

fn scrape() -> Contest<'static> {
    let mut registry = Registry::default();
    let calls = Family::<PeerTenant, Counter>::default();
    registry.register("calls", "Calls.", calls.clone());
    for tenant in 0..SERIES {
        let labels = PeerTenant { tenant: format!("tenant-{tenant}"), plan: "gold" };
        calls.get_or_create(&labels).inc_by(u64::from(tenant) * 1000);
    }
    let peer = Contender::new(move || {
        let mut text = String::new();
        encode(&mut text, &registry).expect("a string takes everything");
        text.len()
    });
    Contest::new(our_series(), peer).plan(scrapes()).goal(Goal::Ratio(0.6))
}

fn scrape_exporter() -> Contest<'static> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    with_local_recorder(&recorder, || {
        for tenant in 0..SERIES {
            let tenant_name = format!("tenant-{tenant}");
            let labels = [("tenant", tenant_name), ("plan", "gold".to_owned())];
            ::metrics::counter!("calls_total", &labels).increment(u64::from(tenant) * 1000);
        }
    });
    Contest::new(our_series(), Contender::new(move || handle.render().len())).plan(scrapes())
}

fn scrapes() -> Plan {
    Plan { rounds: 51, ..Plan::default() }
}

/// The memory that this process grows by while every request has another path, method and host. To
/// be measured in a process that did nothing else.
///
/// # Errors
/// If the kernel does not tell.
pub fn flood(side: Side) -> std::io::Result<u64> {
    let before = Resident::read()?;
    match side {
        Side::Ours => {
            let telemetry = our_telemetry();
            let mut service = RecordLayer::new().telemetry(&telemetry).layer(Pong);
            attack(|request| assert_eq!(exchange(&mut service, request), StatusCode::OK));
        }
        Side::Peer => {
            let recorder = PrometheusBuilder::new().build_recorder();
            let mut service = PrometheusMetricLayer::new().layer(Pong);
            with_local_recorder(&recorder, || {
                attack(|request| {
                    assert_eq!(exchange(&mut service, request), StatusCode::OK);
                });
            });
        }
    }
    Ok(Resident::read()?.peak.saturating_sub(before.now))
}

fn attack(mut send: impl FnMut(Request<Full<Bytes>>)) {
    let mut text = String::new();
    for number in 0..FLOOD {
        text.clear();
        write!(text, "http://h{number}.example/{number}?{number}").expect("a string takes it");
        let mut request = Request::get(text.as_str()).body(Full::default()).expect("a path");
        text.clear();
        write!(text, "M{number}").expect("a string takes it");
        *request.method_mut() = Method::from_bytes(text.as_bytes()).expect("a token");
        send(request);
    }
}
