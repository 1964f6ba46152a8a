//! The builder of a lifecycle.

use std::{
    error::Error,
    io,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use hardpoint_core::{Telemetry, Time};
use tokio::runtime::Handle;

#[cfg(target_os = "linux")]
use super::systemd::Notifier;
use super::{
    CUT_WITHIN, Inner, Lifecycle, Plan,
    hook::{Flush, Hook},
};
use crate::{
    board::Board,
    check::{Checks, run::Runner},
    error::{ConfigError, Mistake},
};

/// What the end of a run takes after the deadline and the hooks: dropping the requests that are cut,
/// and writing the last lines of the log.
const EXIT_WITHIN: Duration = CUT_WITHIN.saturating_add(Duration::from_millis(700));

/// Builds a [`Lifecycle`]. Created by [`Lifecycle::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct LifecycleBuilder {
    checks: Checks,
    plan: Plan,
    hooks: Vec<Hook>,
    flush: Option<Flush>,
    grace_period: Option<Duration>,
    time: Time,
    telemetry: Telemetry,
}

impl LifecycleBuilder {
    pub(super) const fn new() -> Self {
        Self {
            checks: Checks::none(),
            plan: Plan {
                delay: Duration::from_secs(5),
                settle: Duration::from_millis(50),
                deadline: Duration::from_secs(20),
                insist_after: Duration::from_secs(2),
            },
            hooks: Vec::new(),
            flush: None,
            grace_period: None,
            time: Time::system(),
            telemetry: Telemetry::none(),
        }
    }

    /// Sets the checks to run. Default: none, so the service is ready once it has started.
    pub fn checks(mut self, checks: Checks) -> Self {
        self.checks = checks;
        self
    }

    /// Sets how long the service keeps accepting connections after the drain begins, while its
    /// readiness probe already fails. Default: 5 seconds, enough for a balancer that probes every
    /// second or two, or a cluster that updates its endpoints, to stop sending requests.
    ///
    /// The delay should cover the balancer's probe period times its failure threshold. A longer
    /// delay slows down every deployment. 0 stops accepting at once, which suits a service without
    /// a balancer, as on a developer's machine.
    pub fn drain_delay(mut self, delay: Duration) -> Self {
        self.plan.delay = delay;
        self
    }

    /// Sets how long the requests in flight may take after the [`drain_delay`](Self::drain_delay).
    /// Default: 20 seconds. With the default delay the drain takes at most 25 seconds, within the
    /// 30 that Kubernetes grants.
    ///
    /// A longer deadline lets slower requests finish, but also lets one stuck client delay the
    /// deployment by as much. Delay and deadline together must be shorter than the time after which
    /// the platform kills the process. 0 is a mistake.
    pub fn drain_deadline(mut self, deadline: Duration) -> Self {
        self.plan.deadline = deadline;
        self
    }

    /// Sets the time between the end of the drain delay and the moment at which the server closes
    /// idle connections, so that a request that is just arriving is read first. It is part of the
    /// drain deadline. Default: 50 milliseconds, many times longer than the first byte of a new
    /// connection takes within a data center.
    ///
    /// A longer time covers more distant clients and lengthens the drain by as much. With 0, the
    /// server closes idle connections at once, and a connection accepted just before loses its
    /// first request.
    pub fn settle(mut self, settle: Duration) -> Self {
        self.plan.settle = settle;
        self
    }

    /// Sets how long after the first signal a SIGTERM ends the run at once, instead of being ignored
    /// as a repetition. Default: 2 seconds, more than the time between a `preStop` hook that sends
    /// SIGTERM and the platform's own.
    ///
    /// A longer time keeps an operator's second SIGTERM from having an effect for as long; a second
    /// SIGINT always has one. With 0, every second signal ends the run.
    pub fn insist_after(mut self, time: Duration) -> Self {
        self.plan.insist_after = time;
        self
    }

