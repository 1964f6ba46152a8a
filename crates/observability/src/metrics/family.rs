//! The series of one or several metrics that share their labels.

use std::{
    cell::RefCell,
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
    exemplar::Exemplars,
    thread,
};

/// The label of the series that takes what does not fit, as OpenTelemetry names it.
pub(super) const OVERFLOW: &str = "otel_metric_overflow";

/// A longer label value is cut after this many bytes.
const MAX_VALUE: usize = 128;

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
                key.push(cut(value).as_bytes());
                // Not in UTF-8, so that values cannot run into each other.
                key.push(&[END]);
                left -= 1;
            }
        });
        let key = key.as_slice();
        let decode = |add: &mut dyn FnMut(&str)| {
            for value in key.split(|byte| *byte == END) {
                add(std::str::from_utf8(value).unwrap_or_default());
            }
        };
        self.with_key(key, decode, then)
    }

    /// Calls `then` with the series of a key. If the series is new, `decode` turns the key into the
    /// values of its labels.
    fn with_key<T>(
        &self,
        key: &[u8],
        decode: impl FnOnce(&mut dyn FnMut(&str)),
        then: impl Fn(&Arc<Series>) -> T,
    ) -> T {
        let hash = hash(self.id, key);
        let known = RECENT.try_with(|recent| {
            let recent = recent.try_borrow().ok()?;
            let is = |entry: &Recent| {
                entry.hash == hash && entry.family == self.id && *entry.key == *key
            };
            let entry = set(&recent, hash)?.iter().flatten().find(|entry| is(entry))?;
            Some(then(&entry.series))
        });
        match known {
            Ok(Some(done)) => done,
            _ => self.find(key, decode).map_or_else(
                || then(self.overflow()),
                |series| {
                    let done = then(&series);
                    remember(Recent { hash, family: self.id, key: key.into(), series });
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
                encode(&mut text, name, value);
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

/// A series that this thread looked up.
struct Recent {
    hash: u64,
    family: u64,
    key: Box<[u8]>,
    series: Arc<Series>,
}

/// The series that a thread remembers: more than most services have routes.
const ENTRIES: usize = 256;
/// Those of them that a key can be among.
const SET: usize = 4;

thread_local! {
    static RECENT: RefCell<Vec<Option<Recent>>> = const { RefCell::new(Vec::new()) };
}

/// Puts an entry in the place of the oldest of its set. A thread that is ending remembers nothing.
fn remember(entry: Recent) {
    let _remembered = RECENT.try_with(|recent| {
        let mut recent = recent.try_borrow_mut().ok()?;
        if recent.is_empty() {
            recent.resize_with(ENTRIES, || None);
        }
        let set = recent.get_mut(first_of_set(entry.hash)..)?.first_chunk_mut::<SET>()?;
        set.rotate_right(1);
        set.first_mut()?.replace(entry)
    });
}

fn set(recent: &[Option<Recent>], hash: u64) -> Option<&[Option<Recent>; SET]> {
    recent.get(first_of_set(hash)..)?.first_chunk()
}

fn first_of_set(hash: u64) -> usize {
    // The highest bits are the best mixed ones.
    (hash >> 58) as usize * SET
}

/// The label values of a series, in a form that is looked up. Short ones need no allocation.
struct Key {
    inline: [u8; Self::INLINE],
    len: usize,
    /// All of a longer key.
    heap: Vec<u8>,
}

impl Key {
    const INLINE: usize = 96;

    const fn new() -> Self {
        Self { inline: [0; Self::INLINE], len: 0, heap: Vec::new() }
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(free) = self.inline.get_mut(self.len..self.len + bytes.len()) {
            free.copy_from_slice(bytes);
            self.len += bytes.len();
            return;
        }
        if self.heap.is_empty() {
            self.heap.extend_from_slice(self.inline.get(..self.len).unwrap_or_default());
            // Nothing fits any more.
            self.len = Self::INLINE;
        }
        self.heap.extend_from_slice(bytes);
    }

    fn as_slice(&self) -> &[u8] {
        if self.heap.is_empty() {
            self.inline.get(..self.len).unwrap_or_default()
        } else {
            &self.heap
        }
    }
}

/// Ends a value in a key. It is not in UTF-8.
pub(super) const END: u8 = 0xff;

/// Picks the set of a key, by its length and up to four of its words: in a long key the rest does
/// not count. Keys that collide, also on purpose, only displace each other in one set.
#[inline]
pub(super) fn hash(seed: u64, key: &[u8]) -> u64 {
    let word = |from: usize| {
        let word = key.get(from..).and_then(<[u8]>::first_chunk);
        word.map_or(0, |word| u64::from_le_bytes(*word))
    };
    let len = key.len();
    if len < 8 {
        let mut short = [0; 8];
        for (to, from) in short.iter_mut().zip(key) {
            *to = *from;
        }
        return fold(seed ^ len as u64, u64::from_le_bytes(short));
    }
    let ends = fold(word(0) ^ seed, word(len - 8) ^ len as u64);
    if len <= 16 {
        return ends;
    }
    fold(word(len / 2 - 8) ^ ends, word(len / 2))
}

/// Mixes two words: both halves of their product, with odd constants against zeros.
#[inline]
fn fold(first: u64, second: u64) -> u64 {
    const ODD: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93];

    let product = u128::from(first ^ ODD[0]) * u128::from(second ^ ODD[1]);
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    let (low, high) = (product as u64, (product >> 64) as u64);
    low ^ high
}

/// Appends a label. An empty value is the same as no label.
pub(super) fn encode(text: &mut String, name: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    if !text.is_empty() {
        text.push(',');
    }
    text.push_str(name);
    text.push_str("=\"");
    escape(value, text);
    text.push('"');
}

/// Encodes the label of each bucket, the one without a bound last.
///
/// Whole numbers are written as in OpenMetrics (`1.0`), also in the older format: a series keeps its
/// name when the scraper changes the format.
pub(super) fn encode_bounds(bounds: &Bounds) -> Vec<String> {
    let finite = bounds.as_slice().iter().map(|bound| format!("le=\"{bound:?}\""));
    finite.chain(["le=\"+Inf\"".to_owned()]).collect()
}

fn cut(value: &str) -> &str {
    value.get(..value.floor_char_boundary(MAX_VALUE)).unwrap_or_default()
}

/// Escapes a label's value as both formats require.
fn escape(value: &str, text: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}
