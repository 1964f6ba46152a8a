//! How much a key may consume.

#[cfg(feature = "serde")]
mod serde;

use std::{error::Error, fmt, num::NonZeroU32, str::FromStr, time::Duration};

use crate::gcra;

/// A sustained rate and a burst.
///
/// Each key has a bucket of `burst` cells, which starts full. A request consumes cells, one by
/// default, and the bucket is replenished at an even pace: `per_second(20)` adds one cell every
/// 50 ms. In any span of time `t` a key consumes at most `burst + rate × t` cells.
///
/// The interval of a cell is rounded up to whole nanoseconds. The pace is never faster than asked
/// for, and slower by less than one part in a thousand up to a million cells a second.
///
/// A configuration writes it as `CELLS/PERIOD[:BURST]`; the feature `serde` deserializes that text.
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
    /// The longest interval of a cell: 365 days.
    pub const MAX_INTERVAL: Duration = Duration::from_hours(365 * 24);

    /// `cells` every second, and a burst of as many.
    ///
    /// # Panics
    /// If `cells` is zero; in a constant that is a compile error. To forbid something, refuse it
    /// where callers are authorised.
    #[must_use]
    pub const fn per_second(cells: u32) -> Self {
        Self::checked(cells, Duration::from_secs(1))
    }

    /// `cells` every minute, and a burst of as many.
    ///
    /// # Panics
    /// If `cells` is zero.
    #[must_use]
    pub const fn per_minute(cells: u32) -> Self {
        Self::checked(cells, Duration::from_secs(60))
    }

    /// `cells` every hour, and a burst of as many.
    ///
    /// # Panics
    /// If `cells` is zero.
    #[must_use]
    pub const fn per_hour(cells: u32) -> Self {
        Self::checked(cells, Duration::from_secs(3600))
    }

    /// `cells` every `period`, and a burst of as many. `None` if either is zero, or if a cell would
    /// take longer than [`MAX_INTERVAL`](Self::MAX_INTERVAL).
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

    /// The cells that a key may consume at once. Default: the cells of one period.
    ///
    /// A larger burst lets a client catch up after a pause and send a heavier wave; it costs no
    /// memory. 1 paces strictly.
    ///
    /// # Panics
    /// If `cells` is zero; in a constant that is a compile error.
    #[must_use]
    pub const fn burst(mut self, cells: u32) -> Self {
        match NonZeroU32::new(cells) {
            Some(burst) => self.burst = burst,
            None => panic!("a burst needs at least one cell"),
        }
        self
    }

    /// The time that it takes to replenish one cell.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// The cells of a full bucket: the burst.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.burst.get()
    }

    /// The time that it takes to fill an empty bucket.
    #[must_use]
    pub const fn window(&self) -> Duration {
        Duration::from_nanos(self.tolerance())
    }

    /// The window in whole seconds, as header fields show it: at least 1, and without the second
    /// that the rounding of the interval to nanoseconds may add.
    pub(crate) fn window_seconds(&self) -> u64 {
        let rounding = u64::from(self.burst.get());
        self.tolerance().saturating_sub(rounding).div_ceil(1_000_000_000).max(1)
    }

    /// The interval of a cell in nanoseconds, and the burst.
    #[inline]
    pub(crate) const fn to_parts(self) -> (u64, NonZeroU32) {
        (self.interval, self.burst)
    }

    #[inline]
    pub(crate) const fn from_parts(interval: u64, burst: NonZeroU32) -> Self {
        Self { interval, burst }
    }

    /// Nanoseconds a cell.
    #[inline]
    pub(crate) const fn interval_nanos(&self) -> u64 {
        self.interval
    }

    /// [`gcra::size`] of a full bucket.
    #[inline]
    pub(crate) const fn size(&self) -> u8 {
        gcra::size(self.tolerance())
    }

    /// Nanoseconds of a full bucket: the largest debt of a key.
    #[inline]
    pub(crate) const fn tolerance(&self) -> u64 {
        self.interval.saturating_mul(self.burst.get() as u64)
    }

    /// This share of the quota, above 0 and at most 1: at least one cell, and a slower pace.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "neither product is negative, and a cast of a larger one saturates"
    )]
    pub(crate) fn share(self, share: f32) -> Self {
        let burst = (f64::from(self.burst.get()) * f64::from(share)) as u32;
        let interval = (self.interval as f64 / f64::from(share)).ceil() as u64;
        let longest = Self::MAX_INTERVAL.as_nanos() as u64;
        Self {
            burst: NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN),
            interval: interval.clamp(self.interval, longest.max(self.interval)),
        }
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
        parse(text).ok_or_else(|| ParseQuotaError { text: text.to_owned() })
    }
}

