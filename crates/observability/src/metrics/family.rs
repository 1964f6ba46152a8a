//! The series of one or several metrics that share their labels.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    Bounds,
    cells::{Allocator, Cell, Reader, Run},
    encode,
    exemplar::Exemplars,
    key::{self, Key},
    recent::{self, Recent},
    thread,
};

/// The label of the series that takes what does not fit, as OpenTelemetry names it.
pub(super) const OVERFLOW: &str = "otel_metric_overflow";

/// The kind of a metric and where it is in its series' cells.
#[derive(Debug)]
pub(super) enum Kind {
    /// An integer at this place.
    Counter(usize),
    /// A float at this place.
    FloatCounter(usize),
    /// A number that is set.
    Gauge,
    /// An integer with a sign at this place.
    UpDown(usize),
    /// As many integers as there are buckets, and a float.
    Histogram {
        /// The place of the first bucket.
        first: usize,
        /// The place of the sum among the floats.
        sum: usize,
        bounds: Bounds,
        /// ` le="0.005"` of each bucket, encoded once.
        encoded: Vec<String>,
        /// Whether buckets have exemplars.
        exemplars: bool,
    },
}

/// One metric of a family.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
}

/// What a series needs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape {
    pub(super) integers: usize,
    pub(super) floats: usize,
    /// The number of buckets that have exemplars.
    pub(super) exemplars: usize,
}

/// Metrics that share their labels. A series has the cells of all of them in one run.
pub(super) struct Family {
    /// Unique in the process, so that no thread takes another family's series for this one's.
    id: u64,
    labels: Vec<&'static str>,
    pub(super) metrics: Vec<Metric>,
    shape: Shape,
    max: usize,
    allocator: Arc<Allocator<'static>>,
    table: RwLock<Table>,
    overflow: Arc<Series>,
    /// Two integers: how many look-ups overflowed, and how many values were refused.
    counts: Run,
}

#[derive(Default)]
struct Table {
    /// By their label values.
    known: HashMap<Box<[u8]>, Arc<Series>>,
    /// In the order of their creation.
    series: Vec<Arc<Series>>,
}

/// The series of one combination of label values.
#[derive(Debug)]
pub(super) struct Series {
    /// `a="1",b="2"`, escaped.
    pub(super) labels: Box<str>,
    pub(super) run: Run,
    /// The value of a gauge, as the bits of a float.
    pub(super) gauge: AtomicU64,
    pub(super) exemplars: Exemplars,
}