    /// Adds work for the end of the run: sending the last spans, leaving a cluster. The hooks run in
    /// the order in which they were added, after the server has ended or its requests were cut, each
    /// for at most `within`. They do not run if a second signal ends the run.
    ///
    /// A hook that fails, panics or takes too long is logged and does not keep the next one from
    /// running. The exit code is then 70, or 75 if requests were cut as well.
    pub fn add_hook<F, R, E>(mut self, name: &'static str, within: Duration, work: F) -> Self
    where
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.hooks.push(Hook::new(name, within, work));
        self
    }

    /// Sets how the lines that are still queued are written before
    /// [`run_to_exit`](Lifecycle::run_to_exit) ends the process. Default: nothing is called.
    ///
    /// `flush` may block for the time that it is called with, half a second, and returns whether it
    /// wrote every line: `move |within| logs.flush(within)` for hardpoint's own logs. It runs last,
    /// after a second signal too.
    pub fn flush_logs(mut self, flush: impl Fn(Duration) -> bool + Send + Sync + 'static) -> Self {
        self.flush = Some(Flush::new(flush));
        self
    }

    /// Sets the time after which the platform kills a process that it has asked to stop, so that
    /// [`build`](Self::build) can check that the drain fits into it. Default: unknown, so nothing is
    /// checked.
    ///
    /// Kubernetes grants `terminationGracePeriodSeconds` (30 by default, `preStop` hooks included),
    /// systemd `TimeoutStopSec` (90), Docker 10.
    pub const fn grace_period(mut self, time: Duration) -> Self {
        self.grace_period = Some(time);
        self
    }

    /// Sets the clock that measures the ages in the report. Default: the system clock. Timers
    /// always use tokio's time.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.time = time.into();
        self
    }

    /// Reports every change of a check and of readiness to `telemetry`. Default: no observer.
    pub fn telemetry(mut self, telemetry: &Telemetry) -> Self {
        self.telemetry = telemetry.clone();
        self
    }

    /// Builds the lifecycle and starts its checks, on threads of their own and in the context of
    /// the current tokio runtime.
    ///
    /// # Errors
    /// [`ConfigError`] lists every mistake: a drain deadline of zero, a settle time that is not
    /// shorter than the drain deadline, or checks without a runtime or thread to run on.
    pub fn build(self) -> Result<Lifecycle, ConfigError> {
        let Plan { settle, deadline, .. } = self.plan;
        let mut mistakes = Vec::new();
        if deadline.is_zero() {
            mistakes.push(Mistake::ZeroDrainDeadline);
        } else if settle >= deadline {
            mistakes.push(Mistake::SettleNotShorter { settle, drain_deadline: deadline });
        }
        let add = |sum: Duration, hook: &Hook| sum.saturating_add(hook.within());
        let hooks_within = self.hooks.iter().fold(Duration::ZERO, add);
        let takes = self.plan.cut_after().saturating_add(hooks_within).saturating_add(EXIT_WITHIN);
        if let Some(grace_period) = self.grace_period.filter(|granted| takes > *granted) {
            mistakes.push(Mistake::GracePeriodTooShort { takes, grace_period });
        }
        let runtime = Handle::try_current().ok();
        if runtime.is_none() && self.checks.len() > 0 {
            mistakes.push(Mistake::NoRuntime { checks: self.checks.len() });
        }
        ConfigError::unless_empty(mistakes)?;

        let (tracked, tasks) = self.checks.into_parts();
        let board = Arc::new(Board::new(tracked, self.time, self.telemetry));
        let runner = match &runtime {
            Some(runtime) if !tasks.is_empty() => {
                let no_thread = |error: io::Error| Mistake::NoThread { reason: error.kind() };
                let runner = Runner::start(&board, tasks, runtime.clone()).map_err(no_thread);
                Some(runner.map_err(ConfigError::from)?)
            }
            _ => None,
        };
        let inner = Inner {
            board,
            plan: self.plan,
            tally: Arc::default(),
            hooks: Mutex::new(self.hooks),
            hooks_within,
            flush: self.flush,
            #[cfg(target_os = "linux")]
            manager: Notifier::from_environment(),
            runtime,
            monitor: OnceLock::new(),
            _checks: runner,
        };
        Ok(Lifecycle { inner: Arc::new(inner) })
    }
}
