//! All metrics as `Metric` messages of opentelemetry-proto, in pages.
//!
//! Names are those of the text format without the suffixes that its readers add: `_total`, and the
//! units seconds and bytes. The metrics of requests have the names and attributes of the semantic
//! conventions.

use std::{borrow::Cow, time::Duration};

use super::{
    Bounds, Metrics,
    cells::Reader,
    exemplar::{Exemplar, Exemplars},
    family::{Family, Kind, OVERFLOW, Series},
    source::{Lost, Observed, ObservedKind, Source},
    thread,
};
use crate::{
    otlp::wire::{self, Any},
    record::entry::UNMATCHED,
};

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u64 = 2;

/// The most bytes that are encoded before the series of a family are unlocked for a moment.
const PIECE: usize = 16 * 1024;

/// The names of the semantic conventions.
const NAMES: [(&str, &str); 10] = [
    ("error_type", "error.type"),
    ("http_client_request_duration", "http.client.request.duration"),
    ("http_request_method", "http.request.method"),
    ("http_response_status_code", "http.response.status_code"),
    ("http_route", "http.route"),
    ("http_server_active_requests", "http.server.active_requests"),
    ("http_server_request_body_size", "http.server.request.body.size"),
    ("http_server_request_duration", "http.server.request.duration"),
    ("http_server_response_body_size", "http.server.response.body.size"),
    ("url_scheme", "url.scheme"),
];

/// The time of the values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Before the first value was recorded, since 1970.
    pub(crate) start: Duration,
    pub(crate) now: Duration,
}

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Gauge,
    Histogram,
    /// A sum, which only grows if it is monotonic.
    Sum {
        monotonic: bool,
    },
}

impl Metrics {
    /// Encodes all metrics, as records of batches, in pages of about `most` bytes. Calls `each` with
    /// every page and the number of data points in it.
    pub(crate) fn encode(&self, window: Window, most: usize, each: &mut dyn FnMut(Vec<u8>, u64)) {
        let mut pages = Pages { page: Vec::new(), points: 0, most, window, each };
        for source in self.sources() {
            match source {
                Source::Family(family, metric) => pages.family(family, *metric),
                Source::Observed(observed) => pages.observed(observed),
                Source::Lost(lost) => pages.lost(*lost, self.sources()),
            }
        }
        pages.end();
    }
}

struct Pages<'a> {
    page: Vec<u8>,
    /// The data points of the page.
    points: u64,
    most: usize,
    window: Window,
    each: &'a mut dyn FnMut(Vec<u8>, u64),
}

/// A metric whose points are being encoded.
struct Head<'a> {
    name: &'a str,
    unit: &'a str,
    help: &'a str,
    shape: Shape,
}

