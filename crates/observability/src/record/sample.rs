//! How many lines about rejected requests are written.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hardpoint_core::Mono;

/// Bounds lines about rejected requests, and counts those that are not written. All services of a
/// layer share it, and only rejected requests take its lock.
#[derive(Debug)]
pub(super) struct Sample {
    per_second: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the lines of the burst are all available again.
    full_at: Mono,
    unlogged: u64,
}

/// So many seconds' worth of lines may come at once.
const BURST_SECONDS: u32 = 10;

impl Sample {
    pub(super) const fn new(per_second: u32) -> Self {
        let state = State { full_at: Mono::ZERO, unlogged: 0 };
        Self { per_second, state: Mutex::new(state) }
    }

    /// The number of requests without a line since the last one, if this request has a line.
    pub(super) fn line(&self, now: Mono) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.per_second == 0 {
            state.unlogged = state.unlogged.saturating_add(1);
            return None;
        }
        let interval = Duration::from_secs(1) / self.per_second;
        let next = state.full_at.max(now).saturating_add(interval);
        if next.saturating_since(now) > Duration::from_secs(BURST_SECONDS.into()) {
            state.unlogged = state.unlogged.saturating_add(1);
            return None;
        }
        state.full_at = next;
        Some(std::mem::take(&mut state.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_the_next_one_has_the_count() {
        let sample = Sample::new(3);
        let at = |millis: u64| Mono::from_nanos(1 + millis * 1_000_000);
        let lines = (0..1_000).filter(|_| sample.line(at(0)).is_some()).count();
        assert_eq!(lines, 30, "ten seconds' worth");
        assert_eq!(sample.line(at(100)), None);
        assert_eq!(sample.line(at(334)), Some(971));
        assert_eq!(sample.line(at(334)), None);
        assert_eq!(sample.line(at(668)), Some(1));
        let later = (0..1_000).filter(|_| sample.line(at(60_000)).is_some()).count();
        assert_eq!(later, 30);
    }

    #[test]
    fn none_and_all_can_be_set() {
        let sample = Sample::new(0);
        assert_eq!(sample.line(Mono::ZERO), None);
        let sample = Sample::new(u32::MAX);
        assert!((0..100_000).all(|_| sample.line(Mono::ZERO) == Some(0)));
    }
}
