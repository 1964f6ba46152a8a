//! The handles that values are recorded with.

use std::{
    fmt,
    marker::PhantomData,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hardpoint_core::{Time, TraceId};

use super::{
    Bounds,
    cells::Cell,
    family::{Family as Core, Series},
    thread,
};

/// The labels of a family's series: names that are fixed, and the values of one series.
///
/// Implement it for a struct or an enum whose values are few and known. Avoid client input, such
/// as a path, an address or an id.
///
/// ```
/// use hardpoint_observability::metrics::Labels;
///
/// struct Call {
///     model: &'static str,
///     cached: bool,
/// }
///
/// impl Labels for Call {
///     const NAMES: &'static [&'static str] = &["model", "cached"];
///
///     fn values(&self, add: &mut dyn FnMut(&str)) {
///         add(self.model);
///         add(if self.cached { "true" } else { "false" });
///     }
/// }
/// ```
pub trait Labels {
    /// The names of the labels.
    const NAMES: &'static [&'static str];

    /// Calls `add` with the value of each label, in the order of [`NAMES`](Self::NAMES). A value
    /// longer than 128 bytes is cut. An empty value is the same as no label.
    fn values(&self, add: &mut dyn FnMut(&str));
}

impl Labels for () {
    const NAMES: &'static [&'static str] = &[];

    fn values(&self, _add: &mut dyn FnMut(&str)) {}
}

/// A metric with labels: one [`Counter`], [`Histogram`] or other handle for each combination of
/// their values.
///
/// At most [`max_series`](super::MetricsBuilder::max_series) combinations get a series of their
/// own. All others share one, whose only label is `otel_metric_overflow="true"`.
pub struct Family<L, M> {
    core: Arc<Core>,
    time: Time,
    types: PhantomData<fn(&L) -> M>,
}

impl<L, M> Family<L, M> {
    pub(super) fn new(core: Arc<Core>, time: Time) -> Self {
        Self { core, time, types: PhantomData }
    }
}

impl<L, M> Clone for Family<L, M> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core), time: self.time.clone(), types: PhantomData }
    }
}

impl<L, M> fmt::Debug for Family<L, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Family").field(&self.core).finish()
    }
}

/// A series and its family.
#[derive(Clone, Debug)]
struct Bound {
    series: Arc<Series>,
    family: Arc<Core>,
}

/// Counts events. It never goes down.
#[derive(Clone, Debug)]
pub struct Counter(Bound);

impl Counter {
    /// Adds 1.
    #[inline]
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `count`.
    #[inline]
    pub fn add(&self, count: u64) {
        write(&self.0.series, 0, |cell| cell.add(count));
    }
}

/// Sums up amounts that have fractions, such as costs. It never goes down.
#[derive(Clone, Debug)]
pub struct FloatCounter(Bound);

impl FloatCounter {
    /// Adds `amount`. An amount that is negative, infinite or not a number is refused and counted
    /// by `hardpoint_metrics_refused_total`.
    #[inline]
    pub fn add(&self, amount: f64) {
        if is_amount(amount) {
            write(&self.0.series, 0, |cell| cell.add_float(amount));
        } else {
            self.0.family.refuse();
        }
    }
}

/// A number that is set, such as a temperature or the time of the last success.
///
/// All threads share it, so it is meant for values that change seldom. To count what goes up and
/// down on many threads, use [`UpDown`].
#[derive(Clone, Debug)]
pub struct Gauge(Bound);

impl Gauge {
    /// Sets the value. One that is not a number is refused and counted by
    /// `hardpoint_metrics_refused_total`.
    #[inline]
    pub fn set(&self, value: f64) {
        if value.is_nan() {
            self.0.family.refuse();
        } else {
            self.0.series.gauge.store(value.to_bits(), Ordering::Relaxed);
        }
    }
}

/// A count that goes up and down, such as requests in flight or the length of a queue.
///
/// What one thread adds another may take away.
#[derive(Clone, Debug)]
pub struct UpDown(Bound);

