//! The standard variables, and what they set.

use std::{collections::BTreeMap, time::Duration};

use super::{reader::Reader, target::Target};
use crate::otlp::{error::ConfigError, resource::Resource, sampler::Sampler};

const PREFIX: &str = "OTEL_";

/// Every variable that is read. See the [table](crate::otlp#variables).
pub const VARIABLES: [&str; 50] = [
    "OTEL_BLRP_SCHEDULE_DELAY",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
    "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
    "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT",
    "OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION",
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
    "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
    "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_LOGS_EXPORTER",
    "OTEL_METRICS_EXEMPLAR_FILTER",
    "OTEL_METRICS_EXPORTER",
    "OTEL_METRIC_EXPORT_INTERVAL",
    "OTEL_METRIC_EXPORT_TIMEOUT",
    "OTEL_PROPAGATORS",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SDK_DISABLED",
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_EXPORTER",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    // Read to be refused with a reason.
    "OTEL_BLRP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_QUEUE_SIZE",
];

/// The content of the variables.
#[derive(Debug)]
pub(in super::super) struct Settings {
    pub(in super::super) logs: Option<Target>,
    pub(in super::super) metrics: Option<Target>,
    pub(in super::super) traces: Option<Target>,
    pub(in super::super) resource: Resource,
    pub(in super::super) sampler: Sampler,
    pub(in super::super) logs_delay: Duration,
    pub(in super::super) traces_delay: Duration,
    pub(in super::super) metrics_interval: Duration,
}

impl Settings {
    /// Whether anything is exported.
    pub(in super::super) const fn is_on(&self) -> bool {
        self.logs.is_some() || self.metrics.is_some() || self.traces.is_some()
    }
}

/// Reads variables, and ignores those that do not begin with `OTEL_`.
pub(in super::super) fn read<N, V>(
    variables: impl IntoIterator<Item = (N, V)>,
) -> Result<Settings, ConfigError>
where
    N: AsRef<str>,
    V: AsRef<str>,
{
    let own = |(name, value): (N, V)| {
        let (name, value) = (name.as_ref().to_owned(), value.as_ref().trim().to_owned());
        name.starts_with(PREFIX).then_some((name, value))
    };
    // The specification: an empty value is the same as no value.
    let values: BTreeMap<_, _> =
        variables.into_iter().filter_map(own).filter(|(_, value)| !value.is_empty()).collect();
    Reader::new(values).read()
}
