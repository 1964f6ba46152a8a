//! Judges the workers of a runtime from what another thread can see. Pure: takes instants and
//! samples.

use std::time::Duration;

use hardpoint_core::Mono;

/// The time between two looks.
pub(crate) const PERIOD: Duration = Duration::from_millis(100);

/// A look that comes later than this after the previous one proves nothing: the observer itself was
/// not running (a stopped process, a suspended machine, no processor time).
const LATE: Duration = Duration::from_millis(300);

/// A ping that is unanswered for this long means that no worker runs. Long enough for a
/// garbage-collecting neighbour or a page fault storm, and within the patience of a liveness probe.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// A worker that runs one poll for this long is blocked. A runtime that is saturated with polls of
/// 10 ms shows 0.7 s.
const SILENT_AFTER: Duration = Duration::from_secs(5);

/// The state of a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pulse {
    /// All workers run or have nothing to do.
    Beating,
    /// This many workers, at least one, are blocked in a poll. The others do their work.
    Silent(u32),
    /// No worker answers.
    Stalled,
}

impl Pulse {
    /// The state in `snake_case`, as the report shows it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Beating => "ok",
            Self::Silent(_) => "blocked_worker",
            Self::Stalled => "stalled",
        }
    }
}

/// The counters of one worker. They change at least every 61 polls, and when the worker parks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) busy: Duration,
    /// Even while the worker runs, odd while it is parked.
    pub(super) parks: u64,
}

#[derive(Clone, Copy, Debug)]
struct Worker {
    sample: Sample,
    /// When the counters were first seen like this.
    since: Mono,
    silent: bool,
}

/// Remembers what it has seen of one runtime.
#[derive(Debug, Default)]
pub(super) struct Judge {
    last_look: Option<Mono>,
    unanswered_since: Option<Mono>,
    stalled: bool,
    workers: Vec<Worker>,
}

impl Judge {
    /// Takes one look. `answered` is whether the latest ping has been answered.
    pub(super) fn look(
        &mut self,
        now: Mono,
        answered: bool,
        samples: impl IntoIterator<Item = Sample>,
    ) -> Pulse {
        let late =
            self.last_look.replace(now).is_some_and(|last| now.saturating_since(last) > LATE);
        self.judge_ping(now, answered, late);
        let mut workers = 0;
        for (index, sample) in samples.into_iter().enumerate() {
            workers = index + 1;
            match self.workers.get_mut(index) {
                Some(worker) => worker.look(now, sample, late),
                None => self.workers.push(Worker { sample, since: now, silent: false }),
            }
        }
        self.workers.truncate(workers);
        if self.stalled {
            return Pulse::Stalled;
        }
        let silent = self.workers.iter().filter(|worker| worker.silent).count();
        match u32::try_from(silent).unwrap_or(u32::MAX) {
            0 => Pulse::Beating,
            silent => Pulse::Silent(silent),
        }
    }

    fn judge_ping(&mut self, now: Mono, answered: bool, late: bool) {
        if answered {
            self.unanswered_since = None;
            self.stalled = false;
            return;
        }
        let since = *self.unanswered_since.get_or_insert(now);
        if late {
            self.unanswered_since = Some(now);
        } else if now.saturating_since(since) >= STALLED_AFTER {
            self.stalled = true;
        }
    }
}

