//! When a check runs, and when its run is overdue. Pure: takes instants and random bits.

use std::time::Duration;

use hardpoint_core::Mono;

use super::schedule::Schedule;

/// What has to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Start a run.
    Start,
    /// The run has exceeded its timeout just now. Count a failure.
    Overdue,
    /// The run is still not over, one period later. Count a further failure.
    StillOverdue,
}

/// The end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) took: Duration,
    /// Whether the run exceeded its timeout.
    pub(super) late: bool,
    /// Whether that has been counted as a failure.
    pub(super) counted: bool,
}

/// The plan of one check. At most one run exists: the next one starts after the end of the previous
/// one, however long that takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    every: Duration,
    timeout: Duration,
    schedule: Schedule,
    /// The end of the current period.
    next: Mono,
    run: Option<Running>,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    started: Mono,
    overdue: bool,
}

impl Plan {
    pub(super) fn new(every: Duration, timeout: Duration, now: Mono, random: u64) -> Self {
        let mut schedule = Schedule::First;
        let next = now.saturating_add(schedule.pause(every, random));
        Self { every, timeout, schedule, next, run: None }
    }

    /// The step that is due, if any. Call it until it returns `None`.
    pub(super) fn step(&mut self, now: Mono, random: u64) -> Option<Step> {
        match &mut self.run {
            None if now >= self.next => {
                self.run = Some(Running { started: now, overdue: false });
                self.next = now.saturating_add(self.schedule.pause(self.every, random));
                Some(Step::Start)
            }
            Some(run) if !run.overdue && now >= run.started.saturating_add(self.timeout) => {
                run.overdue = true;
                // The period after the first run is shorter than the others, and may be over.
                self.next = self.next.max(now.saturating_add(self.every - self.timeout));
                Some(Step::Overdue)
            }
            Some(run) if run.overdue && now >= self.next => {
                self.next = now.saturating_add(self.every);
                Some(Step::StillOverdue)
            }
            _ => None,
        }
    }

    /// Skips the run that is due. Returns whether one was.
    pub(super) fn skip(&mut self, now: Mono, random: u64) -> bool {
        let due = self.run.is_none() && now >= self.next;
        if due {
            self.next = now.saturating_add(self.schedule.pause(self.every, random));
        }
        due
    }

    /// Takes note that the run ended at `at`. Returns `None` if there was none.
    pub(super) fn ended(&mut self, at: Mono) -> Option<Ended> {
        let run = self.run.take()?;
        let took = at.saturating_since(run.started);
        Some(Ended { took, late: run.overdue || took >= self.timeout, counted: run.overdue })
    }

    /// The age of the run, if there is one.
    pub(super) fn age(&self, now: Mono) -> Option<Duration> {
        self.run.map(|run| now.saturating_since(run.started))
    }

