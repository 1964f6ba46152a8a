//! Monitors jobs that run on a schedule.
//!
//! A job that has stopped running fails no request, so operators notice only its missing result.
//! A [`JobMonitor`] knows when the job last succeeded, and its check fails if that is too long ago.
//!
//! ```
//! use hardpoint_health::{Check, JobMonitor};
//! use std::time::Duration;
//!
//! let hour = Duration::from_secs(3_600);
//! let export = JobMonitor::new(26 * hour).max_duration(hour);
//! let check = Check::new("nightly_export", export.check()).every(Duration::from_secs(60));
//!
//! // The job itself, wherever it runs in this process.
//! let run = export.start();
//! # fn export_all() -> std::io::Result<()> { Ok(()) }
//! export_all()?;
//! run.succeed();
//! assert!(export.last_success_age().is_some_and(|age| age < hour));
//! # drop(check);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Semantics
//!
//! 1. The check fails with `stale` if the last success is longer ago than the maximum age. Before
//!    the first success, the age counts from the creation of the monitor.
//! 2. It fails with `too_long` if a run has taken longer than the maximum duration and is not over.
//! 3. A run that fails has no effect of its own: the next one may succeed in time.
//! 4. Several runs may overlap. The longest one that is not over counts.
//!
//! # Sharing
//!
//! Clones share their state, which is local to the process. If the job runs on one of several
//! replicas, or the process restarts more often than the job runs, restore the last success from
//! where the job records it: [`JobMonitor::succeeded_ago`].
//!
//! # Cancellation
//!
//! A [`JobRun`] that is dropped ends the run without a success.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hardpoint_core::{Mono, Time};

use crate::{Down, builtin::RunFuture};

/// Knows when a job last succeeded. See the [module docs](self).
#[derive(Clone, Debug)]
pub struct JobMonitor {
    max_age: Duration,
    max_duration: Duration,
    time: Time,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    created: Mono,
    /// The time since the success, at the moment it was restored, is subtracted already.
    last_success: Option<Success>,
    last_duration: Option<Duration>,
    /// The starts of the runs that are not over.
    running: BTreeMap<u64, Mono>,
    next_run: u64,
}

/// A success, and its age at that moment.
#[derive(Clone, Copy, Debug)]
struct Success {
    at: Mono,
    age: Duration,
}

impl JobMonitor {
    /// Creates a monitor whose check fails if the job has not succeeded for `max_age`.
    ///
    /// Choose the period of the job plus the time of a run and of one retry.
    #[must_use]
    pub fn new(max_age: Duration) -> Self {
        let time = Time::system();
        let state = State { created: time.now(), ..State::default() };
        Self { max_age, max_duration: Duration::MAX, time, state: Arc::new(Mutex::new(state)) }
    }

    /// Sets how long one run may take. Default: any time.
    ///
    /// 0 makes the check fail whenever the job runs.
    #[must_use]
    pub const fn max_duration(mut self, max_duration: Duration) -> Self {
        self.max_duration = max_duration;
        self
    }

    /// Sets the clock. Default: the system clock. Call it before the first run.
    #[must_use]
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.time = time.into();
        self.lock().created = self.time.now();
        self
    }

    /// Starts a run. It ends when the returned value is dropped.
    #[must_use = "dropping the run ends it without a success"]
    pub fn start(&self) -> JobRun {
        let mut state = self.lock();
        let run = state.next_run;
        state.next_run += 1;
        state.running.insert(run, self.time.now());
        drop(state);
        JobRun { monitor: self.clone(), run }
    }

    /// Takes note that the job succeeded this long ago, as a job that runs elsewhere or before the
    /// process started. An older success than the known one has no effect.
    pub fn succeeded_ago(&self, age: Duration) {
        let success = Success { at: self.time.now(), age };
        let mut state = self.lock();
        if state.age(success.at).is_none_or(|known| age < known) {
            state.last_success = Some(success);
        }
    }

    /// The time since the last success, or `None` before the first one.
    #[must_use]
    pub fn last_success_age(&self) -> Option<Duration> {
        let now = self.time.now();
        self.lock().age(now)
    }

    /// How long the last successful run of this process took.
    #[must_use]
    pub fn last_duration(&self) -> Option<Duration> {
        self.lock().last_duration
    }

    /// Returns what [`Check::new`](crate::Check::new) runs.
    pub fn check(&self) -> impl FnMut() -> RunFuture + Send + 'static + use<> {
        let monitor = self.clone();
        move || Box::pin(std::future::ready(monitor.judge()))
    }

    fn judge(&self) -> Result<(), Down> {
        let now = self.time.now();
        let state = self.lock();
        let longest = state.running.values().min().map(|start| now.saturating_since(*start));
        if longest.is_some_and(|longest| longest > self.max_duration) {
            return Err(Down::new("too_long"));
        }
        let age = state.age(now).unwrap_or_else(|| now.saturating_since(state.created));
        if age > self.max_age { Err(Down::new("stale")) } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn age(&self, now: Mono) -> Option<Duration> {
        let Success { at, age } = self.last_success?;
        Some(now.saturating_since(at).saturating_add(age))
    }
}

