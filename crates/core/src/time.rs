//! Injected time: every hardpoint crate reads a [`Time`], so a test can move it by hand.

use std::{
    fmt,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// A point on a monotonic clock, in nanoseconds since an origin that the clock chooses.
///
/// Only differences are meaningful. 64 bits cover 584 years.
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

    /// The time from `earlier` to this point. Zero if `earlier` is later.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The point `duration` after this one, or the last representable one.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

/// A source of time.
///
/// [`now`](Self::now) never goes back and measures durations and deadlines. [`unix`](Self::unix) is
/// the calendar. It may step either way, so only values that leave the process use it: the claims
/// of a token, a date in a header, the timestamp of a log line.
///
/// Most services use [`Time`], which reads the operating system's clocks by default. Implement this
/// trait only for a custom clock.
pub trait Clock: Send + Sync + 'static {
    /// The monotonic time.
    fn now(&self) -> Mono;

    /// The time since 1970-01-01T00:00:00Z. Zero if the calendar is set to an earlier date.
    fn unix(&self) -> Duration;
}

/// A handle to a clock: the operating system's by default, a [`ManualClock`] in a test, or any
/// other [`Clock`].
///
/// Every hardpoint builder that measures time has a `time` setter that takes one. Clones read the
/// same clock. No hardpoint type has a clock as a type parameter, so a struct that holds a limiter
/// or a verifier has the same type in production and in tests.
///
/// ```
/// use hardpoint_core::{ManualClock, Time};
/// use std::time::Duration;
///
/// let clock = ManualClock::default();
/// let time = Time::manual(&clock);
/// let before = time.now();
/// clock.advance(Duration::from_secs(3));
/// assert_eq!(time.now().saturating_since(before), Duration::from_secs(3));
/// ```
#[derive(Clone, Default)]
pub struct Time {
    source: Source,
}

#[derive(Clone, Default)]
enum Source {
    #[default]
    System,
    Manual(ManualClock),
    Custom(Arc<dyn Clock>),
}

impl Time {
    /// Reads the operating system's clocks. All handles share one origin: the first reading of the
    /// process.
    #[must_use]
    pub const fn system() -> Self {
        Self { source: Source::System }
    }

    /// Reads `clock`.
    #[must_use]
    pub fn manual(clock: &ManualClock) -> Self {
        Self { source: Source::Manual(clock.clone()) }
    }

    /// Reads any other clock, at the cost of one virtual call per reading.
    #[must_use]
    pub fn custom(clock: impl Clock) -> Self {
        Self { source: Source::Custom(Arc::new(clock)) }
    }

    /// The monotonic time.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Mono {
        match &self.source {
            Source::System => system_now(),
            Source::Manual(clock) => clock.now(),
            Source::Custom(clock) => clock.now(),
        }
    }

    /// The time since 1970-01-01T00:00:00Z. Zero if the calendar is set to an earlier date.
    #[inline]
    #[must_use]
    pub fn unix(&self) -> Duration {
        match &self.source {
            Source::System => system_unix(),
            Source::Manual(clock) => clock.unix(),
            Source::Custom(clock) => clock.unix(),
        }
    }
}

impl From<&ManualClock> for Time {
    fn from(clock: &ManualClock) -> Self {
        Self::manual(clock)
    }
}

impl From<ManualClock> for Time {
    fn from(clock: ManualClock) -> Self {
        Self { source: Source::Manual(clock) }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.source {
            Source::System => "Time(system)",
            Source::Manual(_) => "Time(manual)",
            Source::Custom(_) => "Time(custom)",
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
fn system_now() -> Mono {
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let origin = *ORIGIN;
    Mono(nanos(Instant::now().saturating_duration_since(origin)))
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the calendar")]
fn system_unix() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A clock that moves only when a test moves it. Clones share one reading.
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
    /// Creates a clock whose calendar shows `unix` since 1970.
    ///
    /// The monotonic reading starts one hour after its origin, so a test can also use earlier
    /// points.
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

    /// Sets only the calendar, as an administrator or a time server does.
    pub fn step_unix(&self, to: Duration) {
        self.hands.unix.store(nanos(to), Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    /// Creates a clock whose calendar shows 2027-01-15T08:00:00Z.
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
        let first = Time::system().now();
        let second = Time::default().now();
        assert!(second >= first);
        assert!(Time::system().unix() > Duration::from_secs(1_700_000_000));
    }

    #[test]
    fn a_handle_reads_the_clock_it_was_made_from() {
        let clock = ManualClock::default();
        for time in [Time::manual(&clock), Time::from(clock.clone()), Time::custom(clock.clone())] {
            clock.advance(Duration::from_secs(1));
            assert_eq!((time.now(), time.unix()), (clock.now(), clock.unix()), "{time:?}");
        }
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
