//! Which requests have a line, of those that need not have one: rejected and successful ones.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hardpoint_core::{Mono, TraceContext};

/// Bounds lines about rejected and successful requests, and counts those that are not written. All
/// services of a layer share it. Only rejected requests take its lock.
#[derive(Debug)]
pub(super) struct Sample {
    /// Lines a second about rejected requests.
    rejected: u32,
    rejections: Mutex<Rejections>,
    /// One success in so many is logged.
    successes: u32,
    slow: Duration,
    /// Successes without a line since the last one.
    unlogged: AtomicU64,
}

#[derive(Debug)]
struct Rejections {
    /// When the lines of the burst are all available again.
    full_at: Mono,
    unlogged: u64,
}

/// So many seconds' worth of lines may come at once.
const BURST_SECONDS: u32 = 10;

impl Sample {
    const fn new(rejected: u32, successes: u32, slow: Duration) -> Self {
        let rejections = Mutex::new(Rejections { full_at: Mono::ZERO, unlogged: 0 });
        Self { rejected, rejections, successes, slow, unlogged: AtomicU64::new(0) }
    }

    pub(super) const fn rejected(&self, per_second: u32) -> Self {
        Self::new(per_second, self.successes, self.slow)
    }

    pub(super) const fn one_success_in(&self, requests: u32) -> Self {
        Self::new(self.rejected, requests, self.slow)
    }

    pub(super) const fn slow_after(&self, slow: Duration) -> Self {
        Self::new(self.rejected, self.successes, slow)
    }

    /// The number of rejected requests without a line since the last one, if this one has a line.
    pub(super) fn rejection(&self, now: Mono) -> Option<u64> {
        let mut state = self.rejections.lock().unwrap_or_else(PoisonError::into_inner);
        if self.rejected == 0 {
            state.unlogged = state.unlogged.saturating_add(1);
            return None;
        }
        let interval = Duration::from_secs(1) / self.rejected;
        let next = state.full_at.max(now).saturating_add(interval);
        if next.saturating_since(now) > Duration::from_secs(BURST_SECONDS.into()) {
            state.unlogged = state.unlogged.saturating_add(1);
            return None;
        }
        state.full_at = next;
        Some(std::mem::take(&mut state.unlogged))
    }

    /// The number of successes without a line since the last one, if this one has a line.
    pub(super) fn success(&self, trace: Option<TraceContext>, took: Duration) -> Option<u64> {
        if self.successes <= 1 {
            return Some(0);
        }
        if took < self.slow && trace.is_some_and(|trace| !self.contains(trace)) {
            self.unlogged.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.unlogged.swap(0, Ordering::Relaxed))
    }

    /// Whether the sample of successes contains this trace, as a sampler of OpenTelemetry with the
    /// same ratio decides it.
    fn contains(&self, trace: TraceContext) -> bool {
        let [.., a, b, c, d, e, f, g, h] = trace.trace_id.to_bytes();
        let bound = (1 << 63) / u64::from(self.successes.max(1));
        (u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1) < bound
    }
}

impl Default for Sample {
    fn default() -> Self {
        Self::new(100, 1, Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use hardpoint_core::TraceId;

    use super::*;

    const FAST: Duration = Duration::from_millis(999);

    #[test]
    fn lines_are_bounded_and_the_next_one_has_the_count() {
        let sample = Sample::default().rejected(3);
        let at = |millis: u64| Mono::from_nanos(1 + millis * 1_000_000);
        let lines = (0..1_000).filter(|_| sample.rejection(at(0)).is_some()).count();
        assert_eq!(lines, 30, "ten seconds' worth");
        assert_eq!(sample.rejection(at(100)), None);
        assert_eq!(sample.rejection(at(334)), Some(971));
        assert_eq!(sample.rejection(at(334)), None);
        assert_eq!(sample.rejection(at(668)), Some(1));
        let later = (0..1_000).filter(|_| sample.rejection(at(60_000)).is_some()).count();
        assert_eq!(later, 30);
    }

    #[test]
    fn none_and_all_can_be_set() {
        let sample = Sample::default().rejected(0);
        assert_eq!(sample.rejection(Mono::ZERO), None);
        let sample = Sample::default().rejected(u32::MAX);
        assert!((0..100_000).all(|_| sample.rejection(Mono::ZERO) == Some(0)));
    }

    fn trace(low: u64) -> Option<TraceContext> {
        let id = TraceId::from_bytes((1 << 100 | u128::from(low)).to_be_bytes())?;
        Some(TraceContext::new(id, None, 0))
    }

    #[test]
    fn the_trace_decides_about_a_success_and_the_next_line_has_the_count() {
        let sample = Sample::default().one_success_in(4);
        // A quarter of 2^64: ids below it are in the sample.
        assert_eq!(sample.success(trace((1 << 62) - 1), FAST), Some(0));
        for _ in 0..3 {
            assert_eq!(sample.success(trace(1 << 62), FAST), None);
        }
        assert_eq!(sample.success(trace(u64::MAX), FAST), None);
        assert_eq!(sample.success(trace(0), FAST), Some(4));
        assert_eq!(sample.success(trace(0), FAST), Some(0));
        assert_eq!(sample.success(trace(u64::MAX), FAST), None);
        assert_eq!(sample.success(trace(u64::MAX), Duration::from_secs(1)), Some(1), "slow");
        assert_eq!(sample.success(None, FAST), Some(0));
    }

    #[test]
    fn all_successes_have_a_line_by_default() {
        for sample in [Sample::default(), Sample::default().one_success_in(0)] {
            assert_eq!(sample.success(trace(u64::MAX), FAST), Some(0));
        }
        let slow = Sample::default().one_success_in(u32::MAX).slow_after(Duration::ZERO);
        assert_eq!(slow.success(trace(u64::MAX), Duration::ZERO), Some(0));
    }
}