impl UpDown {
    /// Adds `count`, which may be negative.
    #[inline]
    pub fn add(&self, count: i64) {
        write(&self.0.series, 0, |cell| cell.add(count.cast_unsigned()));
    }

    /// Adds 1 now, and takes it away when the guard is dropped.
    #[must_use = "it counts until it is dropped"]
    pub fn guard(&self) -> UpDownGuard {
        self.add(1);
        UpDownGuard(self.clone())
    }
}

/// Counts as 1 until it is dropped. See [`UpDown::guard`].
#[derive(Debug)]
pub struct UpDownGuard(UpDown);

impl Drop for UpDownGuard {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}

/// Counts values by size, such as durations and sizes.
#[derive(Clone, Debug)]
pub struct Histogram {
    bound: Bound,
    time: Time,
    bounds: Bounds,
    /// The place of the sum: it follows the buckets.
    sum: usize,
}

impl Histogram {
    /// Records a value. One that is negative, infinite or not a number is refused and counted by
    /// `hardpoint_metrics_refused_total`.
    #[inline]
    pub fn record(&self, value: f64) {
        self.observe(value);
    }

    /// Records a duration, in seconds.
    #[inline]
    pub fn record_duration(&self, duration: Duration) {
        self.record(duration.as_secs_f64());
    }

    /// Records a value that belongs to a trace. The first such value of each bucket after a scrape
    /// is its exemplar.
    #[inline]
    pub fn record_in_trace(&self, value: f64, trace: TraceId) {
        if let Some(bucket) = self.observe(value) {
            self.bound.series.exemplars.offer(bucket, value, trace, &self.time);
        }
    }

    /// Returns the value's bucket, or `None` if it was refused.
    #[inline]
    fn observe(&self, value: f64) -> Option<usize> {
        if !is_amount(value) {
            self.bound.family.refuse();
            return None;
        }
        let bucket = bucket(&self.bounds, value);
        let sum = self.sum;
        thread::write(self.bound.series.run, |cells| {
            if let (Some(count), Some(sum)) = (cells.get(bucket), cells.get(sum)) {
                count.add(1);
                sum.add_float(value);
            }
        });
        Some(bucket)
    }
}

/// The number of the bucket that a value belongs to.
#[inline]
pub(super) fn bucket(bounds: &Bounds, value: f64) -> usize {
    // All bounds are compared, without a branch that depends on the value.
    bounds.as_slice().iter().filter(|bound| value > **bound).count()
}

#[inline]
pub(super) fn write(series: &Series, place: usize, write: impl Fn(&Cell)) {
    thread::write(series.run, |cells| {
        if let Some(cell) = cells.get(place) {
            write(cell);
        }
    });
}

fn is_amount(value: f64) -> bool {
    (0.0..f64::INFINITY).contains(&value)
}

macro_rules! instruments {
    ($($name:ident: $bind:expr,)*) => {$(
        impl<L: Labels> Family<L, $name> {
            /// Returns the handle of these labels.
            ///
            /// Call it once for each combination, when the service is built, and keep the handle.
            /// Each call costs tens of nanoseconds; recording with a handle costs a few.
            #[must_use]
            pub fn with(&self, labels: &L) -> $name {
                let series = self.core.series(|add| labels.values(add));
                let bind: fn(Bound, &Time) -> $name = $bind;
                bind(Bound { series, family: Arc::clone(&self.core) }, &self.time)
            }
        }
    )*};
}

instruments! {
    Counter: |bound, _| Counter(bound),
    FloatCounter: |bound, _| FloatCounter(bound),
    Gauge: |bound, _| Gauge(bound),
    Histogram: |bound, time| {
        // Families of histograms have one metric, whose buckets come first.
        let bounds = bound.family.bounds(0).clone();
        Histogram { sum: bounds.as_slice().len() + 1, bounds, bound, time: time.clone() }
    },
    UpDown: |bound, _| UpDown(bound),
}
