//! Reads the standard variables. All mistakes are collected.

use std::{collections::BTreeMap, fs, time::Duration};

use http::{HeaderMap, Uri};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::target::{self, Identity, Protocol, Target};
use crate::{
    otlp::{
        counts::Signal,
        error::{ConfigError, Mistake},
        resource::Resource,
        sampler::{Root, Sampler},
    },
    pairs,
};

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
    Reader { values, mistakes: Vec::new() }.read()
}

struct Reader {
    values: BTreeMap<String, String>,
    mistakes: Vec<Mistake>,
}

impl Reader {
    fn read(mut self) -> Result<Settings, ConfigError> {
        let disabled = self.boolean("OTEL_SDK_DISABLED");
        if disabled {
            self.values.clear();
        }
        self.refuse_what_is_not_read();
        let settings = Settings {
            logs: self.target(Signal::Logs),
            metrics: self.target(Signal::Metrics),
            traces: self.target(Signal::Traces),
            resource: self.resource(),
            sampler: self.sampler(),
            logs_delay: self.millis("OTEL_BLRP_SCHEDULE_DELAY", 1_000),
            traces_delay: self.millis("OTEL_BSP_SCHEDULE_DELAY", 5_000),
            metrics_interval: self.millis("OTEL_METRIC_EXPORT_INTERVAL", 60_000),
        };
        if self.mistakes.is_empty() {
            return Ok(settings);
        }
        self.mistakes.sort_by(|one, other| one.variable().cmp(other.variable()));
        self.mistakes.dedup();
        Err(ConfigError::new(self.mistakes))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    fn add(&mut self, name: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.mistakes.push(Mistake::new(name, what, remedy));
    }

    /// Adds a mistake about the value, which is shown.
    fn refuse(&mut self, name: &str, remedy: impl Into<String>) {
        let what = format!("is `{}`", self.get(name).unwrap_or_default().escape_debug());
        self.add(name, what, remedy);
    }

    /// The variable that applies to a signal: its own, or else the one for all signals.
    fn of_signal(&self, signal: Signal, suffix: &str) -> Option<(String, bool)> {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{suffix}", signal.as_str().to_uppercase());
        let all = format!("OTEL_EXPORTER_OTLP_{suffix}");
        if self.values.contains_key(&own) {
            Some((own, true))
        } else {
            self.values.contains_key(&all).then_some((all, false))
        }
    }

    /// Returns the destination of a signal, `None` if it is not exported or a variable is wrong.
    fn target(&mut self, signal: Signal) -> Option<Target> {
        let exporter = format!("OTEL_{}_EXPORTER", signal.as_str().to_uppercase());
        let asked = match self.get(&exporter) {
            None => false,
            Some("otlp") => true,
            Some("none") => return None,
            Some(_) => {
                self.refuse(&exporter, "write `otlp` or `none`");
                return None;
            }
        };
        let endpoint = self.of_signal(signal, "ENDPOINT");
        if endpoint.is_none() && !asked {
            return None;
        }
        let protocol = self.protocol(signal)?;
        let uri = self.uri(signal, endpoint, protocol);
        let headers = self.headers(signal);
        let timeout = match self.of_signal(signal, "TIMEOUT") {
            Some((name, _)) => self.millis(&name, 10_000),
            None => self.millis("OTEL_METRIC_EXPORT_TIMEOUT", 10_000),
        };
        let gzip = self.gzip(signal);
        let authorities = match self.of_signal(signal, "CERTIFICATE") {
            Some((name, _)) => Some(self.certificates(&name)?),
            None => None,
        };
        let identity = self.identity(signal)?;
        let (uri, headers) = (uri?, headers?);
        Some(Target { protocol: protocol.0, uri, headers, timeout, gzip, authorities, identity })
    }

    /// Returns the protocol, and whether a variable names it.
    fn protocol(&mut self, signal: Signal) -> Option<(Protocol, bool)> {
        let Some((name, _)) = self.of_signal(signal, "PROTOCOL") else {
            return Some((Protocol::HttpProtobuf, false));
        };
        match self.get(&name) {
            Some("grpc") => Some((Protocol::Grpc, true)),
            Some("http/protobuf") => Some((Protocol::HttpProtobuf, true)),
            _ => {
                self.refuse(&name, "write `http/protobuf` or `grpc`");
                None
            }
        }
    }

    fn uri(
        &mut self,
        signal: Signal,
        endpoint: Option<(String, bool)>,
        (protocol, chosen): (Protocol, bool),
    ) -> Option<Uri> {
        let Some((name, own)) = endpoint else {
            let port = if protocol == Protocol::Grpc { 4317 } else { 4318 };
            return target::uri(&format!("http://localhost:{port}"), false, protocol, signal).ok();
        };
        let text = self.get(&name).unwrap_or_default().to_owned();
        match target::uri(&text, own, protocol, signal) {
            // Collectors speak gRPC on this port, and would close every connection.
            Ok(uri) if uri.port_u16() == Some(4317) && !chosen => {
                let what = "has gRPC's port, but the protocol is http/protobuf by default";
                let remedy = "set OTEL_EXPORTER_OTLP_PROTOCOL to `grpc`, or write port 4318";
                self.add(&name, what, remedy);
                None
            }
            Ok(uri) => Some(uri),
            Err((what, remedy)) => {
                // Not shown: a user name or a query may hold a secret.
                self.add(&name, what, remedy);
                None
            }
        }
    }

    fn headers(&mut self, signal: Signal) -> Option<HeaderMap> {
        let Some((name, _)) = self.of_signal(signal, "HEADERS") else {
            return Some(HeaderMap::new());
        };
        match target::headers(self.get(&name).unwrap_or_default()) {
            Ok(headers) => Some(headers),
            Err(what) => {
                let remedy = "write name=value pairs, separated by commas, with percent-encoded \
                              values, such as authorization=Bearer%20TOKEN";
                self.add(&name, format!("is not a list of headers: {what}"), remedy);
                None
            }
        }
    }

    fn gzip(&mut self, signal: Signal) -> bool {
        let Some((name, _)) = self.of_signal(signal, "COMPRESSION") else { return false };
        match self.get(&name) {
            Some("gzip") => true,
            Some("none") => false,
            _ => {
                self.refuse(&name, "write `gzip` or `none`");
                false
            }
        }
    }

    fn certificates(&mut self, name: &str) -> Option<Vec<CertificateDer<'static>>> {
        let remedy = "write the path of a PEM file with certificates";
        let file = self.file(name, remedy)?;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&file).collect();
        let found = read.ok().filter(|certificates| !certificates.is_empty());
        if found.is_none() {
            self.add(name, "names a file without a certificate", remedy);
        }
        found
    }

    /// Returns the client's certificate, `Some(None)` without one.
    fn identity(&mut self, signal: Signal) -> Option<Option<Identity>> {
        let chain = self.of_signal(signal, "CLIENT_CERTIFICATE");
        let key = self.of_signal(signal, "CLIENT_KEY");
        match (chain, key) {
            (None, None) => Some(None),
            (Some((chain, _)), Some((key, _))) => {
                let chain = self.certificates(&chain)?;
                let remedy = "write the path of a PEM file with the private key";
                let file = self.file(&key, remedy)?;
                let read = PrivateKeyDer::from_pem_slice(&file);
                if read.is_err() {
                    self.add(&key, "names a file without a private key", remedy);
                }
                Some(Some(Identity { chain, key: read.ok()? }))
            }
            (Some((name, _)), None) | (None, Some((name, _))) => {
                let remedy = "set both CLIENT_CERTIFICATE and CLIENT_KEY, or neither";
                self.add(&name, "is set without its counterpart", remedy);
                None
            }
        }
    }

    fn file(&mut self, name: &str, remedy: &str) -> Option<Vec<u8>> {
        let read = fs::read(self.get(name).unwrap_or_default());
        match read {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.add(name, format!("names a file that cannot be read ({error})"), remedy);
                None
            }
        }
    }

    fn resource(&mut self) -> Resource {
        const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";

        let mut resource = Resource::default();
        match pairs::parse(self.get(ATTRIBUTES).unwrap_or_default()) {
            Ok(pairs) => {
                let pairs: Vec<_> =
                    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
                for (key, value) in pairs {
                    resource.set(&key, value);
                }
            }
            Err(what) => {
                self.add(ATTRIBUTES, format!("is not a list of attributes: {what}"), pairs::REMEDY);
            }
        }
        if let Some(name) = self.get("OTEL_SERVICE_NAME") {
            resource.set("service.name", name);
        }
        resource
    }

    fn sampler(&mut self) -> Sampler {
        const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
        const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";

        let name = self.get(SAMPLER).unwrap_or("parentbased_always_on");
        let (parent_based, root) = match name.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, name),
        };
        let root = match root {
            "always_on" => Some(Root::Always),
            "always_off" => Some(Root::Never),
            "traceidratio" => None,
            _ => {
                self.refuse(
                    SAMPLER,
                    "write `always_on`, `always_off` or `traceidratio`, or one of these behind \
                     `parentbased_`",
                );
                return Sampler::DEFAULT;
            }
        };
        if let Some(root) = root {
            if self.get(ARGUMENT).is_some() {
                let what = "has no effect, because the sampler takes no ratio";
                self.add(
                    ARGUMENT,
                    what,
                    format!(
                        "unset it, or set {SAMPLER} to `traceidratio` or \
                     `parentbased_traceidratio`"
                    ),
                );
            }
            return Sampler { parent_based, root };
        }
        let ratio = self.get(ARGUMENT).map_or(Some(1.0), |ratio| ratio.parse().ok());
        let root = ratio.and_then(Root::ratio).unwrap_or_else(|| {
            self.refuse(ARGUMENT, "write a number from 0 to 1, such as 0.1");
            Root::Always
        });
        Sampler { parent_based, root }
    }

    fn boolean(&mut self, name: &str) -> bool {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            Some("true") => true,
            None | Some("false") => false,
            Some(_) => {
                self.refuse(name, "write `true` or `false`");
                false
            }
        }
    }

    fn millis(&mut self, name: &str, default: u64) -> Duration {
        let millis = self.get(name).map_or(Some(default), |text| text.parse().ok());
        // A day: longer is a mistake in the unit.
        let millis =
            millis.filter(|millis| (1..=86_400_000).contains(millis)).unwrap_or_else(|| {
                self.refuse(name, format!("write a number of milliseconds, such as {default}"));
                default
            });
        Duration::from_millis(millis)
    }

    /// Refuses variables that the exporter does not read, and values that it does not support.
    fn refuse_what_is_not_read(&mut self) {
        let names: Vec<String> = self.values.keys().cloned().collect();
        for name in names.iter().filter(|name| !VARIABLES.contains(&name.as_str())) {
            let remedy = "unset it, or compare its spelling with the variables of docs/otlp.md";
            self.add(name, "is not a variable that the exporter reads", remedy);
        }
        for name in ["OTEL_BLRP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_QUEUE_SIZE"] {
            if self.get(name).is_some() {
                let what = "counts records, but the queues are bounded in bytes";
                self.add(name, what, "unset it; `OtlpBuilder::queue_bytes` sets the bound");
            }
        }
        for (name, supported) in [
            (
                "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
                "explicit_bucket_histogram",
            ),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cumulative"),
            ("OTEL_METRICS_EXEMPLAR_FILTER", "trace_based"),
        ] {
            if self.get(name).is_some_and(|value| !value.eq_ignore_ascii_case(supported)) {
                self.refuse(
                    name,
                    format!("write `{supported}`, which is the default, or unset it"),
                );
            }
        }
        let propagators = self.get("OTEL_PROPAGATORS").unwrap_or("tracecontext");
        let known = |name: &str| matches!(name.trim(), "tracecontext" | "baggage");
        if !propagators.split(',').all(known) || !propagators.contains("tracecontext") {
            self.refuse("OTEL_PROPAGATORS", "write `tracecontext` or `tracecontext,baggage`");
        }
    }
}
