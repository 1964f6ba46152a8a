//! The exporter of telemetry, from outside.

mod alloc;
mod answers;
mod calls;
pub(crate) mod collector;
mod runtimes;
mod signals;
mod tls;

use hardpoint_observability::otlp::{Otlp, OtlpBuilder};

use self::collector::{Collector, Protocol};

/// Longer than anything takes.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// An exporter that sends all signals to this collector.
pub(crate) fn builder(collector: &Collector, more: &[(&str, &str)]) -> OtlpBuilder {
    let endpoint = collector.url();
    let protocol = match collector.protocol() {
        Protocol::Grpc => "grpc",
        Protocol::Http => "http/protobuf",
    };
    let own = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("OTEL_SERVICE_NAME", "orders"),
    ];
    let all = own.iter().chain(more).copied();
    OtlpBuilder::from_variables(all).unwrap()
}

pub(crate) fn start(collector: &Collector, more: &[(&str, &str)]) -> Otlp {
    builder(collector, more).start().unwrap()
}
