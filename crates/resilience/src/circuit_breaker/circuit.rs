//! One circuit: a machine with a clock, a name and an observer.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hardpoint_core::{
    Mono, Telemetry, Time,
    event::{CallGuard, CallRefused, CircuitChanged, CircuitState},
};
use http::{HeaderMap, StatusCode};

use super::{
    CircuitBreakerLayer, CircuitBuilder, CircuitOpen,
    machine::{Change, Machine, Ticket, Verdict},
    rules::Rules,
    state::Phase,
};
use crate::{Class, Classifier, Jitter, RetryHint, classify::GRPC_STATUS};

/// The record of how a destination answers, which decides whether calls reach it.
///
/// It is the state behind a [`CircuitBreakerLayer`], and guards calls without tower by
/// [`acquire`](Self::acquire). Clones share one state and cost one atomic increment.
///
/// ```
/// use hardpoint_core::event::CircuitState;
/// use hardpoint_resilience::{Circuit, CircuitOpen, Class};
/// use std::time::Duration;
///
/// struct Pool;
/// impl Pool {
///     fn connect(&self) -> Result<(), &'static str> {
///         Err("the database is down")
///     }
/// }
///
/// let circuit = Circuit::builder("database", Duration::from_millis(250)).build()?;
/// let connect = |pool: &Pool| -> Result<(), Box<dyn std::error::Error>> {
///     let permit = circuit.acquire()?; // fails at once while the circuit is open
///     let result = pool.connect();
///     permit.record(if result.is_ok() { Class::Success } else { Class::Failed });
///     Ok(result?)
/// };
///
/// for _ in 0..5 {
///     assert!(!connect(&Pool).unwrap_err().is::<CircuitOpen>());
/// }
/// assert!(connect(&Pool).unwrap_err().is::<CircuitOpen>());
/// assert_eq!(circuit.state(), CircuitState::Open);
/// # Ok::<(), hardpoint_resilience::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Circuit {
    shared: Arc<Shared>,
}

struct Shared {
    machine: Machine,
    settings: Arc<Settings>,
}

/// What circuits of different keys share.
pub(super) struct Settings {
    name: Arc<str>,
    rules: Rules,
    window: Duration,
    classifier: Classifier,
    time: Time,
    jitter: Jitter,
    telemetry: OnceLock<Telemetry>,
}

impl Settings {
    pub(super) fn new(
        name: Arc<str>,
        (rules, window): (Rules, Duration),
        classifier: Classifier,
        (time, jitter): (Time, Jitter),
        telemetry: &Telemetry,
    ) -> Self {
        let slot = OnceLock::new();
        telemetry.fill(&slot);
        Self { name, rules, window, classifier, time, jitter, telemetry: slot }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn report_to(&self, telemetry: &Telemetry) {
        telemetry.fill(&self.telemetry);
    }

    pub(super) fn now(&self) -> Mono {
        self.time.now()
    }
}

impl Circuit {
    /// Starts building a circuit. `name` appears in errors, logs and events. `slow_after` is the time
    /// after which a call counts as slow, and a call that its caller gave up as hung.
    ///
    /// `slow_after` has no default, because it depends on the destination: choose a time that its
    /// healthy calls rarely take, at or below the time-out of an outer layer. A call that such a
    /// time-out drops earlier shows nothing about the destination.
    pub fn builder(
        name: impl Into<std::borrow::Cow<'static, str>>,
        slow_after: Duration,
    ) -> CircuitBuilder {
        CircuitBuilder::new(name.into(), slow_after)
    }

    pub(super) fn from_settings(settings: &Arc<Settings>) -> Self {
        let machine = Machine::new(settings.window, settings.rules.clone());
        Self { shared: Arc::new(Shared { machine, settings: Arc::clone(settings) }) }
    }

    /// The layer whose calls this circuit guards. Layers of one circuit share its state.
    pub fn layer(&self) -> CircuitBreakerLayer {
        CircuitBreakerLayer::new(self.clone())
    }

    /// Asks to make a call.
    ///
    /// Dropping the permit without recording an outcome counts as a hung call if it was held for
    /// `slow_after`, and otherwise as no call.
    ///
    /// # Errors
    /// [`CircuitOpen`] if the destination fails and the call should not be made.
    #[inline]
    pub fn acquire(&self) -> Result<CircuitPermit, CircuitOpen> {
        self.acquire_at(self.shared.settings.time.now())
    }

