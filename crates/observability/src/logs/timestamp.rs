//! The time of a line, in RFC 3339.

use std::{fmt::Write, time::Duration};

use super::date::Date;
use crate::decimal;

/// Writes times. The date is computed once a second, since lines come in the order of their times.
#[derive(Debug, Default)]
pub(super) struct Timestamp {
    /// The second since 1970 that `text` shows, if any was written.
    second: Option<u64>,
    /// The time up to the second, with the point after it.
    text: String,
}

/// What a time beyond the year 9999 is shown as.
const LATEST: &str = "9999-12-31T23:59:59.999999Z";
/// The seconds of a day. Unix time has no leap seconds.
const DAY: u64 = 86_400;

impl Timestamp {
    /// Writes a time since 1970: UTC, with microseconds. All have the same width.
    pub(super) fn write(&mut self, unix: Duration, to: &mut String) {
        if self.second != Some(unix.as_secs()) && self.begin(unix).is_none() {
            return to.push_str(LATEST);
        }
        to.push_str(&self.text);
        let micros = u64::from(unix.subsec_micros());
        to.push_str(decimal::padded(micros / 1_000));
        to.push_str(decimal::padded(micros % 1_000));
        to.push('Z');
    }

    fn begin(&mut self, unix: Duration) -> Option<()> {
        let (days, second) = (unix.as_secs() / DAY, unix.as_secs() % DAY);
        let Date { year, month, day } = Date::from_days(days)?;
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        self.text.clear();
        // Writing to a `String` cannot fail.
        let _ =
            write!(self.text, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.");
        self.second = Some(unix.as_secs());
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(timestamp: &mut Timestamp, unix: Duration) -> String {
        let mut text = String::new();
        timestamp.write(unix, &mut text);
        text
    }

    #[test]
    fn each_second_has_its_own_date() {
        let mut timestamp = Timestamp::default();
        for (seconds, micros, expected) in [
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (0, 7, "1970-01-01T00:00:00.000007Z"),
            (951_782_400, 999_999, "2000-02-29T00:00:00.999999Z"),
            (1_800_000_000, 1_234, "2027-01-15T08:00:00.001234Z"),
            // A clock that was set back.
            (951_782_400, 120_000, "2000-02-29T00:00:00.120000Z"),
        ] {
            let unix = Duration::new(seconds, micros * 1_000 + 999);
            assert_eq!(write(&mut timestamp, unix), expected);
        }
    }

    #[test]
    fn a_time_too_late_is_the_latest_one() {
        let mut timestamp = Timestamp::default();
        assert_eq!(write(&mut timestamp, Duration::MAX), LATEST);
        assert_eq!(write(&mut timestamp, Duration::from_secs(253_402_300_800)), LATEST);
        assert_eq!(write(&mut timestamp, Duration::ZERO), "1970-01-01T00:00:00.000000Z");
    }
}
