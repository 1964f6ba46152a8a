//! When the destination asks to be called again.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header::RETRY_AFTER};

/// What a response asks for in `Retry-After` or `grpc-retry-pushback-ms`.
///
/// # Semantics
/// 1. `grpc-retry-pushback-ms` counts before `Retry-After`. A number of milliseconds from 0 asks for
///    a delay. Any other value, such as -1, asks not to retry, as the gRPC specification demands.
/// 2. `Retry-After` is a number of seconds or a date in one of the three formats of RFC 9110. A
///    number too large to represent is the largest one. A date in the past is a delay of 0.
/// 3. Any other value of `Retry-After` is ignored: fractions, signs, and texts.
/// 4. Only the first field of each name counts.
///
/// The reader of the hint bounds the delay: a retry is not made if the hint exceeds the policy's
/// limit, and a circuit breaker cuts it to its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryHint {
    /// The destination accepts the call again after this time.
    After(Duration),
    /// The destination asks not to be called again with this request.
    Never,
}

impl RetryHint {
    /// Reads the hint of a response with these headers, or trailers. `unix_now` is the calendar
    /// time since 1970, which a date is compared with.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap, unix_now: Duration) -> Option<Self> {
        if let Some(value) = headers.get("grpc-retry-pushback-ms") {
            let millis = digits(value).map(Duration::from_millis);
            return Some(millis.map_or(Self::Never, Self::After));
        }
        parse(headers.get(RETRY_AFTER)?, unix_now).map(Self::After)
    }

    /// The delay, unless the destination asks not to be called again.
    #[must_use]
    pub fn after(self) -> Option<Duration> {
        match self {
            Self::After(delay) => Some(delay),
            Self::Never => None,
        }
    }
}

/// The delay that a value of `Retry-After` asks for.
fn parse(value: &HeaderValue, unix_now: Duration) -> Option<Duration> {
    if let Some(seconds) = digits(value) {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value.to_str().ok()?).ok()?;
    let unix = date.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Some(unix.saturating_sub(unix_now))
}

/// The number that consists of only digits. Saturates.
fn digits(value: &HeaderValue) -> Option<u64> {
    let bytes = value.as_bytes();
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let append =
        |number: u64, digit: &u8| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(bytes.iter().fold(0, append))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2027-01-15T08:00:00Z, a Friday.
    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn hint(name: &'static str, value: &str) -> Option<RetryHint> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        RetryHint::from_headers(&headers, NOW)
    }

    fn after(value: &str) -> Option<u64> {
        hint("retry-after", value).map(|hint| hint.after().unwrap().as_secs())
    }

    #[test]
    fn both_forms_are_read() {
        assert_eq!(after("0"), Some(0));
        assert_eq!(after("120"), Some(120));
        assert_eq!(after("Fri, 15 Jan 2027 08:00:30 GMT"), Some(30));
        assert_eq!(after("Friday, 15-Jan-27 08:00:30 GMT"), Some(30));
        assert_eq!(after("Fri Jan 15 08:00:30 2027"), Some(30));
    }

    #[test]
    fn the_past_is_now_and_a_year_is_a_year() {
        assert_eq!(after("Thu, 14 Jan 2027 08:00:00 GMT"), Some(0));
        assert_eq!(after("Sat, 15 Jan 2028 08:00:00 GMT"), Some(365 * 86_400));
        assert_eq!(after("31536000"), Some(31_536_000));
        assert_eq!(after("99999999999999999999999"), Some(u64::MAX));
    }

    #[test]
    fn garbage_is_ignored() {
        for value in
            ["", "-1", "+1", "1.5", "1 ", "soon", "Fri, 32 Jan 2027 08:00:00 GMT", "\u{e9}"]
        {
            assert_eq!(after(value), None, "{value:?}");
        }
    }

    #[test]
    fn pushback_of_grpc_comes_first() {
        let pushback = |value| hint("grpc-retry-pushback-ms", value);
        assert_eq!(pushback("250"), Some(RetryHint::After(Duration::from_millis(250))));
        for never in ["-1", "", "soon", "1.5"] {
            assert_eq!(pushback(never), Some(RetryHint::Never), "{never:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, 7.into());
        headers.insert("grpc-retry-pushback-ms", HeaderValue::from_static("-1"));
        assert_eq!(RetryHint::from_headers(&headers, NOW), Some(RetryHint::Never));
    }

    proptest! {
        #[test]
        fn no_value_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.clone());
            if let Some(RetryHint::After(_)) = RetryHint::from_headers(&headers, NOW) {
                prop_assert!(!bytes.is_empty());
            }
            headers.insert("grpc-retry-pushback-ms", value);
            prop_assert!(RetryHint::from_headers(&headers, NOW).is_some());
        }

        #[test]
        fn a_date_is_read_as_it_is_written(offset in 0..40_000_000_u64) {
            let date = std::time::UNIX_EPOCH + NOW + Duration::from_secs(offset);
            prop_assert_eq!(after(&httpdate::fmt_http_date(date)), Some(offset));
        }
    }
}
