//! The metrics of requests, named by OpenTelemetry's semantic conventions.

use std::sync::Arc;

use hardpoint_core::{
    Outcome, Time,
    event::{Ending, RequestEnded, RequestStarted},
};

use super::{
    Bounds, MetricsBuilder, Unit,
    cells::Cell,
    family::{Family, Kind, Metric, Series, Shape, with_scratch},
    instrument, thread,
};
use crate::record::entry::UNMATCHED;

const LABELS: [&str; 5] =
    ["http_request_method", "url_scheme", "http_route", "http_response_status_code", "error_type"];

/// The bounds of durations, of request bodies and of response bodies, in the order of the cells.
const BOUNDS: [Bounds; 3] = [Bounds::SECONDS, Bounds::BYTES, Bounds::BYTES];

/// Ends a part of a key that has no fixed length. It is not in UTF-8.
const END: u8 = 0xff;

pub(super) struct Http {
    time: Time,
    active: Arc<Family>,
    /// Durations and both sizes of bodies: one look-up and one run of cells for all three.
    requests: Arc<Family>,
}

impl Http {
    pub(super) fn declare(metrics: &mut MetricsBuilder) -> Self {
        let active = metrics.in_flight(
            "http_server_active_requests",
            &["http_request_method", "url_scheme"],
            "Requests that are being served, until their response body has ended.",
        );
        let mut shape = Shape::default();
        let [duration, incoming, outgoing] = BOUNDS;
        let all = [
            (
                "http_server_request_duration_seconds",
                Unit::SECONDS,
                duration,
                "Time from the first layer to the end of the response body.",
            ),
            (
                "http_server_request_body_size_bytes",
                Unit::BYTES,
                incoming,
                "Declared size of the request body; a chunked one is not counted.",
            ),
            (
                "http_server_response_body_size_bytes",
                Unit::BYTES,
                outgoing,
                "Bytes of the response body that were passed to the server.",
            ),
        ];
        let mut families = Vec::new();
        for (name, unit, bounds, help) in all {
            let exemplars = unit == Unit::SECONDS;
            let kind = metrics.histogram_kind(name, bounds, exemplars, &mut shape);
            families.push(Metric { name, unit: unit.as_str(), help, kind });
        }
        let requests = metrics.group(&LABELS, families, shape);
        Self { time: metrics.clock().clone(), active, requests }
    }

    pub(super) fn started(&self, event: &RequestStarted) {
        self.count_active(event.method, event.scheme.as_str(), 1);
    }

    pub(super) fn ended(&self, event: &RequestEnded<'_>) {
        self.count_active(event.method, event.scheme.as_str(), -1);
        with_scratch(|key| {
            write_key(key, event);
            let decode = |add: &mut dyn FnMut(&str)| {
                add(event.method);
                add(event.scheme.as_str());
                add(event.route.unwrap_or(UNMATCHED));
                let status = event.status.map(|status| status.to_string()).unwrap_or_default();
                add(&status);
                add(match error(event) {
                    Problem::None => "",
                    Problem::Status => &status,
                    Problem::Word(word) => word,
                });
            };
            self.requests.with_key(key, decode, |series| self.record(series, event));
        });
    }

    fn record(&self, series: &Series, event: &RequestEnded<'_>) {
        let seconds = event.duration.as_secs_f64();
        let bucket = self.observe(series, seconds, event);
        if let Some(trace) = event.trace.filter(|trace| trace.is_sampled()) {
            series.exemplars.offer(bucket, seconds, trace.trace_id, &self.time);
        }
    }

    /// Records all three values at once. Returns the bucket of the duration.
    fn observe(&self, series: &Series, seconds: f64, event: &RequestEnded<'_>) -> usize {
        #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 bytes")]
        let (incoming, outgoing) =
            (event.bytes_in.map(|bytes| bytes as f64), event.bytes_out as f64);
        let values = [Some(seconds), incoming, Some(outgoing)];
        let mut buckets = [0; 3];
        let metrics = self.requests.metrics.iter().zip(values);
        for (bucket, (metric, value)) in buckets.iter_mut().zip(metrics) {
            if let Kind::Histogram { bounds, first, .. } = &metric.kind {
                *bucket = first + instrument::bucket(bounds, value.unwrap_or(0.0));
            }
        }
        thread::write(series.run, |cells| {
            for (number, (bucket, value)) in buckets.iter().zip(values).enumerate() {
                if let Some(value) = value {
                    add(cells, *bucket, self.requests.float(number), value);
                }
            }
        });
        let [bucket, ..] = buckets;
        bucket
    }

    fn count_active(&self, method: &'static str, scheme: &'static str, number: i64) {
        self.active.with_values(
            |add| {
                add(method);
                add(scheme);
            },
            |series| instrument::write(series, 0, |cell| cell.add(number.cast_unsigned())),
        );
    }
}

fn add(cells: &[Cell], bucket: usize, sum: usize, value: f64) {
    if let (Some(count), Some(sum)) = (cells.get(bucket), cells.get(sum)) {
        count.add(1);
        sum.add_float(value);
    }
}

/// What `error.type` is.
enum Problem {
    /// The request succeeded, or the client made a mistake.
    None,
    /// The status says it.
    Status,
    Word(&'static str),
}

fn error(event: &RequestEnded<'_>) -> Problem {
    match event.ending {
        Ending::Ok | Ending::Known(Outcome::Rejected) => Problem::None,
        Ending::Known(Outcome::Failed) if event.status.is_some_and(|status| status >= 500) => {
            Problem::Status
        }
        other => Problem::Word(other.as_str()),
    }
}

/// Writes what tells one series from another.
fn write_key(key: &mut Vec<u8>, event: &RequestEnded<'_>) {
    key.extend_from_slice(event.method.as_bytes());
    key.push(END);
    key.push(u8::from(event.scheme.as_str() == "https"));
    key.extend_from_slice(&event.status.unwrap_or(0).to_be_bytes());
    match error(event) {
        Problem::None => {}
        Problem::Status => key.push(b'5'),
        Problem::Word(word) => key.extend_from_slice(word.as_bytes()),
    }
    key.push(END);
    key.extend_from_slice(event.route.unwrap_or(UNMATCHED).as_bytes());
}
