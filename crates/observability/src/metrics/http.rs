//! The metrics of requests, named by OpenTelemetry's semantic conventions.

use std::{
    cell::RefCell,
    sync::{Arc, OnceLock},
};

use hardpoint_core::{
    Outcome, Scheme, Time,
    event::{Ending, RequestEnded, RequestStarted},
};

use super::{
    Bounds, MetricsBuilder, Unit,
    cells::Cell,
    family::{Family, Metric, Series, Shape},
    instrument,
    key::{self, END},
    thread,
};
use crate::record::entry::UNMATCHED;

const LABELS: [&str; 5] =
    ["http_request_method", "url_scheme", "http_route", "http_response_status_code", "error_type"];

/// The methods that a series is prepared for: all that the record reports.
const METHODS: [&str; 10] =
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "_OTHER"];

/// Buckets of durations, and of sizes of bodies.
const SECONDS: usize = Bounds::SECONDS.as_slice().len() + 1;
const BYTES: usize = Bounds::BYTES.as_slice().len() + 1;

/// The first bucket of durations, of request bodies and of response bodies; then the three sums.
const FIRST: [usize; 3] = [0, SECONDS, SECONDS + BYTES];
const SUMS: usize = SECONDS + 2 * BYTES;

pub(super) struct Http {
    time: Time,
    active: Arc<Family>,
    /// Those of [`METHODS`], over http and https.
    known_active: [[OnceLock<Arc<Series>>; 2]; METHODS.len()],
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
        let all = [
            (
                "http_server_request_duration_seconds",
                Unit::SECONDS,
                Bounds::SECONDS,
                "Time from the first layer to the end of the response body.",
            ),
            (
                "http_server_request_body_size_bytes",
                Unit::BYTES,
                Bounds::BYTES,
                "Declared size of the request body; a chunked one is not counted.",
            ),
            (
                "http_server_response_body_size_bytes",
                Unit::BYTES,
                Bounds::BYTES,
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
        let known_active = Default::default();
        Self { time: metrics.clock().clone(), active, known_active, requests }
    }

    pub(super) fn started(&self, event: &RequestStarted) {
        self.count_active(event.method, event.scheme, 1);
    }

    pub(super) fn ended(&self, event: &RequestEnded<'_>) {
        self.count_active(event.method, event.scheme, -1);
        let route = event.route.unwrap_or(UNMATCHED);
        let Some(facts) = Facts::of(event) else {
            return self.record(&self.find(route, event).unwrap_or_else(|| self.overflow()), event);
        };
        let hash = key::hash(self.requests.id() ^ facts.0, route.as_bytes());
        let known = SEEN.try_with(|seen| {
            let seen = seen.try_borrow().ok()?;
            let is = |entry: &Seen| {
                entry.facts == facts && entry.family == self.requests.id() && *entry.route == *route
            };
            let entry = set(&seen, hash)?.iter().flatten().find(|entry| is(entry))?;
            self.record(&entry.series, event);
            Some(())
        });
        if !matches!(known, Ok(Some(()))) {
            self.ended_first(hash, facts, route, event);
        }
    }

    /// As [`ended`](Self::ended), for what this thread has not seen lately.
    #[cold]
    fn ended_first(&self, hash: u64, facts: Facts, route: &str, event: &RequestEnded<'_>) {
        let Some(series) = self.find(route, event) else {
            return self.record(&self.overflow(), event);
        };
        self.record(&series, event);
        let family = self.requests.id();
        remember(hash, Seen { family, facts, route: route.into(), series });
    }

    #[cold]
    fn find(&self, route: &str, event: &RequestEnded<'_>) -> Option<Arc<Series>> {
        let status = event.status.map(|status| status.to_string()).unwrap_or_default();
        let error = match error_type(event) {
            ErrorType::None => "",
            ErrorType::Status => &status,
            ErrorType::Word(word) => word,
        };
        let labels = [event.method, event.scheme.as_str(), route, &status, error];
        let mut key = Vec::new();
        for label in labels {
            key.extend_from_slice(label.as_bytes());
            key.push(END);
        }
        self.requests.find(&key, |add| labels.into_iter().for_each(add))
    }

    fn overflow(&self) -> Arc<Series> {
        Arc::clone(self.requests.overflow())
    }

    #[inline]
    fn record(&self, series: &Series, event: &RequestEnded<'_>) {
        let seconds = event.duration.as_secs_f64();
        let bucket = instrument::bucket(&Bounds::SECONDS, seconds);
        #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 bytes")]
        let [incoming, outgoing] = [
            event.bytes_in.map(|bytes| (bytes, bytes as f64)),
            Some((event.bytes_out, event.bytes_out as f64)),
        ];
        thread::write(series.run, |cells| {
            let [duration, request, response] = FIRST;
            add(cells, duration + bucket, SUMS, seconds);
            if let Some((bytes, value)) = incoming {
                add(cells, request + size_bucket(bytes), SUMS + 1, value);
            }
            if let Some((bytes, value)) = outgoing {
                add(cells, response + size_bucket(bytes), SUMS + 2, value);
            }
        });
        if let Some(trace) = event.trace.filter(|trace| trace.is_sampled()) {
            series.exemplars.offer(bucket, seconds, trace.trace_id, &self.time);
        }
    }

    #[inline]
    fn count_active(&self, method: &'static str, scheme: Scheme, number: i64) {
        let write = |series: &Series| {
            instrument::write(series, 0, |cell| cell.add(number.cast_unsigned()));
        };
        let known = known(method).and_then(|index| self.known_active.get(index));
        match known.map(|[http, https]| if scheme == Scheme::Https { https } else { http }) {
            Some(slot) => write(slot.get_or_init(|| self.active_series(method, scheme))),
            None => write(&self.active_series(method, scheme)),
        }
    }

    #[cold]
    fn active_series(&self, method: &str, scheme: Scheme) -> Arc<Series> {
        self.active.series(|add| {
            add(method);
            add(scheme.as_str());
        })
    }
}

#[inline]
fn add(cells: &[Cell], bucket: usize, sum: usize, value: f64) {
    if let (Some(count), Some(sum)) = (cells.get(bucket), cells.get(sum)) {
        count.add(1);
        sum.add_float(value);
    }
}

/// The bucket of a size in [`Bounds::BYTES`], which are powers of four from 64 on.
#[inline]
fn size_bucket(bytes: u64) -> usize {
    // The number of digits in base 4 of the largest smaller size.
    let digits = (64 - bytes.saturating_sub(1).leading_zeros()).div_ceil(2);
    (digits as usize).clamp(3, 3 + BYTES - 1) - 3
}

/// The index of a method in [`METHODS`].
#[inline]
fn known(method: &str) -> Option<usize> {
    Some(match method {
        "CONNECT" => 0,
        "DELETE" => 1,
        "GET" => 2,
        "HEAD" => 3,
        "OPTIONS" => 4,
        "PATCH" => 5,
        "POST" => 6,
        "PUT" => 7,
        "TRACE" => 8,
        "_OTHER" => 9,
        _ => return None,
    })
}

/// What `error_type` is.
pub(crate) enum ErrorType {
    /// The request succeeded, or the client made a mistake.
    None,
    /// The status says it.
    Status,
    Word(&'static str),
}

pub(crate) fn error_type(event: &RequestEnded<'_>) -> ErrorType {
    match event.ending {
        Ending::Ok | Ending::Known(Outcome::Rejected) => ErrorType::None,
        Ending::Known(Outcome::Failed) if event.status.is_some_and(|status| status >= 500) => {
            ErrorType::Status
        }
        other => ErrorType::Word(other.as_str()),
    }
}

/// What tells one series from another beside the route, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Facts(u64);

impl Facts {
    /// Returns `None` for methods and endings that this version does not know.
    #[inline]
    fn of(event: &RequestEnded<'_>) -> Option<Self> {
        let ending = match event.ending {
            Ending::Ok | Ending::Known(Outcome::Rejected) => 0_u8,
            Ending::Aborted => 1,
            Ending::Cancelled => 2,
            Ending::Known(Outcome::Failed) => 3,
            Ending::Known(Outcome::Panicked) => 4,
            Ending::Known(Outcome::Shed) => 5,
            Ending::Known(Outcome::TimedOut) => 6,
            _ => return None,
        };
        let method = known(event.method)? as u64;
        let https = u64::from(event.scheme == Scheme::Https);
        let status = u64::from(event.status.unwrap_or(0));
        Some(Self(method | https << 8 | u64::from(ending) << 16 | status << 24))
    }
}

/// The series of requests that a thread has seen.
struct Seen {
    family: u64,
    facts: Facts,
    route: Box<str>,
    series: Arc<Series>,
}

/// More than most services have combinations of route and status; those that a key can be among.
const ENTRIES: usize = 512;
const SET: usize = 4;

thread_local! {
    static SEEN: RefCell<Vec<Option<Seen>>> = const { RefCell::new(Vec::new()) };
}

#[inline]
fn set(seen: &[Option<Seen>], hash: u64) -> Option<&[Option<Seen>; SET]> {
    seen.get(first_of_set(hash)..)?.first_chunk()
}

/// Puts an entry in the place of the oldest of its set. A thread that is ending remembers nothing.
fn remember(hash: u64, entry: Seen) {
    let _remembered = SEEN.try_with(|seen| {
        let mut seen = seen.try_borrow_mut().ok()?;
        if seen.is_empty() {
            seen.resize_with(ENTRIES, || None);
        }
        let set = seen.get_mut(first_of_set(hash)..)?.first_chunk_mut::<SET>()?;
        set.rotate_right(1);
        set.first_mut()?.replace(entry)
    });
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "as many bits as there are sets")]
const fn first_of_set(hash: u64) -> usize {
    // The highest bits are the best mixed ones.
    (hash >> (64 - (ENTRIES / SET).ilog2())) as usize * SET
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_the_buckets_of_their_bounds() {
        let near = (0..40).map(|shift| 1_u64 << shift);
        for bytes in near.flat_map(|bytes| [bytes - 1, bytes, bytes + 1]).chain([u64::MAX]) {
            #[expect(clippy::cast_precision_loss, reason = "only the largest is rounded")]
            let expected = instrument::bucket(&Bounds::BYTES, bytes as f64);
            assert_eq!(size_bucket(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn each_method_has_its_own_place() {
        for (index, method) in METHODS.iter().enumerate() {
            assert_eq!(known(method), Some(index));
        }
        assert_eq!(known("BREW"), None);
    }
}
