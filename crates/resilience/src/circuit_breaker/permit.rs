//! The permission to make one call, which records how the call ends.

use std::{fmt, time::Duration};

use hardpoint_core::Mono;
use http::{HeaderMap, StatusCode};

use super::{
    Circuit,
    machine::{Ticket, Verdict},
};
use crate::{Class, RetryHint, classify::GRPC_STATUS};

/// The permission to make one call, and the duty to record its outcome.
///
/// Dropping it is an outcome: a call that was held for the circuit's `slow_after` counts as hung,
/// which is a failure; a shorter one shows nothing about the destination. A trial call's permit
/// passes to the next call either way, unless the call counts.
#[must_use = "dropping a permit at once records nothing; record the outcome of the call"]
pub struct CircuitPermit {
    circuit: Circuit,
    ticket: Ticket,
    started: Mono,
    /// Whether the outcome is still to be recorded.
    is_open: bool,
}

impl CircuitPermit {
    #[inline]
    pub(super) const fn new(circuit: Circuit, ticket: Ticket, started: Mono) -> Self {
        Self { circuit, ticket, started, is_open: true }
    }

    /// Records how the call ended.
    #[inline]
    pub fn record(self, class: Class) {
        let now = self.circuit.shared.settings.time.now();
        self.record_at(class, None, now);
    }

    /// Records how the call ended, at a time that the caller has read from this circuit's clock, and
    /// for how long the destination asked to be left alone.
    #[inline]
    pub fn record_at(self, class: Class, retry_after: Option<Duration>, now: Mono) {
        let took = self.took_until(now);
        self.record_after(class, retry_after, took, now);
    }

    /// Records a call that took `took` nanoseconds, at `now`.
    #[inline]
    fn record_after(mut self, class: Class, retry_after: Option<Duration>, took: u64, now: Mono) {
        self.is_open = false;
        let is_slow = took >= self.circuit.shared.machine.rules().slow_nanos;
        let failed = class.is_failure();
        let verdict = (class != Class::Shed).then_some(Verdict {
            failed,
            strikes: failed && class != Class::Throttled,
            slow: is_slow && self.circuit.shared.machine.rules().slow_rate.is_some(),
            hint: retry_after,
        });
        self.settle(verdict, now);
    }

    /// Whether the call is a trial: its outcome decides whether a half-open circuit closes.
    #[must_use]
    pub const fn is_trial(&self) -> bool {
        self.ticket.is_trial()
    }

    /// The circuit that the permit is from.
    #[must_use]
    pub const fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// Records the outcome of a response by its head.
    #[inline]
    pub(super) fn judge_head(self, status: StatusCode, headers: &HeaderMap) {
        let class = self.circuit.classifier().classify_response(status, headers);
        if class.is_failure() {
            let took = self.took();
            self.judge_failure(class, headers, took);
        } else {
            self.record(class);
        }
    }

    /// Records a response whose head came after `took`, by its trailers.
    pub(super) fn judge_trailers(self, trailers: &HeaderMap, took: u64) {
        // Without a status they are broken.
        let class = if trailers.contains_key(&GRPC_STATUS) {
            self.circuit.classifier().classify_response(StatusCode::OK, trailers)
        } else {
            Class::Failed
        };
        self.judge_failure(class, trailers, took);
    }

    /// Records a response whose head came after `took`, and the time that it asks for.
    #[cold]
    fn judge_failure(self, class: Class, headers: &HeaderMap, took: u64) {
        let time = &self.circuit.shared.settings.time;
        let hint = class.is_failure().then(|| RetryHint::from_headers(headers, time.unix()));
        let (hint, now) = (hint.flatten().and_then(RetryHint::after), time.now());
        self.record_after(class, hint, took, now);
    }

    /// Records a response whose head came after `took`, by what happened to its body.
    pub(super) fn judge_body(self, class: Class, took: u64) {
        let now = self.circuit.shared.settings.time.now();
        self.record_after(class, None, took, now);
    }

    /// The nanoseconds since the permit was given out.
    pub(super) fn took(&self) -> u64 {
        self.took_until(self.circuit.shared.settings.time.now())
    }

    /// Not as a `Duration`, which costs a division each time.
    #[inline]
    const fn took_until(&self, now: Mono) -> u64 {
        now.as_nanos().saturating_sub(self.started.as_nanos())
    }

    #[inline]
    fn settle(&self, verdict: Option<Verdict>, now: Mono) {
        let circuit = &self.circuit;
        let machine = &circuit.shared.machine;
        let change = machine.record(self.ticket, verdict, now, |bound| circuit.draw(bound));
        if change.is_some() {
            circuit.report(change);
        }
    }

    /// Records a call that its caller gave up.
    #[cold]
    fn abandon(&self) {
        let now = self.circuit.shared.settings.time.now();
        let rules = self.circuit.shared.machine.rules();
        let hung = self.took_until(now) >= rules.slow_nanos;
        let slow = rules.slow_rate.is_some();
        let verdict = Verdict { failed: true, strikes: true, slow, hint: None };
        self.settle(hung.then_some(verdict), now);
    }
}

impl Drop for CircuitPermit {
    #[inline]
    fn drop(&mut self) {
        if self.is_open {
            self.abandon();
        }
    }
}

impl fmt::Debug for CircuitPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitPermit")
            .field("circuit", &self.circuit.name())
            .field("is_trial", &self.is_trial())
            .finish_non_exhaustive()
    }
}
