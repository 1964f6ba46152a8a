//! A real collector receives what the service exports, over both transports.

use std::{net::TcpListener, path::Path, process::Command, time::Duration};

use hardpoint_testkit::http::{Client, Process};
use tokio::{net::TcpStream, time::timeout};

use super::{PATIENCE, Service, program};

const REQUESTS: usize = 20;

/// Rotel, which prints every record that it receives.
struct Rotel {
    process: Process,
    grpc: String,
    http: String,
}

impl Rotel {
    async fn start() -> Self {
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/rotel-agent");
        assert!(tool.exists(), "{} is absent; run scripts/test", tool.display());
        // It does not tell which ports it took if it may choose.
        let free = || TcpListener::bind("127.0.0.1:0").unwrap();
        let ports = [free(), free()];
        let [grpc, http] = ports.each_ref().map(|port| port.local_addr().unwrap().to_string());
        drop(ports);
        let mut command = Command::new(tool);
        command.env_clear().args(["start", "--exporter", "blackhole"]);
        command.args(["--otlp-grpc-endpoint", &grpc, "--otlp-http-endpoint", &http]);
        command.args(["--debug-log-verbosity", "detailed"]);
        for signal in ["traces", "metrics", "logs"] {
            command.args(["--debug-log", signal]);
        }
        let process = Process::spawn(&mut command);
        let listening = timeout(PATIENCE, async {
            for address in [&grpc, &http] {
                while TcpStream::connect(address).await.is_err() {
                    tokio::task::yield_now().await;
                }
            }
        });
        assert!(listening.await.is_ok(), "{:?}", process.stderr());
        Self { process, grpc: format!("http://{grpc}"), http: format!("http://{http}") }
    }

    /// What it has printed.
    fn text(&self) -> String {
        [self.process.stdout(), self.process.stderr()].concat().join("\n")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_collector_receives_all_signals_over_both_transports() {
    for protocol in ["grpc", "http/protobuf"] {
        let rotel = Rotel::start().await;
        let endpoint = if protocol == "grpc" { &rotel.grpc } else { &rotel.http };
        let service = Service::start(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_RESOURCE_ATTRIBUTES", "team=blue"),
            ("HARDPOINT_RATE_LIMIT", "off"),
        ])
        .await;
        let mut requests = Vec::new();
        for _ in 0..REQUESTS {
            let reply = Client::new().get(format!("{}/api/v1/ping", service.public)).await;
            assert_eq!(reply.status.as_u16(), 401);
            requests.push(reply.header("x-request-id").to_owned());
        }
        let quote = Client::new().get(format!("{}/api/v1/quote", service.public)).await;
        assert_eq!(quote.status.as_u16(), 200);
        requests.push(quote.header("x-request-id").to_owned());
        let scrape = Client::new().get(format!("{}/metrics", service.admin)).await;
        let scrape = scrape.text();
        assert!(scrape.contains("hardpoint_otlp_dropped_total{signal=\"traces\""), "{scrape}");
        // Their first results are lines too, and one that comes after the exporter has ended is lost.
        for check in ["accounts", "files", "memory", "quotes"] {
            let check = format!("\"check\":\"{check}\"");
            service.process.line(PATIENCE, |line| line.contains(&check)).await;
        }
        // The drain sends what is left.
        service.process.signal("TERM");
        let status = service.process.wait(PATIENCE).await;
        assert!(status.success(), "{protocol}: {status} {:?}", service.process.stderr());
        let lines = service.process.stdout().join("\n");
        assert!(!lines.contains("telemetry"), "{protocol}: nothing failed or was dropped: {lines}");

        // It prints a record after it has answered.
        let printed = timeout(PATIENCE, async {
            while requests.iter().any(|id| rotel.text().matches(id.as_str()).count() < 2) {
                tokio::task::yield_now().await;
            }
        });
        assert!(printed.await.is_ok(), "{protocol}: {}", rotel.text());
        let text = rotel.text();
        let count = |part: &str| text.lines().filter(|line| line.contains(part)).count();
        for expected in [
            "service.name: Str(hardened-api)",
            "team: Str(blue)",
            "http.route: Str(/api/v1/ping)",
            "http.response.status_code: Int(401)",
            "Body: Str(request)",
            "http.server.request.duration",
            "hardpoint.request_id: Str(",
            ": fetch quote",
        ] {
            assert!(text.contains(expected), "{protocol}: {expected} in\n{text}");
        }
        let spans = count("hardpoint.request_id: Str(");
        let records = count("Body: Str(request)");
        println!(
            "{protocol}: {spans} spans, {records} access lines, {} metrics",
            count("Metric #")
        );
        assert_eq!((spans, records), (REQUESTS + 1, REQUESTS + 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_does_not_hold_up_the_service() {
    let endpoint = {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", taken.local_addr().unwrap())
    };
    let service = Service::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]).await;
    for _ in 0..REQUESTS {
        let reply = Client::new().get(format!("{}/api/v1/ping", service.public)).await;
        assert_eq!(reply.status.as_u16(), 401);
    }
    service.process.signal("TERM");
    let status = service.process.wait(Duration::from_secs(10)).await;
    assert!(status.success(), "{status}");
    let lines = service.process.stdout().join("\n");
    assert!(lines.contains("telemetry export fails"), "{lines}");
    assert!(
        lines.contains("telemetry dropped") && lines.contains("\"signal\":\"traces\""),
        "{lines}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_is_wrong_is_named_and_the_code_is_78() {
    let process = Process::spawn(&mut program(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
    ]));
    assert_eq!(process.wait(PATIENCE).await.code(), Some(78));
    let report = process.stderr().join("\n");
    for name in ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER", "OTEL_EXPORTER_OTLP_HEADERS"]
    {
        assert!(report.lines().any(|line| line.starts_with(name)), "{name} in\n{report}");
    }
    assert!(!report.contains("hunter2"), "{report}");
}
