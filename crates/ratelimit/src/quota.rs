//! How much a key may consume.

use std::{error::Error, fmt, num::NonZeroU32, str::FromStr, time::Duration};

use crate::gcra;

/// A sustained rate and a burst.
///
/// A key owns a bucket of `burst` cells, full at first. A request consumes cells (one, if nothing
/// else is said), and cells are replenished at an even pace: at `per_second(20)` one every 50 ms.
/// In any span of time `t` a key consumes at most `burst + rate × t` cells.
///
/// The pace is kept in whole nanoseconds a cell, rounded up: never faster than was asked for, and
/// slower by less than one part in a thousand up to a million cells a second.
///
/// Written as text, as in a configuration: `CELLS/PERIOD[:BURST]`.
///
/// ```
/// use hardpoint_ratelimit::Quota;
/// use std::time::Duration;
///
/// assert_eq!("200/1s:400".parse(), Ok(Quota::per_second(200).burst(400)));
/// assert_eq!("5/1m".parse(), Ok(Quota::per_minute(5)));
/// assert_eq!(Quota::per_second(20).interval(), Duration::from_millis(50));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quota {
    interval: u64,
    burst: NonZeroU32,
}

impl Quota {
    /// The longest time in which one cell is replenished: 365 days.
    pub const MAX_INTERVAL: Duration = Duration::from_hours(365 * 24);

    /// `cells` every second, and as many at once.
    ///
    /// # Panics
    /// If `cells` is zero; in a constant that is an error of compilation. A key that may do nothing
    /// is not limited but forbidden: refuse it where it is authorised.
    #[must_use]
    pub const fn per_second(cells: u32) -> Self {
        Self::checked(cells, Duration::from_secs(1))
    }

    /// `cells` every minute, and as many at once.
    ///
    /// # Panics
    /// If `cells` is zero.
    #[must_use]
    pub const fn per_minute(cells: u32) -> Self {
        Self::checked(cells, Duration::from_secs(60))
    }

    /// `cells` every hour, and as many at once.
    ///
    /// # Panics
    /// If `cells` is zero.
    #[must_use]
    pub const fn per_hour(cells: u32) -> Self {
        Self::checked(cells, Duration::from_secs(3600))
    }

    /// `cells` every `period`, and as many at once; `None` if either is zero, or if a single cell
    /// would take longer than [`MAX_INTERVAL`](Self::MAX_INTERVAL).
    #[must_use]
    pub const fn new(cells: u32, period: Duration) -> Option<Self> {
        let Some(burst) = NonZeroU32::new(cells) else {
            return None;
        };
        let interval = period.as_nanos().div_ceil(cells as u128);
        if interval == 0 || interval > Self::MAX_INTERVAL.as_nanos() {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "compared with the maximum above")]
        Some(Self { interval: interval as u64, burst })
    }

    const fn checked(cells: u32, period: Duration) -> Self {
        match Self::new(cells, period) {
            Some(quota) => quota,
            None => panic!("a quota needs at least one cell"),
        }
    }

    /// How many cells a key may consume at once. Default: as many as in the period that the quota
    /// was made with.
    ///
    /// More of it lets a client catch up after a pause, and lets it come in a heavier wave; it costs
    /// no memory. 1 means strictly paced.
    ///
    /// # Panics
    /// If `cells` is zero; in a constant that is an error of compilation.
    #[must_use]
    pub const fn burst(mut self, cells: u32) -> Self {
        match NonZeroU32::new(cells) {
            Some(burst) => self.burst = burst,
            None => panic!("a burst needs at least one cell"),
        }
        self
    }

    /// The time in which one cell is replenished.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// The number of cells of a full bucket.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.burst.get()
    }

    /// The time in which an empty bucket fills up.
    #[must_use]
    pub const fn window(&self) -> Duration {
        Duration::from_nanos(self.tolerance())
    }

    /// Nanoseconds a cell.
    #[inline]
    pub(crate) const fn interval_nanos(&self) -> u64 {
        self.interval
    }

    /// The power of two that a full bucket lies above, in nanoseconds: from 0 to 63.
    #[inline]
    pub(crate) const fn size(&self) -> u8 {
        gcra::size(self.tolerance())
    }

    /// Nanoseconds of a full bucket: the debt that a key may have.
    #[inline]
    pub(crate) const fn tolerance(&self) -> u64 {
        self.interval.saturating_mul(self.burst.get() as u64)
    }
}

impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quota(1 cell/{:?}, burst {})", self.interval(), self.burst)
    }
}

impl FromStr for Quota {
    type Err = ParseQuotaError;

    fn from_str(text: &str) -> Result<Self, ParseQuotaError> {
        let error = || ParseQuotaError { text: text.to_owned() };
        let (cells, rest) = text.trim().split_once('/').ok_or_else(error)?;
        let (period, burst) = match rest.split_once(':') {
            Some((period, burst)) => {
                let burst = parse_cells(burst).and_then(NonZeroU32::new);
                (period, Some(burst.ok_or_else(error)?))
            }
            None => (rest, None),
        };
        let period = parse_period(period.trim()).ok_or_else(error)?;
        let quota = Self::new(parse_cells(cells).ok_or_else(error)?, period).ok_or_else(error)?;
        Ok(match burst {
            Some(burst) => Self { burst, ..quota },
            None => quota,
        })
    }
}

/// A whole number, without a sign.
fn parse_cells(text: &str) -> Option<u32> {
    let text = text.trim();
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// A whole number and one of `ms`, `s`, `m`, `h`, `d`.
fn parse_period(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(millis)?))
}

/// A text that is no quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseQuotaError {
    text: String,
}

impl fmt::Display for ParseQuotaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no quota; write CELLS/PERIOD or CELLS/PERIOD:BURST with numbers above zero and \
             a period in ms, s, m, h or d, such as 200/1s:400",
            self.text
        )
    }
}

impl Error for ParseQuotaError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n_per_second_means_n_in_a_second() {
        assert_eq!(Quota::per_second(60).interval(), Duration::from_nanos(16_666_667));
        assert_eq!(Quota::per_second(60).capacity(), 60);
        assert_eq!(Quota::per_minute(60).interval(), Duration::from_secs(1));
        assert_eq!(Quota::per_hour(1).interval(), Duration::from_secs(3600));
        assert_eq!(Quota::per_second(10).burst(3).window(), Duration::from_millis(300));
    }

    #[test]
    fn a_quota_is_never_faster_than_asked_for() {
        for cells in [1, 3, 7, 999, 1_000_000, 3_000_000, u32::MAX] {
            let quota = Quota::per_second(cells);
            assert!(quota.interval_nanos() * u64::from(cells) >= 1_000_000_000, "{cells}");
        }
    }

    #[test]
    fn text_that_is_no_quota_is_refused_with_what_to_write() {
        for bad in [
            "",
            "5",
            "5/",
            "/1s",
            "0/1s",
            "5/0s",
            "5/1s:0",
            "5/1s:",
            "5/1y",
            "-5/1s",
            "+5/1s",
            "5/1s:+3",
            "5/1.5s",
            "5/1s:4:3",
            "5/s",
            "99999999999/1s",
            "1/366d",
            "5/99999999999999999999s",
            "5/184467440737095516h",
        ] {
            let error = bad.parse::<Quota>().unwrap_err();
            assert!(error.to_string().contains(&format!("`{bad}`")), "{bad}");
            assert!(error.to_string().contains("200/1s:400"));
        }
        assert_eq!(" 5 / 100ms : 9 ".parse(), Ok(Quota::per_second(50).burst(9)));
    }
}
