//! Sends a batch until its fate is known.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    answer::{Answer, Cause},
    backoff,
    counts::{DropReason, Signal},
    exporter::Control,
    queue::Batch,
    resource::Envelope,
    transport::Transport,
};
use crate::record::random;

/// Delivers the batches of one signal, one after another.
pub(super) struct Delivery {
    pub(super) signal: Signal,
    pub(super) envelope: Envelope,
    pub(super) transport: Transport,
    pub(super) retry_for: Duration,
    pub(super) control: watch::Receiver<Control>,
    /// Whether the last request failed, so that a line is logged only when that changes.
    pub(super) failing: bool,
}

impl Delivery {
    /// Sends a batch and counts the fate of its records.
    pub(super) async fn deliver(&mut self, batch: Batch) {
        let payload = {
            let prefix = self.envelope.prefix(batch.len());
            self.transport.payload(prefix, &batch.records)
        };
        let begin = Instant::now();
        for attempt in 1_u32.. {
            match self.transport.send(payload.clone()).await {
                Answer::Accepted { rejected, remark } => {
                    self.succeeded(rejected, remark);
                    return batch.sent(rejected);
                }
                Answer::Refused { cause } => {
                    self.failed(cause);
                    return batch.dropped(DropReason::Refused);
                }
                Answer::Again { after, cause } => {
                    self.failed(cause);
                    let delay = backoff::delay(attempt, after, u32::from_ne_bytes(random::bytes()));
                    let late = begin.elapsed().saturating_add(delay) >= self.retry_for;
                    if late && self.closing().is_none() {
                        return batch.dropped(DropReason::Expired);
                    }
                    if !self.wait(delay, cause).await {
                        return batch.dropped(DropReason::Shutdown);
                    }
                }
            }
        }
    }

    /// Waits before the next attempt. Returns `false` if the exporter ends and has no time for
    /// it, or no use in it: a collector that cannot be reached would hold up the end of the process.
    async fn wait(&self, delay: Duration, cause: Cause) -> bool {
        let until = Instant::now() + delay;
        // A receiver of its own: what it sees is still new to the loop around this.
        let mut control = self.control.clone();
        let closing = control.wait_for(|control| control.closing.is_some());
        if timeout_at(until, closing).await.is_err() {
            return true;
        }
        let fits = self.closing().is_none_or(|deadline| until < deadline);
        if !fits || cause == Cause::Connection {
            return false;
        }
        sleep_until(until).await;
        true
    }

    fn closing(&self) -> Option<Instant> {
        self.control.borrow().closing
    }

    fn failed(&mut self, cause: Cause) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(
                target: super::TARGET,
                signal = self.signal.as_str(),
                endpoint = %self.transport.uri(),
                %cause,
                "telemetry export fails"
            );
        }
    }

    fn succeeded(&mut self, rejected: u64, remark: bool) {
        if std::mem::replace(&mut self.failing, false) {
            let signal = self.signal.as_str();
            tracing::info!(target: super::TARGET, signal, "telemetry export recovered");
        }
        if rejected == 0 && remark {
            // The collector's text is not logged: it may repeat the records that were sent.
            let signal = self.signal.as_str();
            tracing::debug!(target: super::TARGET, signal, "collector accepted with a remark");
        }
    }
}
