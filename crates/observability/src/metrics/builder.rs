//! Declaring metrics.

mod declare;

use std::{collections::HashSet, fmt, sync::Arc};

use hardpoint_core::{Telemetry, Time};

use super::{
    Bounds, ConfigError, Counter, Family, FloatCounter, Gauge, Histogram, Labels, MetricsService,
    Mistake, Operations, Unit, UpDown,
    cells::Allocator,
    encode,
    family::{Kind, Metric, Shape},
    observer::EventMetrics,
    process,
    source::{Lost, Observed, ObservedKind, Source},
    thread, unit,
};
use crate::LogsHandle;

/// All metrics of a service. See the [module docs](super).
#[derive(Clone)]
pub struct Metrics {
    sources: Arc<[Source]>,
}

/// Declares the metrics of a service.
///
/// Handles work as soon as they are made. Mistakes are collected and reported together by
/// [`build`](Self::build).
///
/// # Defaults
/// | setting | default |
/// |---|---|
/// | [`max_series`](Self::max_series) | 2000 for each metric |
/// | [`time`](Self::time) | the system clock |
#[must_use = "metrics are not exposed until they are built"]
pub struct MetricsBuilder {
    time: Time,
    max_series: usize,
    allocator: Arc<Allocator<'static>>,
    sources: Vec<Source>,
    mistakes: Vec<Mistake>,
}

impl Metrics {
    /// Starts the declaration of metrics.
    pub fn builder() -> MetricsBuilder {
        MetricsBuilder {
            time: Time::system(),
            max_series: 2000,
            allocator: Arc::new(thread::allocator()),
            sources: vec![Source::Lost(Lost::Overflowed), Source::Lost(Lost::Refused)],
            mistakes: Vec::new(),
        }
    }

    /// Returns the service that answers scrapes.
    #[must_use]
    pub fn service(&self) -> MetricsService {
        MetricsService::new(self)
    }

    pub(super) fn sources(&self) -> &[Source] {
        &self.sources
    }
}

impl MetricsBuilder {
    /// Sets how many series a metric has at most, the overflow series not counted, for metrics that
    /// are declared after this call. Default: 2000, as in OpenTelemetry.
    ///
    /// A series costs 8 bytes for each of its cells on each thread that records it (17 for a
    /// histogram with OpenTelemetry's bounds), and its labels once. At 0 every labelled value is
    /// recorded in the overflow series.
    pub fn max_series(mut self, series: usize) -> Self {
        self.max_series = series;
        self
    }

