//! Where the lines of each metric come from.

use std::sync::Arc;

use super::family::Family;

/// Where the lines of one metric come from.
#[derive(Clone)]
pub(super) enum Source {
    /// A metric of a family, by its index.
    Family(Arc<Family>, usize),
    /// Read at each scrape.
    Observed(Arc<Observed>),
    /// What the families could not record as they were asked to.
    Lost(Lost),
}

impl Source {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Family(family, metric) => {
                family.metrics.get(*metric).map_or("", |metric| metric.name)
            }
            Self::Observed(observed) => observed.name,
            Self::Lost(lost) => lost.name(),
        }
    }
}

/// A value that is read at each scrape.
pub(super) struct Observed {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: ObservedKind,
    /// Passes each value on, with its encoded labels.
    pub(super) read: Box<Read>,
}

/// Calls its argument with each value.
type Read = dyn Fn(&mut dyn FnMut(&str, f64)) + Send + Sync;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ObservedKind {
    Counter,
    Gauge,
    /// Constant labels.
    Info,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    Overflowed,
    Refused,
}

impl Lost {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Overflowed => "hardpoint_metrics_overflow_total",
            Self::Refused => "hardpoint_metrics_refused_total",
        }
    }

    pub(super) const fn help(self) -> &'static str {
        match self {
            Self::Overflowed => {
                "Look-ups of a series that did not fit and took the overflow series."
            }
            Self::Refused => "Values that are not amounts: negative, infinite or not numbers.",
        }
    }
}
