//! The fate of each record: exact counts by signal and reason.

use std::sync::atomic::{AtomicU64, Ordering};

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// Log records.
    Logs,
    /// Data points of metrics.
    Metrics,
    /// Spans.
    Traces,
}

impl Signal {
    pub(crate) const ALL: [Self; 3] = [Self::Logs, Self::Metrics, Self::Traces];

    /// The signal's name: `logs`, `metrics` or `traces`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Metrics => "metrics",
            Self::Traces => "traces",
        }
    }
}

/// Why a record was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// The collector could not be reached, or asked to try again, for the whole
    /// [`retry_for`](super::OtlpBuilder::retry_for).
    Expired,
    /// The queue had no room.
    QueueFull,
    /// The collector refused the whole request, with an answer that says not to try again.
    Refused,
    /// The collector accepted the request but rejected this record (`partial_success`).
    Rejected,
    /// The exporter was shut down before the collector confirmed the record. The collector may have
    /// it.
    Shutdown,
    /// The record is larger than a whole request may be.
    TooLarge,
}

impl DropReason {
    pub(crate) const ALL: [Self; 6] = [
        Self::Expired,
        Self::QueueFull,
        Self::Refused,
        Self::Rejected,
        Self::Shutdown,
        Self::TooLarge,
    ];

    /// The reason as a label: `queue_full`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::QueueFull => "queue_full",
            Self::Refused => "refused",
            Self::Rejected => "rejected",
            Self::Shutdown => "shutdown",
            Self::TooLarge => "too_large",
        }
    }
}

/// The counts of one signal at one time.
///
/// If no record waits or is being sent, `recorded` equals `sent` plus all dropped records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Records that were given to the exporter.
    pub recorded: u64,
    /// Records that the collector accepted.
    pub sent: u64,
    /// Bytes of records that wait or are being sent.
    pub queued_bytes: usize,
    dropped: [u64; DropReason::ALL.len()],
}

impl Totals {
    /// The records that were dropped for this reason.
    #[must_use]
    pub fn dropped_for(&self, reason: DropReason) -> u64 {
        self.dropped.get(reason as usize).copied().unwrap_or(0)
    }

    /// The records that were dropped for any reason.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.iter().sum()
    }
}

/// Counts the records that left the queue. The queue counts the records that entered it.
#[derive(Debug, Default)]
pub(super) struct Counts {
    sent: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
}

impl Counts {
    pub(super) fn sent(&self, records: u64) {
        self.sent.fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self, reason: DropReason, records: u64) {
        if let Some(count) = self.dropped.get(reason as usize) {
            count.fetch_add(records, Ordering::Relaxed);
        }
    }

    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals { sent: self.sent.load(Ordering::Relaxed), ..Totals::default() };
        for (total, count) in totals.dropped.iter_mut().zip(&self.dropped) {
            *total = count.load(Ordering::Relaxed);
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_place() {
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            let counts = Counts::default();
            counts.dropped(reason, 3);
            counts.sent(2);
            let totals = counts.totals();
            assert_eq!((totals.sent, totals.dropped(), totals.dropped_for(reason)), (2, 3, 3));
        }
    }
}