impl Worker {
    fn look(&mut self, now: Mono, sample: Sample, late: bool) {
        let parked = sample.parks % 2 == 1;
        if parked || sample != self.sample {
            *self = Self { sample, since: now, silent: false };
        } else if late {
            // A worker that was found silent stays so until it moves.
            self.since = now;
        } else if now.saturating_since(self.since) >= SILENT_AFTER {
            self.silent = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::from_nanos(millis * 1_000_000)
    }

    const fn sample(busy_ms: u64, parks: u64) -> Sample {
        Sample { busy: Duration::from_millis(busy_ms), parks }
    }

    /// Looks every 100 ms from `from` to `to` (exclusive) and returns the last pulse.
    fn looks(
        judge: &mut Judge,
        millis: std::ops::Range<u64>,
        answered: bool,
        samples: impl Fn(u64) -> Vec<Sample>,
    ) -> Pulse {
        let mut pulse = Pulse::Beating;
        for millis in millis.step_by(100) {
            pulse = judge.look(at(millis), answered, samples(millis));
        }
        pulse
    }

    #[test]
    fn ten_seconds_without_an_answer_are_a_stall_and_an_answer_ends_it() {
        let mut judge = Judge::default();
        let parked = |_| vec![sample(0, 1)];
        assert_eq!(looks(&mut judge, 0..10_000, false, parked), Pulse::Beating);
        assert_eq!(judge.look(at(10_000), false, [sample(0, 1)]), Pulse::Stalled);
        assert_eq!(judge.look(at(10_100), true, [sample(0, 1)]), Pulse::Beating);
        assert_eq!(looks(&mut judge, 10_200..20_200, false, parked), Pulse::Beating);
    }

    #[test]
    fn one_worker_that_does_not_move_is_silent_after_five_seconds() {
        let mut judge = Judge::default();
        // The first moves, the second is parked, the third is in one poll.
        let three = |millis| vec![sample(millis, 2), sample(7, 3), sample(7, 4)];
        assert_eq!(looks(&mut judge, 0..5_000, true, three), Pulse::Beating);
        assert_eq!(looks(&mut judge, 5_000..5_100, true, three), Pulse::Silent(1));
        let moved = [sample(5_100, 2), sample(7, 3), sample(5_000, 4)];
        assert_eq!(judge.look(at(5_100), true, moved), Pulse::Beating);
    }

    #[test]
    fn a_stall_outranks_a_silent_worker() {
        let mut judge = Judge::default();
        let stuck = |_| vec![sample(7, 4)];
        assert_eq!(looks(&mut judge, 0..5_100, false, stuck), Pulse::Silent(1));
        assert_eq!(looks(&mut judge, 5_100..10_100, false, stuck), Pulse::Stalled);
    }

    #[test]
    fn a_look_that_is_late_starts_all_waits_again() {
        let mut judge = Judge::default();
        let stuck = |_| vec![sample(7, 4)];
        looks(&mut judge, 0..4_900, false, stuck);
        // Stopped for an hour.
        assert_eq!(judge.look(at(3_600_000), false, stuck(0)), Pulse::Beating);
        assert_eq!(looks(&mut judge, 3_600_100..3_605_000, false, stuck), Pulse::Beating);
        assert_eq!(looks(&mut judge, 3_605_000..3_605_100, false, stuck), Pulse::Silent(1));
        // Found silent before: it stays so until it moves.
        assert_eq!(judge.look(at(7_200_000), false, stuck(0)), Pulse::Silent(1));
    }

    #[test]
    fn a_stall_is_not_forgotten_by_a_late_look() {
        let mut judge = Judge::default();
        let stuck = |_| vec![sample(7, 4)];
        looks(&mut judge, 0..10_100, false, stuck);
        assert_eq!(judge.look(at(60_000), false, stuck(0)), Pulse::Stalled);
        assert_eq!(judge.look(at(60_100), true, [sample(8, 5)]), Pulse::Beating);
    }

    proptest! {
        #[test]
        fn a_runtime_that_answers_and_moves_is_never_accused(
            gaps in prop::collection::vec(1_u64..100_000, 1..200),
        ) {
            let (mut judge, mut now) = (Judge::default(), 0);
            for gap in gaps {
                now += gap;
                prop_assert_eq!(judge.look(at(now), true, [sample(now, 2), sample(0, 1)]), Pulse::Beating);
            }
        }

        #[test]
        fn no_single_gap_accuses_anybody(gap in 0_u64..10_000_000) {
            let mut judge = Judge::default();
            judge.look(at(0), false, [sample(7, 4)]);
            let pulse = judge.look(at(gap), false, [sample(7, 4)]);
            prop_assert_eq!(pulse, Pulse::Beating);
        }
    }
}
