//! The date of a day, in the Gregorian calendar.

/// A year, a month from 1 and a day from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: u64,
    pub(super) month: u64,
    pub(super) day: u64,
}

/// From 1 March of the year 0 to 1 January 1970.
const DAYS_BEFORE_1970: u64 = 719_468;
/// Leap years repeat after this many days, which are 400 years.
const CYCLE: u64 = 146_097;

impl Date {
    /// Returns the date of a day since 1 January 1970, or `None` after the year 9999.
    ///
    /// A year begins in March here, so that the leap day is its last day and moves no month.
    pub(super) fn from_days(since_1970: u64) -> Option<Self> {
        let days = since_1970.checked_add(DAYS_BEFORE_1970)?;
        let (cycle, day) = (days / CYCLE, days % CYCLE);
        // Without its leap days a cycle has 365 days a year. One is the last of every 4 years (1,461
        // days) except every 100 (36,524 days), and the last day of the cycle is one.
        let leap_days = day / 1_460 - day / 36_524 + day / (CYCLE - 1);
        let year = (day - leap_days) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        // From March on, months have 31, 30, 31, 30 and 31 days again and again: 153 in five months.
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let is_next_year = month >= 10;
        let date = Self {
            year: 400 * cycle + year + u64::from(is_next_year),
            month: if is_next_year { month - 9 } else { month + 3 },
            day,
        };
        (date.year <= 9_999).then_some(date)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// The first day of the year 10000.
    const TOO_LATE: u64 = 2_932_897;

    #[test]
    fn the_days_until_the_year_9999_have_the_dates_that_humantime_writes() {
        let all = (0..CYCLE).chain((CYCLE..TOO_LATE).step_by(97)).chain([TOO_LATE - 1]);
        for days in all {
            let Date { year, month, day } = Date::from_days(days).unwrap();
            let midnight = UNIX_EPOCH + Duration::from_secs(86_400 * days);
            let expected = humantime::format_rfc3339_seconds(midnight).to_string();
            assert_eq!(format!("{year:04}-{month:02}-{day:02}T00:00:00Z"), expected);
        }
    }

    #[test]
    fn a_day_that_no_calendar_has_is_none() {
        assert_eq!(Date::from_days(TOO_LATE), None);
        assert_eq!(Date::from_days(u64::MAX), None);
    }
}