impl Pages<'_> {
    fn family(&mut self, family: &Family, metric: usize) {
        let Some(metric) = family.metrics.get(metric) else { return };
        let shape = match metric.kind {
            Kind::Counter(_) | Kind::FloatCounter(_) => Shape::Sum { monotonic: true },
            Kind::UpDown(_) => Shape::Sum { monotonic: false },
            Kind::Gauge => Shape::Gauge,
            Kind::Histogram { .. } => Shape::Histogram,
        };
        let head = Head { name: metric.name, unit: metric.unit, help: metric.help, shape };
        let window = self.window;
        let (mut first, mut all) = (0, false);
        let (mut points, mut count) = (Vec::new(), 0);
        while !all {
            let begin = points.len();
            all = family.each(first, |series, reader| {
                sample(&mut points, window, family, &metric.kind, series, reader);
                (first, count) = (first + 1, count + 1);
                points.len() - begin < PIECE
            });
            if points.len() >= self.most {
                self.metric(&head, &points, count);
                points.clear();
                count = 0;
            }
        }
        self.metric(&head, &points, count);
    }

    fn observed(&mut self, observed: &Observed) {
        let shape = match observed.kind {
            ObservedKind::Counter => Shape::Sum { monotonic: true },
            ObservedKind::Gauge => Shape::Gauge,
            // The resource has it.
            ObservedKind::Info => return,
        };
        let (mut points, mut count) = (Vec::new(), 0);
        (observed.read)(&mut |labels, value| {
            number(&mut points, self.window, labels, Number::Double(value));
            count += 1;
        });
        let Observed { name, unit, help, .. } = *observed;
        self.metric(&Head { name, unit, help, shape }, &points, count);
    }

    fn lost(&mut self, lost: Lost, sources: &[Source]) {
        let (mut points, mut count) = (Vec::new(), 0);
        for source in sources {
            // Metrics that share their series share these counts.
            let Source::Family(family, 0) = source else { continue };
            let counts = family.counts(&thread::read());
            let value = match lost {
                Lost::Overflowed if family.has_labels() => counts.overflowed,
                Lost::Refused if family.can_refuse() => counts.refused,
                Lost::Overflowed | Lost::Refused => continue,
            };
            let labels = format!("metric=\"{}\"", source.name());
            number(&mut points, self.window, &labels, Number::Int(value.cast_signed()));
            count += 1;
        }
        let shape = Shape::Sum { monotonic: true };
        self.metric(
            &Head { name: lost.name(), unit: "", help: lost.help(), shape },
            &points,
            count,
        );
    }

    /// Appends a metric with these data points to the page.
    fn metric(&mut self, head: &Head<'_>, points: &[u8], count: u64) {
        if count == 0 {
            return;
        }
        if self.points > 0 && self.page.len() + points.len() > self.most {
            self.end();
        }
        wire::message::<2>(&mut self.page, 2, |out| {
            let (name, unit) = translated(head);
            wire::text(out, 1, name);
            wire::text(out, 2, head.help);
            wire::text(out, 3, unit);
            let field = match head.shape {
                Shape::Gauge => 5,
                Shape::Sum { .. } => 7,
                Shape::Histogram => 9,
            };
            wire::message::<2>(out, field, |out| {
                out.extend_from_slice(points);
                if head.shape != Shape::Gauge {
                    wire::uint(out, 2, CUMULATIVE);
                }
                if head.shape == (Shape::Sum { monotonic: true }) {
                    wire::uint(out, 3, 1);
                }
            });
        });
        self.points += count;
    }

    fn end(&mut self) {
        if self.points > 0 {
            (self.each)(std::mem::take(&mut self.page), std::mem::take(&mut self.points));
        }
    }
}

/// The exported name and unit of a metric.
fn translated<'a>(head: &Head<'a>) -> (&'a str, &'a str) {
    let name = head.name.strip_suffix("_total").unwrap_or(head.name);
    let (suffix, unit) = match head.unit {
        "seconds" => ("_seconds", "s"),
        "bytes" => ("_bytes", "By"),
        "ratio" => ("", "1"),
        _ => ("", ""),
    };
    let name = name.strip_suffix(suffix).unwrap_or(name);
    (conventional(name).unwrap_or(name), unit)
}

fn conventional(name: &str) -> Option<&'static str> {
    let found = NAMES.iter().find(|(known, _)| *known == name);
    found.map(|(_, conventional)| *conventional)
}

/// Appends the data point of a series.
fn sample(
    out: &mut Vec<u8>,
    window: Window,
    family: &Family,
    kind: &Kind,
    series: &Series,
    reader: &Reader<'_>,
) {
    let integer = |place: usize| {
        let mut sum = [0];
        reader.integers(series.run, place, &mut sum);
        let [sum] = sum;
        Number::Int(sum.cast_signed())
    };
    let value = match kind {
        Kind::Counter(place) | Kind::UpDown(place) => integer(*place),
        Kind::FloatCounter(place) => Number::Double(reader.float(series.run, *place)),
        Kind::Gauge => Number::Double(series.value()),
        Kind::Histogram { first, sum, bounds, exemplars, .. } => {
            let mut counts = [0; Bounds::MAX + 1];
            let counts = counts.get_mut(..=bounds.as_slice().len()).unwrap_or_default();
            reader.integers(series.run, *first, counts);
            let sum = reader.float(series.run, family.float(*sum));
            let exemplars = exemplars.then_some(&series.exemplars);
            return histogram(out, window, &series.labels, (counts, sum, bounds), exemplars);
        }
    };
    number(out, window, &series.labels, value);
}

#[derive(Clone, Copy)]
enum Number {
    Double(f64),
    Int(i64),
}

/// Appends a `NumberDataPoint`.
fn number(out: &mut Vec<u8>, window: Window, labels: &str, value: Number) {
    wire::message::<1>(out, 1, |out| {
        times(out, window);
        match value {
            Number::Double(value) => wire::double(out, 4, value),
            Number::Int(value) => wire::fixed64(out, 6, value.cast_unsigned()),
        }
        attributes(out, 7, labels);
    });
}

