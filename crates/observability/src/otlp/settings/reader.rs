//! Reads the values of the variables. All mistakes are collected.

mod destination;

use std::{collections::BTreeMap, time::Duration};

use super::variables::{Settings, VARIABLES};
use crate::{
    otlp::{
        counts::Signal,
        error::{ConfigError, Mistake},
        resource::Resource,
        sampler::{Root, Sampler},
    },
    pairs,
};

pub(super) struct Reader {
    values: BTreeMap<String, String>,
    mistakes: Vec<Mistake>,
}

impl Reader {
    pub(super) const fn new(values: BTreeMap<String, String>) -> Self {
        Self { values, mistakes: Vec::new() }
    }

    pub(super) fn read(mut self) -> Result<Settings, ConfigError> {
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
}
