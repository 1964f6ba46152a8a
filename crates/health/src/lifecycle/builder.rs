//! What a lifecycle can be told.

use std::{sync::Arc, time::Duration};

use hardpoint_core::{Telemetry, Time};
use tokio::{runtime::Handle, task::JoinSet};

use super::{Inner, Lifecycle, Plan};
use crate::{
    board::Board,
    check::{Checks, run::run_for_ever},
    error::{ConfigError, Mistake},
};

/// A lifecycle in the making. Made by [`Lifecycle::builder`].
#[derive(Debug)]
#[must_use = "a lifecycle in the making does nothing until it is built"]
pub struct LifecycleBuilder {
    checks: Checks,
    plan: Plan,
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
            },
            time: Time::system(),
            telemetry: Telemetry::none(),
        }
    }

    /// The checks to run. Default: none; then the service is ready once it has started.
    pub fn checks(mut self, checks: Checks) -> Self {
        self.checks = checks;
        self
    }

    /// How long the service goes on accepting connections after the drain began, while its readiness
    /// probe already refuses. Default: 5 seconds, in which a balancer that asks every second or two,
    /// or a cluster that updates its endpoints, has stopped sending.
    ///
    /// A longer one makes every deployment slower; it should cover the balancer's probe period times
    /// its threshold. 0 stops accepting at once: right where nothing routes to the service, as on a
    /// developer's machine.
    pub fn drain_delay(mut self, delay: Duration) -> Self {
        self.plan.delay = delay;
        self
    }

    /// How long the requests in flight may take after the [`drain_delay`](Self::drain_delay).
    /// Default: 20 seconds; with the default delay that is 25, within the 30 that Kubernetes
    /// grants.
    ///
    /// A longer one lets slower requests finish, and lets one stuck client hold up the deployment
    /// for so long; delay and deadline together must stay below what the platform grants before it
    /// kills. 0 is a mistake.
    pub fn drain_deadline(mut self, deadline: Duration) -> Self {
        self.plan.deadline = deadline;
        self
    }

    /// The time between accepting the last connection and telling the server to close the quiet
    /// ones, so that a request which is just arriving is read first. Part of the drain deadline.
    /// Default: 50 milliseconds, many times what a first byte needs after its connection within a
    /// data centre.
    ///
    /// A longer one covers clients that are further away and lengthens the drain by as much. 0
    /// closes at once: connections that were accepted a moment before lose their first request.
    pub fn settle(mut self, settle: Duration) -> Self {
        self.plan.settle = settle;
        self
    }

    /// The clock that the report's ages are measured with. Default: the system's. Waiting always
    /// uses tokio's time.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.time = time.into();
        self
    }

    /// Reports every change of a check and of readiness. Default: to no observer.
    pub fn telemetry(mut self, telemetry: &Telemetry) -> Self {
        self.telemetry = telemetry.clone();
        self
    }

    /// The lifecycle. Its checks begin to run, on the tokio runtime that this is called in.
    ///
    /// # Errors
    /// [`ConfigError`] lists every mistake: a drain deadline of zero, a settle time that is not
    /// shorter than it, and checks without a runtime to run on.
    pub fn build(self) -> Result<Lifecycle, ConfigError> {
        let Plan { settle, deadline, .. } = self.plan;
        let mut mistakes = Vec::new();
        if deadline.is_zero() {
            mistakes.push(Mistake::ZeroDrainDeadline);
        } else if settle >= deadline {
            mistakes.push(Mistake::SettleNotShorter { settle, drain_deadline: deadline });
        }
        let runtime = Handle::try_current().ok();
        if runtime.is_none() && self.checks.len() > 0 {
            mistakes.push(Mistake::NoRuntime { checks: self.checks.len() });
        }
        ConfigError::unless_empty(mistakes)?;

        let parts = self.checks.into_vec().into_iter();
        let parts: Vec<_> = parts.map(crate::check::Check::into_parts).collect();
        let tracked = parts.iter().map(|(tracked, ..)| Arc::clone(tracked));
        let board = Arc::new(Board::new(tracked.collect(), self.time, self.telemetry));
        let mut tasks = JoinSet::new();
        if let Some(runtime) = runtime {
            for (tracked, every, timeout, run) in parts {
                let task = run_for_ever(Arc::clone(&board), tracked, every, timeout, run);
                tasks.spawn_on(task, &runtime);
            }
        }
        let inner = Inner { board, plan: self.plan, _tasks: tasks };
        Ok(Lifecycle { inner: Arc::new(inner) })
    }
}
