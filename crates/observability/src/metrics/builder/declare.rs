//! What the declarations of a [`MetricsBuilder`] share, those of hardpoint's own metrics included.

use std::{collections::HashSet, sync::Arc};

use hardpoint_core::Time;

use super::MetricsBuilder;
use crate::metrics::{
    Bounds, Family, Labels, Mistake, Unit, encode,
    family::{self, Kind, Metric, Shape},
    source::{Observed, ObservedKind, Source},
    unit,
};

impl MetricsBuilder {
    /// Declares metrics that share their series.
    pub(in super::super) fn group(
        &mut self,
        labels: &[&'static str],
        metrics: Vec<Metric>,
        shape: Shape,
    ) -> Arc<family::Family> {
        let name = metrics.first().map_or("", |metric| metric.name);
        let mut seen = HashSet::new();
        for label in labels {
            if !unit::is_label(label) || !seen.insert(label) {
                let (name, label) = (name.to_owned(), (*label).to_owned());
                self.mistakes.push(Mistake::Label { name, label });
            }
        }
        // A metric without labels always has its series.
        let max = if labels.is_empty() { 1 } else { self.max_series };
        let family = family::Family::new(labels, metrics, shape, max, &self.allocator);
        let metrics = 0..family.metrics.len();
        self.sources.extend(metrics.map(|metric| Source::Family(Arc::clone(&family), metric)));
        family
    }

    /// The kind of a histogram whose cells follow those of `shape`, to which it adds them.
    pub(in super::super) fn histogram_kind(
        &mut self,
        name: &'static str,
        bounds: Bounds,
        exemplars: bool,
        shape: &mut Shape,
    ) -> Kind {
        if !bounds.is_valid() {
            self.mistakes.push(Mistake::Bounds { name: name.to_owned() });
        }
        let bounds = bounds.cut();
        let (first, sum) = (shape.integers, shape.floats);
        let buckets = bounds.as_slice().len() + 1;
        shape.integers += buckets;
        shape.floats += 1;
        if exemplars {
            shape.exemplars = buckets;
        }
        Kind::Histogram { first, sum, encoded: encode::bounds(&bounds), bounds, exemplars }
    }

    pub(in super::super) fn check(&mut self, metric: &Metric, unit: Unit) {
        let counts = matches!(metric.kind, Kind::Counter(_) | Kind::FloatCounter(_));
        self.check_text(metric.name, unit, counts, metric.help);
    }

    pub(in super::super) fn observed(
        &mut self,
        kind: ObservedKind,
        name: &'static str,
        unit: Unit,
        help: &'static str,
        read: impl Fn() -> Option<f64> + Send + Sync + 'static,
    ) {
        self.observed_each(kind, name, unit, help, move |add| {
            if let Some(value) = read() {
                add("", value);
            }
        });
    }

    /// Declares values that `read` passes on at each scrape, each with its encoded labels.
    pub(in super::super) fn observed_each(
        &mut self,
        kind: ObservedKind,
        name: &'static str,
        unit: Unit,
        help: &'static str,
        read: impl Fn(&mut dyn FnMut(&str, f64)) + Send + Sync + 'static,
    ) {
        self.check_text(name, unit, kind == ObservedKind::Counter, help);
        let observed = Observed { name, unit: unit.as_str(), help, kind, read: Box::new(read) };
        self.sources.push(Source::Observed(Arc::new(observed)));
    }

    pub(in super::super) const fn clock(&self) -> &Time {
        &self.time
    }

    pub(super) fn family<L: Labels, M>(
        &mut self,
        name: &'static str,
        unit: Unit,
        help: &'static str,
        kind: Kind,
    ) -> Family<L, M> {
        let shape = match kind {
            Kind::FloatCounter(_) => Shape { floats: 1, ..Shape::default() },
            Kind::Gauge => Shape::default(),
            _ => Shape { integers: 1, ..Shape::default() },
        };
        let metric = Metric { name, unit: unit.as_str(), help, kind };
        self.check(&metric, unit);
        Family::new(self.group(L::NAMES, vec![metric], shape), self.time.clone())
    }

    fn check_text(&mut self, name: &'static str, unit: Unit, counts: bool, help: &str) {
        if let Err(mistake) = unit::check_name(name, unit, counts) {
            self.mistakes.push(mistake);
        }
        if help.trim().is_empty() {
            self.mistakes.push(Mistake::Help { name: name.to_owned() });
        }
    }
}
