//! Time, injected.
//!
//! Every hardpoint crate takes a [`Clock`] instead of reading the time itself, so that a test moves
//! time by hand and a whole stack of layers agrees on one reading.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// A point on a monotonic clock, in nanoseconds since an origin that the clock chose.
///
/// Only differences mean anything. 64 bits last 584 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(u64);

impl Mono {
    /// The clock's origin.
    pub const ZERO: Self = Self(0);

    /// The point `nanos` nanoseconds after the origin.
    #[inline]
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    #[inline]
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this point; zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The point `duration` after this one, or the last representable one.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

/// Where time comes from.
///
/// [`now`](Self::now) never goes back and is what durations and deadlines are measured with.
/// [`unix`](Self::unix) is the calendar, may step either way, and is used only for what leaves the
/// process: claims of a token, a date in a header, a timestamp in a log line.
///
/// Clones of one clock agree with each other.
pub trait Clock: Clone + Send + Sync + 'static {
    /// The monotonic time.
    fn now(&self) -> Mono;

    /// The time since 1970-01-01T00:00:00Z. Zero if the system's calendar stands before it.
    fn unix(&self) -> Duration;
}

/// The operating system's clocks. All values share one origin: the first reading of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SystemClock;

#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clocks")]
impl Clock for SystemClock {
    fn now(&self) -> Mono {
        static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
        let origin = *ORIGIN;
        Mono(nanos(Instant::now().saturating_duration_since(origin)))
    }

    fn unix(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

/// A clock that moves only when a test moves it. Clones share the hands.
///
/// ```
/// use hardpoint_core::{Clock, ManualClock};
/// use std::time::Duration;
///
/// let clock = ManualClock::at_unix(Duration::from_secs(1_800_000_000));
/// let before = clock.now();
/// clock.advance(Duration::from_secs(3));
/// assert_eq!(clock.now().saturating_since(before), Duration::from_secs(3));
/// assert_eq!(clock.unix(), Duration::from_secs(1_800_000_003));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    hands: Arc<Hands>,
}

#[derive(Debug)]
struct Hands {
    mono: AtomicU64,
    unix: AtomicU64,
}

impl ManualClock {
    /// A clock whose calendar shows `unix` since 1970.
    ///
    /// The monotonic reading starts an hour after its origin, so that a test can ask what was true
    /// a little earlier.
    #[must_use]
    pub fn at_unix(unix: Duration) -> Self {
        let hands = Hands { mono: AtomicU64::new(3_600_000_000_000), unix: nanos(unix).into() };
        Self { hands: Arc::new(hands) }
    }

    /// Moves both the monotonic time and the calendar forward.
    pub fn advance(&self, by: Duration) {
        self.hands.mono.fetch_add(nanos(by), Ordering::SeqCst);
        self.hands.unix.fetch_add(nanos(by), Ordering::SeqCst);
    }

    /// Sets the calendar alone, as an administrator or a time server does: monotonic time is
    /// untouched.
    pub fn step_unix(&self, to: Duration) {
        self.hands.unix.store(nanos(to), Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    /// A clock that shows 2027-01-15T08:00:00Z.
    fn default() -> Self {
        Self::at_unix(Duration::from_secs(1_800_000_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Mono {
        Mono(self.hands.mono.load(Ordering::SeqCst))
    }

    fn unix(&self) -> Duration {
        Duration::from_nanos(self.hands.unix.load(Ordering::SeqCst))
    }
}

/// Nanoseconds of a duration, saturating after 584 years.
fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_never_goes_back_and_shares_one_origin() {
        let first = SystemClock.now();
        let second = SystemClock.now();
        assert!(second >= first);
        assert!(SystemClock.unix() > Duration::from_secs(1_700_000_000));
    }

    #[test]
    fn clones_of_a_manual_clock_share_its_hands() {
        let clock = ManualClock::default();
        let twin = clock.clone();
        clock.advance(Duration::from_millis(5));
        assert_eq!(clock.now(), twin.now());
        let mono = twin.now();
        clock.step_unix(Duration::from_secs(7));
        assert_eq!(twin.unix(), Duration::from_secs(7));
        assert_eq!(twin.now(), mono, "a calendar step leaves monotonic time alone");
    }

    #[test]
    fn differences_saturate() {
        let early = Mono::from_nanos(5);
        let late = Mono::from_nanos(9);
        assert_eq!(late.saturating_since(early), Duration::from_nanos(4));
        assert_eq!(early.saturating_since(late), Duration::ZERO);
        assert_eq!(late.saturating_add(Duration::MAX), Mono::from_nanos(u64::MAX));
    }
}