/// A run of a job. Created by [`JobMonitor::start`].
#[derive(Debug)]
#[must_use = "dropping the run ends it without a success"]
pub struct JobRun {
    monitor: JobMonitor,
    run: u64,
}

impl JobRun {
    /// Ends the run with a success.
    pub fn succeed(self) {
        let now = self.monitor.time.now();
        let mut state = self.monitor.lock();
        state.last_duration =
            state.running.get(&self.run).map(|start| now.saturating_since(*start));
        state.last_success = Some(Success { at: now, age: Duration::ZERO });
    }
}

impl Drop for JobRun {
    fn drop(&mut self) {
        self.monitor.lock().running.remove(&self.run);
    }
}

#[cfg(test)]
mod tests {
    use hardpoint_core::ManualClock;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn monitor() -> (JobMonitor, ManualClock) {
        let clock = ManualClock::at_unix(HOUR);
        let monitor = JobMonitor::new(26 * HOUR).max_duration(HOUR).time(&clock);
        (monitor, clock)
    }

    fn code(monitor: &JobMonitor) -> Option<&'static str> {
        monitor.judge().err().map(|down| down.code())
    }

    #[test]
    fn a_job_that_does_not_succeed_in_time_is_stale() {
        let (monitor, clock) = monitor();
        clock.advance(26 * HOUR);
        assert_eq!(code(&monitor), None);
        clock.advance(Duration::from_nanos(1));
        assert_eq!(code(&monitor), Some("stale"));
        monitor.start().succeed();
        assert_eq!(code(&monitor), None);
        clock.advance(25 * HOUR);
        drop(monitor.start());
        clock.advance(2 * HOUR);
        assert_eq!(code(&monitor), Some("stale"), "a failed run does not count as a success");
    }

    #[test]
    fn a_run_that_takes_too_long_is_reported_until_it_ends() {
        let (monitor, clock) = monitor();
        let first = monitor.start();
        clock.advance(HOUR);
        let second = monitor.start();
        assert_eq!(code(&monitor), None);
        clock.advance(HOUR / 2);
        assert_eq!(code(&monitor), Some("too_long"));
        first.succeed();
        assert_eq!(code(&monitor), None);
        assert_eq!(monitor.last_duration(), Some(HOUR * 3 / 2));
        clock.advance(HOUR);
        assert_eq!(code(&monitor), Some("too_long"));
        drop(second);
        assert_eq!(code(&monitor), None);
        assert_eq!(monitor.last_success_age(), Some(HOUR));
    }

    #[test]
    fn a_success_elsewhere_counts_if_it_is_newer() {
        let (monitor, clock) = monitor();
        assert_eq!(monitor.last_success_age(), None);
        monitor.succeeded_ago(20 * HOUR);
        clock.advance(5 * HOUR);
        assert_eq!(monitor.last_success_age(), Some(25 * HOUR));
        monitor.succeeded_ago(30 * HOUR);
        assert_eq!(monitor.last_success_age(), Some(25 * HOUR));
        monitor.succeeded_ago(HOUR);
        assert_eq!(monitor.last_success_age(), Some(HOUR));
        clock.advance(26 * HOUR);
        assert_eq!(code(&monitor), Some("stale"));
    }
}