impl Family {
    pub(super) fn new(
        labels: &[&'static str],
        metrics: Vec<Metric>,
        shape: Shape,
        max: usize,
        allocator: &Arc<Allocator<'static>>,
    ) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let overflow = Series::new(format!("{OVERFLOW}=\"true\""), allocator, shape);
        Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            labels: labels.to_vec(),
            metrics,
            shape,
            max,
            allocator: Arc::clone(allocator),
            table: RwLock::default(),
            overflow: Arc::new(overflow),
            counts: allocator.run(2, 0),
        })
    }

    /// Returns the series of these label values, or the overflow series if there are too many.
    /// Missing values are empty, further ones are ignored.
    pub(super) fn series(&self, values: impl FnOnce(&mut dyn FnMut(&str))) -> Arc<Series> {
        self.with_values(values, Arc::clone)
    }

    /// As [`series`](Self::series), without touching the reference count, which threads share.
    pub(super) fn with_values<T>(
        &self,
        values: impl FnOnce(&mut dyn FnMut(&str)),
        then: impl Fn(&Arc<Series>) -> T,
    ) -> T {
        let mut key = Key::new();
        let mut left = self.labels.len();
        values(&mut |value| {
            if left > 0 {
                key.add(value);
                left -= 1;
            }
        });
        let key = key.as_slice();
        self.with_key(key, |add| key::decode(key, add), then)
    }

    /// Calls `then` with the series of a key. If the series is new, `decode` turns the key into the
    /// values of its labels.
    fn with_key<T>(
        &self,
        key: &[u8],
        decode: impl FnOnce(&mut dyn FnMut(&str)),
        then: impl Fn(&Arc<Series>) -> T,
    ) -> T {
        let hash = key::hash(self.id, key);
        match recent::recall(hash, self.id, key, &then) {
            Some(done) => done,
            None => self.find(key, decode).map_or_else(
                || then(self.overflow()),
                |series| {
                    let done = then(&series);
                    recent::remember(Recent { hash, family: self.id, key: key.into(), series });
                    done
                },
            ),
        }
    }

    /// Returns the series of a key, which is created if there is room for it. `decode` turns the key
    /// into the values of its labels.
    #[cold]
    pub(super) fn find(
        &self,
        key: &[u8],
        decode: impl FnOnce(&mut dyn FnMut(&str)),
    ) -> Option<Arc<Series>> {
        let table = self.read();
        if let Some(series) = table.known.get(key) {
            return Some(Arc::clone(series));
        }
        if table.series.len() >= self.max {
            return None;
        }
        drop(table);
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = table.known.get(key) {
            return Some(Arc::clone(series));
        }
        if table.series.len() >= self.max {
            return None;
        }
        let labels = self.encode(decode);
        let series = Arc::new(Series::new(labels, &self.allocator, self.shape));
        table.known.insert(key.into(), Arc::clone(&series));
        table.series.push(Arc::clone(&series));
        Some(series)
    }

    /// Counts a look-up that did not fit and returns the series that takes it.
    #[cold]
    pub(super) fn overflow(&self) -> &Arc<Series> {
        thread::write(self.counts, |cells| add(cells, OVERFLOWED));
        &self.overflow
    }

    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    fn encode(&self, decode: impl FnOnce(&mut dyn FnMut(&str))) -> String {
        let mut text = String::new();
        let mut names = self.labels.iter();
        decode(&mut |value| {
            if let Some(name) = names.next() {
                encode::label(&mut text, name, value);
            }
        });
        text
    }

    /// Counts a value that is not a number, or is infinite or negative.
    #[cold]
    pub(super) fn refuse(&self) {
        thread::write(self.counts, |cells| add(cells, REFUSED));
    }

    /// Calls `each` with the series from the `first` on until it returns `false`. The overflow
    /// series is the last, once it was used. Returns `false` if `each` did.
    pub(super) fn each(
        &self,
        first: usize,
        mut each: impl FnMut(&Series, &Reader<'_>) -> bool,
    ) -> bool {
        // In this order, because the table is also locked when a new series takes its cells.
        let table = self.read();
        let reader = thread::read();
        let overflow = (self.counts(&reader).overflowed > 0).then_some(&self.overflow);
        let mut all = table.series.iter().chain(overflow).skip(first);
        all.all(|series| each(series, &reader))
    }

    /// Sums up what did not fit and what was refused.
    pub(super) fn counts(&self, reader: &Reader<'_>) -> Counts {
        let mut sums = [0; 2];
        reader.integers(self.counts, 0, &mut sums);
        let [overflowed, refused] = sums;
        Counts { overflowed, refused }
    }

    /// The place of the float with this number in a series' run.
    #[inline]
    pub(super) const fn float(&self, number: usize) -> usize {
        self.shape.integers + number
    }

    /// The bounds of a metric, none if it is not a histogram.
    pub(super) fn bounds(&self, metric: usize) -> &Bounds {
        const NONE: &Bounds = &Bounds::NONE;

        match self.metrics.get(metric).map(|metric| &metric.kind) {
            Some(Kind::Histogram { bounds, .. }) => bounds,
            _ => NONE,
        }
    }

    /// Whether one of its metrics takes values that can be refused.
    pub(super) fn can_refuse(&self) -> bool {
        let counts = |metric: &Metric| matches!(metric.kind, Kind::Counter(_) | Kind::UpDown(_));
        !self.metrics.iter().all(counts)
    }

    pub(super) fn has_labels(&self) -> bool {
        !self.labels.is_empty()
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a family could not record as it was asked to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) overflowed: u64,
    pub(super) refused: u64,
}

const OVERFLOWED: usize = 0;
const REFUSED: usize = 1;

fn add(cells: &[Cell], place: usize) {
    if let Some(cell) = cells.get(place) {
        cell.add(1);
    }
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.metrics.iter().map(|metric| metric.name);
        f.debug_list().entries(names).finish()
    }
}

impl Series {
    fn new(labels: String, allocator: &Allocator<'static>, shape: Shape) -> Self {
        Self {
            labels: labels.into(),
            run: allocator.run(shape.integers, shape.floats),
            gauge: AtomicU64::new(0),
            exemplars: Exemplars::new(shape.exemplars),
        }
    }

    /// The value of a gauge.
    pub(super) fn value(&self) -> f64 {
        f64::from_bits(self.gauge.load(Ordering::Relaxed))
    }
}
