//! One circuit: a machine with a clock, a name and an observer.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::{
    CircuitBreakerLayer, CircuitBuilder, CircuitOpen, CircuitPermit,
    machine::{Change, Machine},
    rules::Rules,
    state::Phase,
};
use crate::{Classifier, Jitter};
use hardpoint_core::{
    Mono, Telemetry, Time,
    event::{CallGuard, CallRefused, CircuitChanged, CircuitState},
};

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
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) machine: Machine,
    pub(super) settings: Arc<Settings>,
}

/// What circuits of different keys share.
pub(super) struct Settings {
    name: Arc<str>,
    rules: Rules,
    window: Duration,
    classifier: Classifier,
    pub(super) time: Time,
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
                Ok(CircuitPermit::new(self.clone(), ticket, now))
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
    pub(super) fn report(&self, change: Option<Change>) {
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

    pub(super) fn draw(&self, bound: u64) -> u64 {
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
