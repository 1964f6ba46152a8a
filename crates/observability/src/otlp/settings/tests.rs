use std::time::Duration;

use super::*;
use crate::otlp::{
    error::ConfigError,
    sampler::{Root, Sampler},
};

fn settings(variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    read(variables.iter().copied())
}

fn mistakes(variables: &[(&str, &str)]) -> Vec<String> {
    let error = settings(variables).map(drop).unwrap_err();
    error.mistakes().iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_is_exported_unless_a_variable_asks_for_it() {
    for variables in [
        &[][..],
        &[("OTEL_SERVICE_NAME", "orders")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
        &[("HTTP_PROXY", "x")],
        &[("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")],
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
            ("OTEL_LOGS_EXPORTER", "none"),
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_TRACES_EXPORTER", "none"),
        ],
    ] {
        assert!(!settings(variables).unwrap().is_on(), "{variables:?}");
    }
}

#[test]
fn an_endpoint_for_all_signals_gets_their_paths_and_an_own_one_is_taken_as_it_is() {
    let read = settings(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example/otlp/"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://127.0.0.1:9/in"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4317"),
    ])
    .unwrap();
    let uri = |target: Option<Target>| target.unwrap().uri.to_string();
    assert_eq!(uri(read.metrics), "https://collector.example/otlp/v1/metrics");
    assert_eq!(uri(read.logs), "http://127.0.0.1:9/in");
    assert_eq!(
        uri(read.traces),
        "http://127.0.0.1:4317/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    );
}

#[test]
fn an_exporter_that_is_asked_for_by_name_has_the_standard_endpoint() {
    let read = settings(&[("OTEL_TRACES_EXPORTER", "otlp")]).unwrap();
    assert!(read.logs.is_none() && read.metrics.is_none());
    assert_eq!(read.traces.unwrap().uri, "http://localhost:4318/v1/traces");
}

#[test]
fn a_signal_s_own_variable_counts_before_the_one_for_all() {
    let read = settings(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "3000"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "none"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%2Cb, x-tenant = t"),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "authorization=Bearer%20hunter2"),
    ])
    .unwrap();
    let (logs, traces) = (read.logs.unwrap(), read.traces.unwrap());
    assert_eq!((logs.timeout, logs.gzip), (Duration::from_secs(3), false));
    assert_eq!((traces.timeout, traces.gzip), (Duration::from_secs(2), true));
    assert_eq!(traces.headers["api-key"], "a,b");
    assert_eq!(traces.headers["x-tenant"], "t");
    assert_eq!(logs.headers["authorization"], "Bearer hunter2");
    assert_eq!(logs.headers.len(), 1);
    assert!(!format!("{logs:?} {:?}", logs.headers).contains("hunter2"));
}

#[test]
fn the_resource_is_read_and_the_name_of_the_service_has_its_own_variable() {
    let read = settings(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_SERVICE_NAME", "orders"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,team=a%20b,"),
    ]);
    let resource = read.unwrap().resource;
    assert_eq!(resource.get("service.name"), Some("orders"));
    assert_eq!(resource.get("team"), Some("a b"));
}

#[test]
fn samplers_have_the_names_of_the_specification() {
    let sampler = |name: &str, argument: &str| {
        let variables = [
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("OTEL_TRACES_SAMPLER", name),
            ("OTEL_TRACES_SAMPLER_ARG", argument),
        ];
        settings(&variables).map(|read| read.sampler)
    };
    let is = |parent_based, root| Ok(Sampler { parent_based, root });
    assert_eq!(sampler("", ""), is(true, Root::Always));
    assert_eq!(sampler("always_on", ""), is(false, Root::Always));
    assert_eq!(sampler("parentbased_always_off", ""), is(true, Root::Never));
    assert_eq!(sampler("traceidratio", "0.5"), is(false, Root::Below(1 << 62)));
    assert_eq!(sampler("parentbased_traceidratio", ""), is(true, Root::Always));
    for (name, argument) in
        [("jaeger_remote", ""), ("traceidratio", "2"), ("traceidratio", "x"), ("always_on", "1")]
    {
        assert!(sampler(name, argument).is_err(), "{name} {argument}");
    }
}

#[test]
fn every_mistake_names_its_variable_and_what_to_write_and_shows_no_secret() {
    let found = mistakes(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://user:hunter2@127.0.0.1:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "/does/not/exist"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "2048"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ("OTEL_PROPAGATORS", "b3"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=%zz"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_EXPORTER_OTPL_ENDPOINT", "x"),
    ]);
    let names: Vec<_> = found.iter().map(|text| text.split(' ').next().unwrap()).collect();
    assert_eq!(
        names,
        [
            "OTEL_BSP_MAX_QUEUE_SIZE",
            "OTEL_EXPORTER_OTLP_COMPRESSION",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_HEADERS",
            "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
            "OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE",
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "OTEL_EXPORTER_OTPL_ENDPOINT",
            "OTEL_METRIC_EXPORT_INTERVAL",
            "OTEL_PROPAGATORS",
            "OTEL_RESOURCE_ATTRIBUTES",
            "OTEL_TRACES_SAMPLER",
        ],
        "{found:#?}"
    );
    let all = found.join("\n");
    assert!(!all.contains("hunter2"), "{all}");
    assert!(
        all.contains("TIMEOUT is `10s`; write a number of milliseconds, such as 10000"),
        "{all}"
    );
    assert!(all.contains("is `http/json`; write `http/protobuf` or `grpc`"), "{all}");
    assert_eq!(mistakes(&[("OTEL_SDK_DISABLED", "yes")]).len(), 1);
}

#[test]
fn the_port_of_grpc_needs_the_protocol_of_grpc() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
    let found = mistakes(&[endpoint]);
    assert!(
        found.len() == 1 && found[0].contains("OTEL_EXPORTER_OTLP_PROTOCOL to `grpc`"),
        "{found:?}"
    );
    for protocol in ["grpc", "http/protobuf"] {
        assert!(settings(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)]).is_ok());
    }
    let with_path = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1/v1");
    assert!(mistakes(&[with_path, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")])[0].contains("path"));
}

#[test]
fn headers_that_the_exporter_sets_are_refused() {
    for header in ["content-type=x", "grpc-timeout=1S", "a b=c", "=c", "x=%0a"] {
        let variables = [("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_EXPORTER_OTLP_HEADERS", header)];
        assert_eq!(mistakes(&variables).len(), 1, "{header}");
    }
}
