//! Counts what the users saw.

use std::{collections::BTreeMap, fmt, time::Duration};

use tokio::time::Instant;

/// What happened, and when.
pub(super) type Event = (Instant, &'static str);

/// What a user did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    LogIn,
    Refresh,
    Me,
    AddNote,
    ListNotes,
    Quote,
}

impl Step {
    const ALL: [Self; 6] =
        [Self::LogIn, Self::Refresh, Self::Me, Self::AddNote, Self::ListNotes, Self::Quote];
}

/// One request: when it was due, how long after that it was answered, and why it failed if it did.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) step: Step,
    pub(super) due: Instant,
    pub(super) took: Duration,
    pub(super) failure: Option<String>,
}

/// All requests of a day, and what happened during it.
#[derive(Debug)]
pub(super) struct Tally {
    begin: Instant,
    samples: Vec<Sample>,
    events: Vec<Event>,
}

impl Tally {
    pub(super) fn new(begin: Instant, samples: Vec<Sample>, events: Vec<Event>) -> Self {
        Self { begin, samples, events }
    }

    pub(super) fn events(&self) -> &[Event] {
        &self.events
    }

    pub(super) fn failures(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(|sample| sample.failure.is_some())
    }

    /// The share of requests that failed.
    #[expect(clippy::cast_precision_loss, reason = "counts of one test are small")]
    pub(super) fn error_rate(&self) -> f64 {
        self.failures().count() as f64 / self.samples.len().max(1) as f64
    }

    /// The time within which this many of a thousand requests were answered, failures included.
    pub(super) fn within(&self, permille: usize) -> Duration {
        let mut took: Vec<_> = self.samples.iter().map(|sample| sample.took).collect();
        took.sort_unstable();
        percentile(&took, permille)
    }

    fn at(&self, instant: Instant) -> f64 {
        instant.saturating_duration_since(self.begin).as_secs_f64()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<10} {:>8} {:>8} {:>9} {:>9} {:>9}",
            "", "requests", "errors", "p50", "p99", "max"
        )?;
        let steps = Step::ALL.iter().map(|step| (format!("{step:?}"), Some(*step)));
        for (name, step) in steps.chain([("all".to_owned(), None)]) {
            let of_step =
                || self.samples.iter().filter(|sample| step.is_none_or(|step| sample.step == step));
            let mut took: Vec<_> = of_step().map(|sample| sample.took).collect();
            took.sort_unstable();
            let errors = of_step().filter(|sample| sample.failure.is_some()).count();
            let [p50, p99, max] =
                [500, 990, 1000].map(|part| milliseconds(percentile(&took, part)));
            writeln!(f, "{name:<10} {:>8} {errors:>8} {p50:>9} {p99:>9} {max:>9}", took.len())?;
        }
        for (when, what) in &self.events {
            writeln!(f, "{:7.2} s  {what}", self.at(*when))?;
        }
        let mut kinds = BTreeMap::<_, Vec<f64>>::new();
        for sample in self.failures() {
            let text = sample.failure.as_deref().unwrap_or_default();
            kinds.entry((text, sample.step)).or_default().push(self.at(sample.due));
        }
        for ((text, step), when) in kinds {
            let first = when.iter().copied().fold(f64::INFINITY, f64::min);
            let last = when.iter().copied().fold(0.0, f64::max);
            writeln!(f, "{:5} × {step:?}, due {first:.2} to {last:.2} s: {text}", when.len())?;
        }
        Ok(())
    }
}

fn percentile(sorted: &[Duration], permille: usize) -> Duration {
    let rank = (sorted.len() * permille).div_ceil(1000).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}
