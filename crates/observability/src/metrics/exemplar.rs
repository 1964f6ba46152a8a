//! Examples of the requests that a histogram's buckets count.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hardpoint_core::{Time, TraceId};

/// A value and the trace it belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exemplar {
    pub(super) trace: TraceId,
    pub(super) value: f64,
    pub(super) unix: Duration,
}

/// One exemplar of each bucket: the first after each scrape.
///
/// Later values only read a flag, so that a busy bucket costs neither a lock nor a clock reading.
#[derive(Debug)]
pub(super) struct Exemplars(Box<[Place]>);

#[derive(Debug, Default)]
struct Place {
    /// Whether a value was kept since the last scrape.
    taken: AtomicBool,
    kept: Mutex<Option<Exemplar>>,
}

impl Exemplars {
    pub(super) fn new(buckets: usize) -> Self {
        Self((0..buckets).map(|_| Place::default()).collect())
    }

    /// Keeps the value as the bucket's exemplar if it is the first since the last scrape.
    #[inline]
    pub(super) fn offer(&self, bucket: usize, value: f64, trace: TraceId, time: &Time) {
        if let Some(place) = self.0.get(bucket).filter(|place| !place.taken.load(Ordering::Relaxed))
        {
            place.keep(value, trace, time);
        }
    }

    /// Returns the bucket's exemplar. The next value replaces it.
    pub(super) fn read(&self, bucket: usize) -> Option<Exemplar> {
        let place = self.0.get(bucket)?;
        let kept = place.kept.try_lock().ok()?;
        place.taken.store(false, Ordering::Relaxed);
        *kept
    }
}

impl Place {
    #[cold]
    fn keep(&self, value: f64, trace: TraceId, time: &Time) {
        // Held by a scrape or by another value: nothing waits for an example.
        if let Ok(mut kept) = self.kept.try_lock() {
            *kept = Some(Exemplar { trace, value, unix: time.unix() });
            self.taken.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use hardpoint_core::ManualClock;

    use super::*;

    #[test]
    fn a_bucket_keeps_the_first_value_after_each_scrape() {
        let clock = ManualClock::at_unix(Duration::from_secs(1_800_000_000));
        let time = Time::manual(&clock);
        let exemplars = Exemplars::new(2);
        let trace = |byte| TraceId::from_bytes([byte; 16]).unwrap();
        assert!(exemplars.read(0).is_none());
        exemplars.offer(0, 0.1, trace(1), &time);
        exemplars.offer(0, 0.2, trace(2), &time);
        exemplars.offer(9, 0.2, trace(2), &time);
        let kept = exemplars.read(0).unwrap();
        assert_eq!((kept.trace, kept.unix), (trace(1), clock_unix(&time)));
        assert!((kept.value - 0.1).abs() < f64::EPSILON);
        assert_eq!(exemplars.read(0).map(|kept| kept.trace), Some(trace(1)), "until the next");
        exemplars.offer(0, 0.2, trace(2), &time);
        assert_eq!(exemplars.read(0).map(|kept| kept.trace), Some(trace(2)));
        assert!(exemplars.read(1).is_none());
    }

    fn clock_unix(time: &Time) -> Duration {
        time.unix()
    }
}
