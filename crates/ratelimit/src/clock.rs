//! The time that a limiter decides by.

use std::{sync::LazyLock, time::Duration};

use hardpoint_core::{Mono, Time};

/// Where a limiter reads the time.
///
/// The default is the processor's own counter where it runs at one rate (an invariant TSC, the
/// generic timer of ARM), and the operating system's monotonic clock elsewhere. A limiter reads the
/// time for each request, and the counter takes a third of the time that the system's clock takes.
/// It suits limits, which can bear to be off by a little:
/// - The rate is measured against the system's clock at the first reading, which takes about a
///   millisecond (up to 200 on a very busy machine, with a less exact result), and stays as
///   measured, within some millionths. A limiter reads it when it is built, so no request waits.
/// - If the counter starts anew, because the machine was suspended or the process was moved, the
///   limiter uses the system's clock. If it jumps ahead, all buckets fill.
/// - Two threads that read it within a few nanoseconds of each other may see the wrong order.
#[derive(Clone, Debug)]
pub(crate) enum Ticks {
    Counter,
    Time(Time),
}

impl Ticks {
    #[inline]
    pub(crate) fn now(&self) -> Mono {
        match self {
            Self::Counter => counter(),
            Self::Time(time) => time.now(),
        }
    }

    pub(crate) fn unix(&self) -> Duration {
        match self {
            Self::Counter => Time::system().unix(),
            Self::Time(time) => time.unix(),
        }
    }
}

/// The counter, and what it and the system's clock showed at the first reading.
struct Counter {
    clock: quanta::Clock,
    origin: u64,
    system: Mono,
}

static COUNTER: LazyLock<Counter> = LazyLock::new(|| {
    let clock = quanta::Clock::new();
    Counter { origin: clock.raw(), system: Time::system().now(), clock }
});

#[inline]
fn counter() -> Mono {
    let Counter { clock, origin, system } = &*COUNTER;
    let raw = clock.raw();
    if raw < *origin {
        return since(*system);
    }
    Mono::from_nanos(clock.delta_as_nanos(*origin, raw))
}

/// The time since the first reading by the system's clock.
#[cold]
fn since(first: Mono) -> Mono {
    Mono::ZERO.saturating_add(Time::system().now().saturating_since(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_does_not_go_back_and_has_one_origin() {
        let first = Ticks::Counter.now();
        let second = Ticks::Counter.now();
        assert!(second >= first);
        assert!(first < Mono::ZERO.saturating_add(Duration::from_hours(1)));
        assert!(Ticks::Counter.unix() > Duration::from_secs(1_700_000_000));
    }

    #[test]
    fn the_counter_and_its_substitute_run_as_fast_as_the_systems_clock() {
        let system = Time::system();
        // Between two readings of the other: this thread may lose the processor at any point.
        let both = |read: &dyn Fn() -> Mono| (system.now(), read(), system.now());
        let _measured = counter();
        let start = system.now();
        let readings: [&dyn Fn() -> Mono; 2] = [&counter, &|| since(start)];
        for read in readings {
            let (outer, begin, inner) = both(read);
            while system.now().saturating_since(inner) < Duration::from_millis(50) {
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