/// Appends a `HistogramDataPoint`.
fn histogram(
    out: &mut Vec<u8>,
    window: Window,
    labels: &str,
    (counts, sum, bounds): (&[u64], f64, &Bounds),
    exemplars: Option<&Exemplars>,
) {
    wire::message::<2>(out, 1, |out| {
        times(out, window);
        let all = counts.iter().fold(0, |all: u64, count| all.wrapping_add(*count));
        wire::fixed64(out, 4, all);
        wire::double(out, 5, sum);
        packed(out, 6, counts.iter().copied());
        packed(out, 7, bounds.as_slice().iter().map(|bound| bound.to_bits()));
        for bucket in 0..counts.len() {
            if let Some(exemplar) = exemplars.and_then(|exemplars| exemplars.read(bucket)) {
                wire::message::<1>(out, 8, |out| write_exemplar(out, &exemplar));
            }
        }
        attributes(out, 9, labels);
    });
}

fn times(out: &mut Vec<u8>, window: Window) {
    wire::fixed64(out, 2, wire::nanos(window.start));
    wire::fixed64(out, 3, wire::nanos(window.now));
}

/// Appends numbers of eight bytes each, in one field.
fn packed(out: &mut Vec<u8>, field: u32, numbers: impl ExactSizeIterator<Item = u64>) {
    wire::head(out, field, numbers.len() * 8);
    for number in numbers {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

fn write_exemplar(out: &mut Vec<u8>, exemplar: &Exemplar) {
    wire::fixed64(out, 2, wire::nanos(exemplar.unix));
    wire::double(out, 3, exemplar.value);
    wire::bytes(out, 5, &exemplar.trace.to_bytes());
}

/// Appends the labels of the text format as attributes.
fn attributes(out: &mut Vec<u8>, field: u32, labels: &str) {
    for (name, value) in Labels(labels) {
        let conventional = conventional(name);
        let name = conventional.unwrap_or(name);
        match name {
            OVERFLOW => wire::attribute(out, field, "otel.metric.overflow", Any::Bool(true)),
            // The conventions: absent if no route matched.
            "http.route" if value == UNMATCHED => {}
            "http.response.status_code" => {
                let status = value.parse().map_or(Any::Text(&value), Any::Int);
                wire::attribute(out, field, name, status);
            }
            _ => wire::attribute(out, field, name, Any::Text(&value)),
        }
    }
}

/// Reads `a="1",b="2"`, with the escapes of the text format.
struct Labels<'a>(&'a str);

impl<'a> Iterator for Labels<'a> {
    type Item = (&'a str, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = self.0.split_once("=\"")?;
        let mut escaped = false;
        let end = rest.find(|char| match char {
            _ if escaped => {
                escaped = false;
                false
            }
            '\\' => {
                escaped = true;
                false
            }
            char => char == '"',
        })?;
        let (value, rest) = rest.split_at(end);
        self.0 = rest.trim_start_matches('"').trim_start_matches(',');
        Some((name, unescaped(value)))
    }
}

fn unescaped(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return value.into();
    }
    let mut text = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => text.push(match chars.next() {
                Some('n') => '\n',
                Some(other) => other,
                None => '\\',
            }),
            other => text.push(other),
        }
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_the_text_format_are_read_back() {
        let values = ["plain", "a\"b", "\\", "\n", "a,b=\"c\"", ""];
        let mut encoded = String::new();
        for value in values {
            super::super::encode::label(&mut encoded, "x", value);
        }
        let read: Vec<_> = Labels(&encoded).map(|(_, value)| value.into_owned()).collect();
        assert_eq!(read, &values[..5], "an empty value is no label");
    }

    #[test]
    fn names_lose_what_readers_add_and_requests_have_those_of_the_conventions() {
        let name = |name, unit| translated(&Head { name, unit, help: "", shape: Shape::Gauge });
        assert_eq!(name("orders_total", ""), ("orders", ""));
        assert_eq!(name("process_cpu_seconds_total", "seconds"), ("process_cpu", "s"));
        assert_eq!(name("cost_dollars_total", "dollars"), ("cost_dollars", ""));
        assert_eq!(
            name("http_server_request_duration_seconds", "seconds"),
            ("http.server.request.duration", "s")
        );
        assert_eq!(
            name("http_server_response_body_size_bytes", "bytes"),
            ("http.server.response.body.size", "By")
        );
    }
}