    /// The instant of the next step, as long as no run ends before.
    pub(super) fn wake(&self) -> Mono {
        match self.run {
            Some(run) if !run.overdue => run.started.saturating_add(self.timeout),
            _ => self.next,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Mono {
        Mono::from_nanos(millis * 1_000_000)
    }

    /// Five seconds and one second, the first run at 0 and the second a period later.
    fn plan() -> Plan {
        Plan::new(5 * SECOND, SECOND, at(0), 0)
    }

    #[test]
    fn a_run_that_ends_in_time_is_followed_by_the_next_period() {
        let mut plan = plan();
        assert_eq!(plan.step(at(0), u64::MAX), Some(Step::Start));
        assert_eq!(plan.step(at(999), 0), None);
        let ended = Ended { took: SECOND * 999 / 1_000, late: false, counted: false };
        assert_eq!(plan.ended(at(999)), Some(ended));
        assert_eq!(plan.ended(at(999)), None);
        assert!(plan.wake() > at(4_999) && plan.wake() <= at(5_000));
        assert_eq!(plan.step(at(4_999), 0), None);
        assert_eq!(plan.step(at(5_000), 0), Some(Step::Start));
    }

    #[test]
    fn an_overdue_run_fails_once_per_period_and_keeps_the_next_from_starting() {
        let mut plan = plan();
        assert_eq!(plan.step(at(0), u64::MAX), Some(Step::Start));
        assert_eq!(plan.wake(), at(1_000));
        assert_eq!(plan.step(at(1_000), 0), Some(Step::Overdue));
        assert_eq!(plan.step(at(1_000), 0), None);
        assert_eq!(plan.step(at(5_000), 0), Some(Step::StillOverdue));
        assert_eq!(plan.step(at(10_000), 0), Some(Step::StillOverdue));
        assert_eq!(plan.age(at(12_000)), Some(12 * SECOND));
        let ended = Ended { took: 12 * SECOND, late: true, counted: true };
        assert_eq!(plan.ended(at(12_000)), Some(ended));
        assert_eq!(plan.step(at(14_999), 0), None);
        assert_eq!(plan.step(at(15_000), 0), Some(Step::Start));
    }

    #[test]
    fn a_run_that_ends_too_late_before_anyone_looks_is_late_and_not_counted() {
        let mut plan = plan();
        assert_eq!(plan.step(at(0), 0), Some(Step::Start));
        let ended = Ended { took: SECOND, late: true, counted: false };
        assert_eq!(plan.ended(at(1_000)), Some(ended));
    }

    #[test]
    fn a_skipped_run_is_one_period_of_rest() {
        let mut plan = plan();
        assert!(plan.skip(at(0), u64::MAX));
        assert!(!plan.skip(at(4_000), 0));
        assert!(plan.skip(at(5_000), 0));
        assert_eq!(plan.step(at(10_000), 0), Some(Step::Start));
        assert!(!plan.skip(at(20_000), 0), "a run that exists is not skipped");
    }

    #[test]
    fn the_longest_durations_saturate() {
        let longest = Duration::MAX;
        let mut plan = Plan::new(longest, longest - SECOND, at(0), 0);
        assert_eq!(plan.step(at(0), u64::MAX), Some(Step::Start));
        assert_eq!(plan.step(at(u64::MAX / 2_000_000), 0), None);
    }

    proptest! {
        #[test]
        fn runs_alternate_with_ends_and_failures_are_a_period_apart(
            every_ms in 2_u64..50,
            timeout_part in 0.0_f64..1.0,
            // Whether the run ends at that millisecond, if there is one.
            ends in prop::collection::vec(any::<Option<()>>(), 200..600),
            randoms in any::<[u64; 8]>(),
        ) {
            let every = Duration::from_millis(every_ms);
            let timeout = every.mul_f64(timeout_part * 0.98).max(Duration::from_nanos(1));
            let mut randoms = randoms.into_iter().cycle();
            let mut random = || randoms.next().unwrap_or(0);
            let mut plan = Plan::new(every, timeout, at(0), random());
            let mut running: Option<Mono> = None;
            let mut last_failure: Option<Mono> = None;
            for (millis, end) in (0..).zip(ends) {
                let now = at(millis);
                while let Some(step) = plan.step(now, random()) {
                    match step {
                        Step::Start => {
                            prop_assert!(running.is_none(), "two runs at once");
                            running = Some(now);
                            last_failure = None;
                        }
                        Step::Overdue => {
                            let started = running.expect("no run is overdue");
                            prop_assert!(now >= started.saturating_add(timeout));
                            prop_assert!(last_failure.is_none());
                            last_failure = Some(now);
                        }
                        Step::StillOverdue => {
                            let last = last_failure.expect("the first failure comes first");
                            prop_assert!(now > last);
                            last_failure = Some(now);
                        }
                    }
                }
                prop_assert!(plan.wake() > now, "a step was left");
                if end.is_some() {
                    let ended = plan.ended(now);
                    prop_assert_eq!(ended.is_some(), running.is_some());
                    if let (Some(ended), Some(started)) = (ended, running) {
                        prop_assert_eq!(ended.counted, last_failure.is_some());
                        prop_assert_eq!(ended.late, now.saturating_since(started) >= timeout);
                    }
                    running = None;
                }
            }
        }
    }
}
