//! The recent durations of a destination.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hardpoint_core::{Head, Mono, Time};

use super::percentile::Percentile;
use crate::keyed::{Keyed, Policy};

/// How long a destination must be without a call before another one may replace it.
const IDLE_AFTER: Duration = Duration::from_mins(1);

/// When a hedge is due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rules {
    pub(super) millionths: u64,
    pub(super) min_calls: u32,
    pub(super) floor: Duration,
    pub(super) ceiling: Duration,
}

/// The durations of one destination. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    rules: Rules,
    durations: Percentile,
    last_call: AtomicU64,
}

impl Pace {
    pub(super) fn new(rules: Rules) -> Self {
        let durations = Percentile::new(rules.millionths, u64::from(rules.min_calls));
        Self { shared: Arc::new(Shared { rules, durations, last_call: AtomicU64::new(0) }) }
    }

    /// The time after which a hedge is due. `None` while there are too few durations.
    pub(super) fn delay(&self) -> Option<Duration> {
        let Shared { rules, durations, .. } = &*self.shared;
        let percentile = Duration::from_nanos(durations.current()?);
        Some(percentile.max(rules.floor).min(rules.ceiling))
    }

    /// Records how long a finished call took.
    pub(super) fn record(&self, took: Duration, now: Mono) {
        let Shared { durations, last_call, .. } = &*self.shared;
        durations.record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        last_call.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// Records a call that was given up after this time, and would have taken longer. Below the
    /// current delay that shows nothing; from there on, how much longer does not matter.
    pub(super) fn record_at_least(&self, took: Duration, now: Mono) {
        if took >= self.delay().unwrap_or(self.shared.rules.ceiling) {
            self.record(took, now);
        }
    }
}

impl Policy for Pace {
    fn is_idle(&self, now: Mono) -> bool {
        let last = Mono::from_nanos(self.shared.last_call.load(Ordering::Relaxed));
        Arc::strong_count(&self.shared) == 1 && now.saturating_since(last) >= IDLE_AFTER
    }
}

/// The durations of all destinations of a layer.
#[derive(Debug)]
pub(super) enum Paces {
    Keyed(Keyed<Pace>),
    One(Pace),
}

impl Paces {
    /// The durations of a request's destination.
    pub(super) fn find(&self, head: Head<'_>, time: &Time) -> Pace {
        match self {
            Self::Keyed(keyed) => {
                let fresh = || Pace::new(keyed.rest().shared.rules);
                keyed.with(head, || time.now(), fresh, Pace::clone)
            }
            Self::One(pace) => pace.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        millionths: 950_000,
        min_calls: 20,
        floor: Duration::from_millis(5),
        ceiling: Duration::from_millis(500),
    };

    fn pace_of(millis: u64) -> Pace {
        let pace = Pace::new(RULES);
        (0..1_024).for_each(|_| pace.record(Duration::from_millis(millis), Mono::ZERO));
        pace
    }

    #[test]
    fn the_delay_is_within_its_bounds() {
        assert_eq!(Pace::new(RULES).delay(), None);
        assert_eq!(pace_of(1).delay(), Some(RULES.floor));
        assert_eq!(pace_of(2_000).delay(), Some(RULES.ceiling));
        let delay = pace_of(50).delay().unwrap();
        assert!((50..54).contains(&delay.as_millis()), "{delay:?}");
    }

    #[test]
    fn calls_that_were_given_up_early_show_nothing_and_late_ones_lengthen_the_delay() {
        let pace = pace_of(50);
        let given_up = |millis| {
            (0..128).for_each(|_| pace.record_at_least(Duration::from_millis(millis), Mono::ZERO));
            pace.delay().unwrap().as_millis()
        };
        assert!((50..54).contains(&given_up(1)));
        assert!((100..107).contains(&given_up(100)), "one of nine calls took at least 100 ms");
    }

    #[test]
    fn durations_make_room_after_a_minute_without_a_call() {
        let at = |seconds| Mono::ZERO.saturating_add(Duration::from_secs(seconds));
        let pace = Pace::new(RULES);
        pace.record(Duration::from_millis(1), at(100));
        assert!(!pace.is_idle(at(159)) && pace.is_idle(at(160)));
        let _in_flight = pace.clone();
        assert!(!pace.is_idle(at(160)), "a call in flight");
    }
}
