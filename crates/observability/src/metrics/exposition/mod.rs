//! The text that a scrape reads, in pieces.

mod negotiate;
mod write;

pub(super) use self::negotiate::negotiate;

use super::{
    Metrics,
    family::{Family, Kind, Metric, Series},
    source::{Lost, Observed, ObservedKind, Source},
    thread,
};
use crate::metrics::cells::Reader;
use write::{Labels, Page};

/// The format of an exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Prometheus text, version 0.0.4.
    Text,
    /// OpenMetrics text, version 1.0.0.
    OpenMetrics,
}

/// A piece ends when it is longer than this, after a whole series.
pub(super) const PIECE: usize = 16 * 1024;

/// How much of the exposition is written.
///
/// Only one piece is in memory at a time, however many series there are. Each series is summed up at
/// once; series in different pieces may be of slightly different times.
#[derive(Debug)]
pub(super) struct Exposition {
    metrics: Metrics,
    format: Format,
    source: usize,
    series: usize,
    headed: bool,
    ended: bool,
}

impl Exposition {
    pub(super) const fn new(metrics: Metrics, format: Format) -> Self {
        Self { metrics, format, source: 0, series: 0, headed: false, ended: false }
    }

    /// Writes the next piece. Returns `None` after the last one.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        if self.ended {
            return None;
        }
        let mut page = Page::new(self.format);
        while page.len() < PIECE {
            let Some(source) = self.metrics.sources().get(self.source) else {
                self.ended = true;
                page.end();
                break;
            };
            if !self.headed {
                head(&mut page, source);
                self.headed = true;
            }
            let (all, written) = body(&mut page, source, self.metrics.sources(), self.series);
            self.series += written;
            if all {
                (self.source, self.series, self.headed) = (self.source + 1, 0, false);
            }
        }
        Some(page.into_bytes())
    }
}

fn head(page: &mut Page, source: &Source) {
    match source {
        Source::Family(family, metric) => {
            let Some(metric) = family.metrics.get(*metric) else { return };
            let kind = match metric.kind {
                Kind::Counter(_) | Kind::FloatCounter(_) => "counter",
                Kind::Gauge | Kind::UpDown(_) => "gauge",
                Kind::Histogram { .. } => "histogram",
            };
            page.head(metric.name, kind, metric.unit, metric.help);
        }
        Source::Observed(observed) => {
            let kind = match observed.kind {
                ObservedKind::Counter => "counter",
                ObservedKind::Gauge => "gauge",
                ObservedKind::Info => "info",
            };
            page.head(observed.name, kind, observed.unit, observed.help);
        }
        Source::Lost(lost) => page.head(lost.name(), "counter", "", lost.help()),
    }
}

/// Writes the series of a source from the `first` on, until the page is full. Returns whether these
/// are all, and how many there are.
fn body(page: &mut Page, source: &Source, sources: &[Source], first: usize) -> (bool, usize) {
    match source {
        Source::Family(family, metric) => {
            let Some(metric) = family.metrics.get(*metric) else { return (true, 0) };
            let mut written = 0;
            let all = family.each(first, |series, reader| {
                sample(page, family, metric, series, reader);
                written += 1;
                page.len() < PIECE
            });
            (all, written)
        }
        Source::Observed(observed) => {
            observe(page, observed);
            (true, 1)
        }
        Source::Lost(lost) => {
            lose(page, *lost, sources);
            (true, 1)
        }
    }
}

fn sample(page: &mut Page, family: &Family, metric: &Metric, series: &Series, reader: &Reader<'_>) {
    let labels = Labels::new(&series.labels);
    let name = metric.name;
    match &metric.kind {
        Kind::Counter(place) => page.integer(name, "", labels, integer(series, reader, *place)),
        Kind::FloatCounter(place) => page.float(name, "", labels, reader.float(series.run, *place)),
        Kind::Gauge => page.float(name, "", labels, series.value()),
        Kind::UpDown(place) => {
            page.signed(name, labels, integer(series, reader, *place).cast_signed());
        }
        Kind::Histogram { first, sum, encoded, exemplars, .. } => {
            let mut counts = [0; super::Bounds::MAX + 1];
            let counts = counts.get_mut(..encoded.len()).unwrap_or_default();
            reader.integers(series.run, *first, counts);
            let mut all = 0_u64;
            for (bucket, (bound, count)) in encoded.iter().zip(counts.iter()).enumerate() {
                all = all.wrapping_add(*count);
                page.begin(name, "_bucket", labels.and(bound));
                page.number(all);
                if *exemplars && let Some(exemplar) = page.exemplar(&series.exemplars, bucket) {
                    page.write_exemplar(&exemplar);
                }
                page.line();
            }
            page.float(name, "_sum", labels, reader.float(series.run, family.float(*sum)));
            page.integer(name, "_count", labels, all);
        }
    }
}

fn integer(series: &Series, reader: &Reader<'_>, place: usize) -> u64 {
    let mut sum = [0];
    reader.integers(series.run, place, &mut sum);
    let [sum] = sum;
    sum
}

fn observe(page: &mut Page, observed: &Observed) {
    (observed.read)(&mut |labels, value| page.float(observed.name, "", Labels::new(labels), value));
}

fn lose(page: &mut Page, lost: Lost, sources: &[Source]) {
    for source in sources {
        // Metrics that share their series share these counts.
        let Source::Family(family, 0) = source else { continue };
        let applies = match lost {
            Lost::Overflowed => family.has_labels(),
            Lost::Refused => family.can_refuse(),
        };
        if applies {
            let counts = family.counts(&thread::read());
            let count = match lost {
                Lost::Overflowed => counts.overflowed,
                Lost::Refused => counts.refused,
            };
            page.integer(lost.name(), "", Labels::metric(source.name()), count);
        }
    }
}