    /// Sets the clock that the times of exemplars and the durations of [operations](Self::operations)
    /// are read from, for metrics that are declared after this call. Default: the system clock.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.time = time.into();
        self
    }

    /// Declares a counter. Its name ends in the unit, if there is one, and `_total`.
    pub fn counter(&mut self, name: &'static str, unit: Unit, help: &'static str) -> Counter {
        self.counter_family::<()>(name, unit, help).with(&())
    }

    /// Declares a counter with labels.
    pub fn counter_family<L: Labels>(
        &mut self,
        name: &'static str,
        unit: Unit,
        help: &'static str,
    ) -> Family<L, Counter> {
        self.family(name, unit, help, Kind::Counter(0))
    }

    /// Declares a counter of amounts with fractions.
    pub fn float_counter(
        &mut self,
        name: &'static str,
        unit: Unit,
        help: &'static str,
    ) -> FloatCounter {
        self.float_counter_family::<()>(name, unit, help).with(&())
    }

    /// Declares a counter of amounts with fractions, with labels.
    pub fn float_counter_family<L: Labels>(
        &mut self,
        name: &'static str,
        unit: Unit,
        help: &'static str,
    ) -> Family<L, FloatCounter> {
        self.family(name, unit, help, Kind::FloatCounter(0))
    }

    /// Declares a number that is set.
    pub fn gauge(&mut self, name: &'static str, unit: Unit, help: &'static str) -> Gauge {
        self.gauge_family::<()>(name, unit, help).with(&())
    }

    /// Declares a number that is set, with labels.
    pub fn gauge_family<L: Labels>(
        &mut self,
        name: &'static str,
        unit: Unit,
        help: &'static str,
    ) -> Family<L, Gauge> {
        self.family(name, unit, help, Kind::Gauge)
    }

    /// Declares a count that goes up and down.
    pub fn up_down(&mut self, name: &'static str, unit: Unit, help: &'static str) -> UpDown {
        self.up_down_family::<()>(name, unit, help).with(&())
    }

    /// Declares a count that goes up and down, with labels.
    pub fn up_down_family<L: Labels>(
        &mut self,
        name: &'static str,
        unit: Unit,
        help: &'static str,
    ) -> Family<L, UpDown> {
        self.family(name, unit, help, Kind::UpDown(0))
    }

    /// Declares a histogram. Its name ends in the unit.
    pub fn histogram(
        &mut self,
        name: &'static str,
        unit: Unit,
        bounds: Bounds,
        help: &'static str,
    ) -> Histogram {
        self.histogram_family::<()>(name, unit, bounds, help).with(&())
    }

    /// Declares a histogram with labels.
    pub fn histogram_family<L: Labels>(
        &mut self,
        name: &'static str,
        unit: Unit,
        bounds: Bounds,
        help: &'static str,
    ) -> Family<L, Histogram> {
        let mut shape = Shape::default();
        let kind = self.histogram_kind(name, bounds, true, &mut shape);
        let metric = Metric { name, unit: unit.as_str(), help, kind };
        self.check(&metric, unit);
        Family::new(self.group(L::NAMES, vec![metric], shape), self.time.clone())
    }

    /// Declares a number that `read` returns at each scrape, such as the length of a queue. It must
    /// be quick and must not block.
    pub fn observed_gauge(
        &mut self,
        name: &'static str,
        unit: Unit,
        help: &'static str,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.observed(ObservedKind::Gauge, name, unit, help, move || Some(read()));
    }

    /// Declares a counter that `read` returns at each scrape. It must be quick and must not block,
    /// and its result must not go down.
    pub fn observed_counter(
        &mut self,
        name: &'static str,
        unit: Unit,
        help: &'static str,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.observed(ObservedKind::Counter, name, unit, help, move || Some(read()));
    }

    /// Declares operations that this service waits for, such as queries and calls to other
    /// services. See [`Operations`].
    pub fn operations(&mut self, name: &'static str, help: &'static str) -> Operations {
        let family = self.histogram_family(name, Unit::SECONDS, Bounds::SECONDS, help);
        Operations::new(family, self.time.clone())
    }

    /// Declares the metrics of hardpoint's layers and returns the handle through which the layers
    /// report. Give it to `Stack::telemetry`, and to the builders of what is not a layer.
    ///
    /// The module docs [list the metrics](super#metrics-of-hardpoints-layers).
    #[must_use]
    pub fn telemetry(&mut self) -> Telemetry {
        Telemetry::new(EventMetrics::declare(self))
    }

    /// Declares `hardpoint_log_dropped_total`, the lines that the log lost.
    pub fn logs(&mut self, handle: &LogsHandle) {
        let handle = handle.clone();
        self.observed_counter(
            "hardpoint_log_dropped_total",
            Unit::NONE,
            "Log lines that were lost: not written, or not fitting into the queue.",
            #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 lost lines")]
            move || handle.dropped() as f64,
        );
    }

    /// Declares metrics of the process: processor time, memory, file descriptors, threads and the
    /// time of its start. On systems other than Linux, none of them has a value.
    pub fn process(&mut self) {
        process::declare(self);
    }

    /// Declares `target_info`, whose labels describe this build and deployment, such as
    /// `service_name`, `service_version` and `revision`. Queries join other metrics with it.
    pub fn target_info(&mut self, labels: &[(&'static str, &str)]) {
        let name = "target_info";
        let mut text = String::new();
        let mut names = HashSet::new();
        for (label, value) in labels {
            if !unit::is_label(label) || !names.insert(label) {
                let (name, label) = (name.to_owned(), (*label).to_owned());
                self.mistakes.push(Mistake::Label { name, label });
            }
            encode::label(&mut text, label, value);
        }
        self.sources.push(Source::Observed(Arc::new(Observed {
            name,
            unit: "",
            help: "The build and deployment that these metrics are of.",
            kind: ObservedKind::Info,
            read: Box::new(move |add| add(&text, 1.0)),
        })));
    }

    /// Checks all declarations and returns the metrics, which can then be scraped.
    ///
    /// # Errors
    /// [`ConfigError`] with every mistake in a name, a unit, a help text, bounds or labels, and
    /// every name that was declared twice.
    pub fn build(mut self) -> Result<Metrics, ConfigError> {
        let mut names = HashSet::new();
        for source in &self.sources {
            if !names.insert(source.name()) {
                self.mistakes.push(Mistake::Duplicate { name: source.name().to_owned() });
            }
        }
        if !self.mistakes.is_empty() {
            return Err(ConfigError::new(self.mistakes));
        }
        self.sources.sort_by_key(Source::name);
        Ok(Metrics { sources: self.sources.into() })
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.sources.iter().map(Source::name)).finish()
    }
}

impl fmt::Debug for MetricsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsBuilder")
            .field("max_series", &self.max_series)
            .field("mistakes", &self.mistakes)
            .finish_non_exhaustive()
    }
}