fn parse(text: &str) -> Option<Quota> {
    let (cells, rest) = text.trim().split_once('/')?;
    let (period, burst) = match rest.split_once(':') {
        Some((period, burst)) => (period, Some(parse_cells(burst).and_then(NonZeroU32::new)?)),
        None => (rest, None),
    };
    let quota = Quota::new(parse_cells(cells)?, parse_period(period.trim())?)?;
    Some(Quota { burst: burst.unwrap_or(quota.burst), ..quota })
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

/// A text is not a quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseQuotaError {
    text: String,
}

impl ParseQuotaError {
    /// The spelling of a quota that other software writes in another way: `5/m`, `5r/m`,
    /// `5 per minute` and `5/minute` mean `5/1m`.
    fn suggestion(&self) -> Option<String> {
        let text = self.text.trim().to_ascii_lowercase();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (cells, rest) = text.split_at_checked(digits)?;
        let rest = rest.trim_start();
        let rest = rest.strip_prefix("requests").or_else(|| rest.strip_prefix('r')).unwrap_or(rest);
        let rest = rest.trim_start();
        let rest = rest.strip_prefix('/').or_else(|| rest.strip_prefix("per"))?;
        let (period, burst) = match rest.split_once(':') {
            Some((period, burst)) => (period.trim(), format!(":{}", burst.trim())),
            None => (rest.trim(), String::new()),
        };
        let digits = period.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = period.split_at_checked(digits)?;
        let number = if number.is_empty() { "1" } else { number };
        let unit = match unit.trim_start() {
            "ms" | "msec" | "millis" | "millisecond" | "milliseconds" => "ms",
            "s" | "sec" | "secs" | "second" | "seconds" => "s",
            "m" | "min" | "mins" | "minute" | "minutes" => "m",
            "h" | "hr" | "hrs" | "hour" | "hours" => "h",
            "d" | "day" | "days" => "d",
            _ => return None,
        };
        let suggestion = format!("{cells}/{number}{unit}{burst}");
        parse(&suggestion).map(|_quota| suggestion)
    }
}

impl fmt::Display for ParseQuotaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a quota; ", self.text.escape_debug())?;
        match self.suggestion() {
            Some(suggestion) => write!(f, "write `{suggestion}`"),
            None => f.write_str(
                "write CELLS/PERIOD or CELLS/PERIOD:BURST, with numbers above zero and a period in \
                 ms, s, m, h or d, such as `200/1s:400`",
            ),
        }
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
    fn an_invalid_quota_is_refused_with_what_to_write() {
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
            "99999999999/1s",
            "1/366d",
            "5/99999999999999999999s",
            "5/184467440737095516h",
        ] {
            let error = bad.parse::<Quota>().unwrap_err();
            assert!(error.to_string().contains(&format!("`{bad}`")), "{bad}");
            assert!(error.to_string().contains("200/1s:400"), "{error}");
        }
        assert_eq!(" 5 / 100ms : 9 ".parse(), Ok(Quota::per_second(50).burst(9)));
    }

    #[test]
    fn a_quota_in_the_spelling_of_others_is_refused_with_the_one_that_works() {
        for (bad, good) in [
            ("5/m", "`5/1m`"),
            ("10 / s:20", "`10/1s:20`"),
            ("1/d", "`1/1d`"),
            ("5/min", "`5/1m`"),
            ("5/minute", "`5/1m`"),
            ("100/15minutes", "`100/15m`"),
            ("5/M", "`5/1m`"),
            ("5/1 m", "`5/1m`"),
            ("10r/s", "`10/1s`"),
            ("10 per second", "`10/1s`"),
            ("10 requests per hour:20", "`10/1h:20`"),
        ] {
            let error = bad.parse::<Quota>().unwrap_err().to_string();
            assert!(error.ends_with(&format!("write {good}")), "{error}");
        }
    }

    #[test]
    fn a_share_of_a_quota_is_slower_and_smaller_and_never_nothing() {
        let quota = Quota::per_minute(10).burst(100);
        assert_eq!(quota.share(1.0), quota);
        assert_eq!(quota.share(0.25), Quota::new(10, Duration::from_secs(240)).unwrap().burst(25));
        assert_eq!(Quota::per_hour(1).share(0.25).capacity(), 1);
        let longest = Quota::new(1, Quota::MAX_INTERVAL).unwrap();
        assert_eq!(longest.share(0.01).interval(), Quota::MAX_INTERVAL);
    }
}
