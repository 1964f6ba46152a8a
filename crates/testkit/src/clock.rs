//! A clock for core that reads tokio's time.

use std::time::Duration;

use hardpoint_core::{Clock, Mono};
use tokio::time::Instant;

/// The time between the clock's origin and its start, so that a test can use earlier instants.
const HEAD_START: Duration = Duration::from_secs(3600);

/// A [`Clock`] that follows tokio's time, so that timers and the clock move together under
/// `start_paused`.
///
/// ```
/// use hardpoint_core::Clock;
/// use hardpoint_testkit::clock::TokioClock;
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let clock = TokioClock::new();
/// let (before, calendar) = (clock.now(), clock.unix());
/// tokio::time::sleep(Duration::from_secs(3)).await; // returns at once: tokio advances its clock
/// assert_eq!(clock.now().saturating_since(before), Duration::from_secs(3));
/// assert_eq!(clock.unix() - calendar, Duration::from_secs(3));
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    origin: Instant,
    unix: Duration,
}

impl TokioClock {
    /// Creates a clock whose current calendar time is 2027-01-15T08:00:00Z.
    #[must_use]
    pub fn new() -> Self {
        Self::at_unix(Duration::from_secs(1_800_000_000))
    }

    /// Creates a clock whose current calendar time is `unix` since 1970.
    #[must_use]
    pub fn at_unix(unix: Duration) -> Self {
        Self { origin: Instant::now(), unix }
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Mono {
        Mono::ZERO.saturating_add(HEAD_START).saturating_add(self.origin.elapsed())
    }

    fn unix(&self) -> Duration {
        self.unix.saturating_add(self.origin.elapsed())
    }
}
