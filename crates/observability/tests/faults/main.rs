//! Collectors that fail in every way while requests are served: what it costs in memory and time, and
//! that every span is accounted for.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "../it/otlp/collector.rs"]
mod collector;

use std::{
    env, fs,
    task::{Context, Waker},
    time::Duration,
};

use hardpoint_observability::{
    RecordLayer,
    otlp::{DropReason, Otlp, OtlpBuilder, Signal},
};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::time::Instant;
use tower_layer::Layer as _;
use tower_service::Service;

use self::collector::{Behaviour, Collector, Protocol};

const PATIENCE: Duration = Duration::from_secs(30);
const MIB: usize = 1 << 20;
/// The bound of the queue: it fills up within the short version, too.
const BOUND: usize = MIB;
const ALLOWED: usize = BOUND + 16 * MIB;
/// No scheduler stops a thread for so long often.
const SLOW: Duration = Duration::from_millis(100);

type Body = Full<bytes::Bytes>;

fn start(url: &str, protocol: Protocol) -> Otlp {
    let (name, path) = match protocol {
        Protocol::Grpc => ("grpc", ""),
        Protocol::Http => ("http/protobuf", "/v1/traces"),
    };
    let endpoint = format!("{url}{path}");
    let variables = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", name),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
    ];
    let builder = OtlpBuilder::from_variables(variables).unwrap();
    builder.queue_bytes(BOUND).retry_for(Duration::from_secs(2)).start().unwrap()
}

/// The memory of this process that is in RAM.
fn rss() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<usize>().unwrap() * 1024
}

/// What the load saw.
#[derive(Debug, Default)]
struct Load {
    requests: u64,
    /// Requests that took longer than [`SLOW`].
    slow: u64,
    peak: usize,
}

/// Serves requests on this thread for a time.
fn load(otlp: &Otlp, time: Duration) -> Load {
    let answer = |_: Request<Body>| {
        std::future::ready(Ok::<_, std::convert::Infallible>(Response::new(Body::default())))
    };
    let mut service = RecordLayer::new().otlp(otlp).layer(tower::service_fn(answer));
    let mut context = Context::from_waker(Waker::noop());
    let mut load = Load::default();
    let end = Instant::now() + time;
    loop {
        let begin = Instant::now();
        if begin >= end {
            load.peak = load.peak.max(rss());
            return load;
        }
        let request = Request::get("/api/v1/notes/7").body(Body::default()).unwrap();
        let mut response = std::pin::pin!(service.call(request));
        // It is ready at once: nothing in it waits for the exporter.
        assert!(response.as_mut().poll(&mut context).is_ready());
        load.requests += 1;
        if begin.elapsed() > SLOW {
            load.slow += 1;
        }
        if load.requests.is_multiple_of(4096) {
            load.peak = load.peak.max(rss());
        }
    }
}

#[test]
fn a_collector_that_fails_costs_neither_memory_nor_time_and_every_span_is_counted() {
    let soak = env::var_os("HARDPOINT_SOAK").is_some();
    let time = Duration::from_secs(if soak { 60 } else { 10 }) / 8;
    let after = |seconds: &str| vec![("retry-after", seconds.to_owned())];
    let faults = [
        ("alive", Protocol::Grpc, Some(Behaviour::Accept)),
        ("dead", Protocol::Grpc, None),
        ("slow", Protocol::Http, Some(Behaviour::Hang)),
        ("slow", Protocol::Grpc, Some(Behaviour::Hang)),
        ("refusing", Protocol::Http, Some(Behaviour::Status(StatusCode::BAD_REQUEST, Vec::new()))),
        ("resetting", Protocol::Grpc, Some(Behaviour::Reset)),
        ("429", Protocol::Http, Some(Behaviour::Status(StatusCode::TOO_MANY_REQUESTS, after("1")))),
        (
            "503",
            Protocol::Http,
            Some(Behaviour::Status(StatusCode::SERVICE_UNAVAILABLE, after("1"))),
        ),
    ];
    // What the runtimes and the allocator need anyway.
    {
        let collector = Collector::with(Protocol::Http, Behaviour::Accept, false);
        let otlp = start(&collector.url(), Protocol::Http);
        load(&otlp, Duration::from_millis(100));
        assert!(otlp.blocking_shutdown(PATIENCE));
    }
    let before = rss();
    for (name, protocol, behaviour) in faults {
        let collector =
            Collector::with(protocol, behaviour.clone().unwrap_or(Behaviour::Accept), false);
        let url = collector.url();
        let collector = behaviour.is_some().then_some(collector);
        let otlp = start(&url, protocol);
        let load = load(&otlp, time);
        let begin = Instant::now();
        let all = otlp.blocking_shutdown(Duration::from_secs(1));
        let took = begin.elapsed();
        let totals = otlp.totals(Signal::Traces);
        let reasons =
            [DropReason::QueueFull, DropReason::Expired, DropReason::Refused, DropReason::Shutdown];
        let lost = reasons.map(|reason| (reason.as_str(), totals.dropped_for(reason)));
        println!(
            "{name} over {protocol:?}: {} spans, {} sent, dropped {lost:?}, RSS + {} KiB, {} of the \
             requests took > {SLOW:?}, shutdown {took:?}",
            totals.recorded,
            totals.sent,
            load.peak.saturating_sub(before) / 1024,
            load.slow,
        );
        assert_eq!(totals.recorded, load.requests);
        assert_eq!(totals.sent + totals.dropped(), totals.recorded, "{totals:?}");
        assert_eq!(totals.queued_bytes, 0);
        // The collector agrees, unless a request was cut off that it had accepted.
        let accepted = collector.as_ref().map_or(0, Collector::accepted);
        let cut = totals.dropped_for(DropReason::Shutdown);
        assert!((totals.sent..=totals.sent + cut).contains(&accepted), "{accepted} {totals:?}");
        assert!(
            load.peak.saturating_sub(before) <= ALLOWED,
            "{name}: {} bytes",
            load.peak - before
        );
        // If any of them waited for a request, there would be few, and most of them slow.
        assert!(load.requests > 1000 && load.slow * 100 <= load.requests, "{name}: {load:?}");
        assert!(took < Duration::from_secs(3), "{name}: {took:?}");
        assert_eq!(name == "alive", totals.sent > 0, "{name}: {all}");
    }
}