    /// Asks to make a call, for callers that have read this circuit's clock already.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    #[inline]
    pub fn acquire_at(&self, now: Mono) -> Result<CircuitPermit, CircuitOpen> {
        match self.shared.machine.admit(now, |bound| self.draw(bound)) {
            Ok((ticket, change)) => {
                if change.is_some() {
                    self.report(change);
                }
                let circuit = self.clone();
                Ok(CircuitPermit { circuit, ticket, started: now, is_open: true })
            }
            Err(refused) => Err(self.refuse(refused.change, refused.retry_after)),
        }
    }

    #[cold]
    fn refuse(&self, change: Option<Change>, retry_after: Option<Duration>) -> CircuitOpen {
        let name = &self.shared.settings.name;
        self.report(change);
        tracing::debug!(
            target: "hardpoint::resilience::circuit_breaker",
            circuit = %name,
            "the circuit refused a call"
        );
        let event = CallRefused::new(name, CallGuard::CircuitBreaker);
        if let Some(telemetry) = self.shared.settings.telemetry.get() {
            telemetry.on(&event.into());
        }
        CircuitOpen::new(Arc::clone(name), retry_after)
    }

    /// Reports a transition that this caller made.
    #[cold]
    fn report(&self, change: Option<Change>) {
        let Some(Change { to, reason }) = change else { return };
        let name = &self.shared.settings.name;
        tracing::warn!(
            target: "hardpoint::resilience::circuit_breaker",
            circuit = %name,
            state = to.as_str(),
            reason = reason.as_str(),
            "the circuit changed"
        );
        if let Some(telemetry) = self.shared.settings.telemetry.get() {
            telemetry.on(&CircuitChanged::new(name, to).into());
        }
    }

    fn draw(&self, bound: u64) -> u64 {
        self.shared.settings.jitter.below(bound)
    }

    /// The circuit's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.settings.name
    }

    /// The state. A circuit that has been open for long enough is half-open only from the next call
    /// on.
    #[must_use]
    pub fn state(&self) -> CircuitState {
        self.shared.machine.phase().state()
    }

    /// The state and the counters. They are read one after the other, so calls that end meanwhile may
    /// be in some of them.
    #[must_use]
    pub fn snapshot(&self) -> CircuitSnapshot {
        let Shared { machine, settings } = &*self.shared;
        let now = settings.time.now();
        let phase = machine.phase();
        let (sum, consecutive_failures) = machine.counted(now);
        let (refused, stale) = machine.totals();
        CircuitSnapshot {
            state: phase.state(),
            calls: sum.calls,
            failed: sum.failed,
            slow: sum.slow,
            consecutive_failures,
            open_for: match phase {
                Phase::Open { until } => {
                    let left = until.saturating_sub(super::state::millis(now));
                    Some(Duration::from_millis(left))
                }
                _ => None,
            },
            refused,
            stale,
        }
    }

    /// Refuses all calls until [`reset`](Self::reset).
    pub fn force_open(&self) {
        self.report(self.shared.machine.force(Phase::ForcedOpen));
    }

    /// Passes all calls and records none until [`reset`](Self::reset).
    pub fn disable(&self) {
        self.report(self.shared.machine.force(Phase::Disabled));
    }

    /// Closes the circuit and forgets all outcomes. Calls in flight are not recorded.
    pub fn reset(&self) {
        self.report(self.shared.machine.force(Phase::Closed));
    }

    /// Reports to `telemetry`, unless the circuit reports to an observer already.
    pub(crate) fn report_to(&self, telemetry: &Telemetry) {
        self.shared.settings.report_to(telemetry);
    }

    /// Whether nothing would be lost with this circuit: it is closed, its window is empty, and only
    /// its registry has it. A call in flight has a clone: its outcome may be that it hung.
    pub(super) fn is_idle(&self, now: Mono) -> bool {
        let machine = &self.shared.machine;
        Arc::strong_count(&self.shared) == 1
            && machine.phase().state() == CircuitState::Closed
            && machine.counted(now).0.calls == 0
    }

    #[inline]
    pub(super) fn classifier(&self) -> &Classifier {
        &self.shared.settings.classifier
    }
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuit")
            .field("name", &self.name())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// The state and the counters of a [`Circuit`] at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CircuitSnapshot {
    /// The state.
    pub state: CircuitState,
    /// The calls in the window.
    pub calls: u64,
    /// The failed ones among them.
    pub failed: u64,
    /// The slow ones among them; 0 if the rate of slow calls is off.
    pub slow: u64,
    /// The failures since the last success.
    pub consecutive_failures: u32,
    /// The time after which an open circuit tries the destination. `None` if it is not open.
    pub open_for: Option<Duration>,
    /// The calls that were refused since the circuit was built.
    pub refused: u64,
    /// The outcomes that were dropped since the circuit was built, because it had changed since the
    /// call started.
    pub stale: u64,
}

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
