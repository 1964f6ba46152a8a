//! The clock of limiters whose state lies in this process.

use std::{sync::LazyLock, time::Duration};

use hardpoint_core::{Clock, Mono, SystemClock};

/// The processor's own counter, where that runs at one rate (an invariant TSC, the generic timer of
/// ARM), and the operating system's monotonic clock elsewhere. The calendar is the system's. All values
/// share one origin: the first reading of the process.
///
/// A limiter reads the time for each request, and the counter takes a third of what the system's clock
/// takes. It is for limits, where being off by a little gives a cell a little early or late, and not
/// for deadlines on which security depends:
/// - The rate is measured against the system's clock at the first reading, which takes about a
///   millisecond (on a machine that is very busy up to 200, and then it is measured less well), and stays
///   as it was measured, within some millionths. A [`MemoryStore`](crate::MemoryStore) reads it when it
///   is made, so that no request waits for it.
/// - A counter that began anew, because the machine was suspended or the process moved to another one,
///   is left for the system's clock. One that jumped ahead fills all buckets.
/// - Two threads that read it within a few nanoseconds of each other may see them the other way round.
///
/// [`build_with_clock`](crate::Builder::build_with_clock) takes any other clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CounterClock;

/// What counts, and what it and the system's clock showed at the first reading.
struct Counter {
    clock: quanta::Clock,
    origin: u64,
    system: Mono,
}

static COUNTER: LazyLock<Counter> = LazyLock::new(|| {
    let clock = quanta::Clock::new();
    Counter { origin: clock.raw(), system: SystemClock.now(), clock }
});

impl Clock for CounterClock {
    #[inline]
    fn now(&self) -> Mono {
        let Counter { clock, origin, system } = &*COUNTER;
        let raw = clock.raw();
        if raw < *origin {
            return since(*system);
        }
        Mono::from_nanos(clock.delta_as_nanos(*origin, raw))
    }

    fn unix(&self) -> Duration {
        SystemClock.unix()
    }
}

/// The time since the first reading by the system's clock.
#[cold]
fn since(first: Mono) -> Mono {
    Mono::ZERO.saturating_add(SystemClock.now().saturating_since(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_not_go_back_and_shares_one_origin() {
        let first = CounterClock.now();
        let second = CounterClock.now();
        assert!(second >= first);
        assert!(first < Mono::ZERO.saturating_add(Duration::from_hours(1)));
        assert!(CounterClock.unix() > Duration::from_secs(1_700_000_000));
    }

    #[test]
    fn it_runs_as_fast_as_the_systems_clock_and_so_does_what_stands_in_for_it() {
        // Between two readings of the other: this thread may lose the processor at any point.
        let both = |read: &dyn Fn() -> Mono| (SystemClock.now(), read(), SystemClock.now());
        let _measured = CounterClock.now();
        let start = SystemClock.now();
        let readings: [&dyn Fn() -> Mono; 2] = [&|| CounterClock.now(), &|| since(start)];
        for read in readings {
            let (outer, begin, inner) = both(read);
            while SystemClock.now().saturating_since(inner) < Duration::from_millis(50) {
                std::hint::spin_loop();
            }
            let (before, end, after) = both(read);
            let took = end.saturating_since(begin).as_secs_f64();
            let least = before.saturating_since(inner).as_secs_f64();
            let most = after.saturating_since(outer).as_secs_f64();
            assert!(took > least * 0.99 && took < most * 1.01, "{least} s, {took} s, {most} s");
        }
    }
}
