//! The metrics of the exporter of telemetry itself.

use std::sync::Arc;

use super::{MetricsBuilder, Unit, encode, source::ObservedKind};
use crate::otlp::{DropReason, Queue, Signal};

impl MetricsBuilder {
    /// Declares the counts of the records of these queues.
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 records")]
    pub(crate) fn exporter(&mut self, queues: Vec<(Signal, Arc<Queue>)>) {
        let queues: Arc<[_]> = queues.into();
        let own = Arc::clone(&queues);
        self.observed_each(
            ObservedKind::Counter,
            "hardpoint_otlp_dropped_total",
            Unit::NONE,
            "Spans, log records and data points that were not delivered, by the reason.",
            move |add| {
                for (signal, queue) in &*own {
                    let totals = queue.totals();
                    for reason in DropReason::ALL {
                        let mut labels = String::new();
                        encode::label(&mut labels, "signal", signal.as_str());
                        encode::label(&mut labels, "reason", reason.as_str());
                        add(&labels, totals.dropped_for(reason) as f64);
                    }
                }
            },
        );
        let own = Arc::clone(&queues);
        self.observed_each(
            ObservedKind::Counter,
            "hardpoint_otlp_sent_total",
            Unit::NONE,
            "Spans, log records and data points that the collector accepted.",
            move |add| {
                for (signal, queue) in &*own {
                    add(&label(*signal), queue.totals().sent as f64);
                }
            },
        );
        self.observed_each(
            ObservedKind::Gauge,
            "hardpoint_otlp_queued_bytes",
            Unit::BYTES,
            "Encoded records that wait for the collector.",
            move |add| {
                for (signal, queue) in &*queues {
                    add(&label(*signal), queue.totals().queued_bytes as f64);
                }
            },
        );
    }
}

fn label(signal: Signal) -> String {
    let mut labels = String::new();
    encode::label(&mut labels, "signal", signal.as_str());
    labels
}
