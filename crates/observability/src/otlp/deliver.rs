//! Sends a batch until its fate is known.

use std::time::Duration;

use bytes::Bytes;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
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
    /// Sends a batch and counts what became of it.
    pub(super) async fn deliver(&mut self, batch: Batch) {
        let payload = {
            let prefix = self.envelope.prefix(batch.records.len());
            self.transport.payload(prefix, Bytes::clone(&batch.records))
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
                    if !self.may_wait(begin.elapsed(), delay, cause) {
                        let closing = self.closing().is_some();
                        let reason =
                            if closing { DropReason::Shutdown } else { DropReason::Expired };
                        return batch.dropped(reason);
                    }
                    self.wait(delay).await;
                }
            }
        }
    }

    /// Whether to try again after this delay.
    fn may_wait(&self, elapsed: Duration, delay: Duration, cause: Cause) -> bool {
        match self.closing() {
            // A collector that cannot be reached would hold the end of the process up for nothing.
            Some(_) if cause == Cause::Connection => false,
            Some(deadline) => Instant::now() + delay < deadline,
            None => elapsed.saturating_add(delay) < self.retry_for,
        }
    }

    /// Waits, but not into the end of the process.
    async fn wait(&self, delay: Duration) {
        let until = Instant::now() + delay;
        // A receiver of its own: what it sees is still new to the loop around this.
        let mut control = self.control.clone();
        let closing = control.wait_for(|control| control.closing.is_some());
        if timeout_at(until, closing).await.is_err() {
            return;
        }
        // Once more soon, since there is not much time.
        let left = until.saturating_duration_since(Instant::now());
        sleep(left.min(Duration::from_millis(100))).await;
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
            // The collector's words are not logged: they may repeat what was sent.
            let signal = self.signal.as_str();
            tracing::debug!(target: super::TARGET, signal, "collector accepted with a remark");
        }
    }
}
