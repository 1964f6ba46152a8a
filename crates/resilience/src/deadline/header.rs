//! Headers that carry the time that a caller waits.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

/// A header that carries the time that a caller waits for the response.
///
/// ```
/// use hardpoint_resilience::DeadlineHeader;
/// use std::time::Duration;
///
/// let mut headers = http::HeaderMap::new();
/// DeadlineHeader::grpc().write(&mut headers, Duration::from_millis(1_500));
/// assert_eq!(headers["grpc-timeout"], "1500m");
/// assert_eq!(DeadlineHeader::grpc().read(&headers), Some(Duration::from_millis(1_500)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadlineHeader {
    name: HeaderName,
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Grpc,
    Millis,
    Seconds,
}

impl DeadlineHeader {
    /// `grpc-timeout`: one to eight digits and one of the units `H M S m u n`. The only such header
    /// with a specification, so services of any protocol can use it.
    #[must_use]
    pub fn grpc() -> Self {
        Self { name: HeaderName::from_static("grpc-timeout"), format: Format::Grpc }
    }

    /// A header with a whole number of milliseconds, such as `x-envoy-expected-rq-timeout-ms`.
    #[must_use]
    pub const fn millis(name: HeaderName) -> Self {
        Self { name, format: Format::Millis }
    }

    /// A header with a whole number of seconds.
    #[must_use]
    pub const fn seconds(name: HeaderName) -> Self {
        Self { name, format: Format::Seconds }
    }

    /// The header's name.
    #[must_use]
    pub const fn name(&self) -> &HeaderName {
        &self.name
    }

    /// The least time that a caller asks for. Less becomes a header of 0 in some formats, with which
    /// the destination refuses every call.
    pub(crate) const fn unit(&self) -> Duration {
        match self.format {
            Format::Grpc | Format::Millis => Duration::from_millis(1),
            Format::Seconds => Duration::from_secs(1),
        }
    }

    /// Reads the header. `None` if it is absent, repeated or not in the format.
    #[must_use]
    pub fn read(&self, headers: &HeaderMap) -> Option<Duration> {
        let mut values = headers.get_all(&self.name).iter();
        let value = values.next()?.as_bytes();
        if values.next().is_some() {
            return None;
        }
        match self.format {
            Format::Grpc => {
                let (unit, digits) = value.split_last()?;
                let number = number(digits, 8)?;
                Some(match unit {
                    b'H' => Duration::from_secs(number * 3_600),
                    b'M' => Duration::from_secs(number * 60),
                    b'S' => Duration::from_secs(number),
                    b'm' => Duration::from_millis(number),
                    b'u' => Duration::from_micros(number),
                    b'n' => Duration::from_nanos(number),
                    _ => return None,
                })
            }
            Format::Millis => number(value, 15).map(Duration::from_millis),
            Format::Seconds => number(value, 15).map(Duration::from_secs),
        }
    }

    /// Writes the header, rounded down to what the format can express: the receiver must not wait
    /// longer than the sender. A time below one unit of the format becomes 0.
    pub fn write(&self, headers: &mut HeaderMap, time: Duration) {
        headers.insert(&self.name, self.value(time));
    }

    /// The value of the header.
    pub(crate) fn value(&self, time: Duration) -> HeaderValue {
        let text = match self.format {
            Format::Grpc => grpc_text(time),
            Format::Millis => Text::new(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), b""),
            Format::Seconds => Text::new(time.as_secs(), b""),
        };
        // Never fails: ASCII digits and letters are a valid header value.
        HeaderValue::from_bytes(text.as_bytes()).unwrap_or_else(|_| HeaderValue::from_static("0"))
    }
}

/// A number and its unit. Written without `fmt`, which takes as long as a call through all other
/// policies.
struct Text {
    /// Room for the 20 digits of the largest number, and a unit.
    bytes: [u8; 21],
    start: usize,
}

impl Text {
    fn new(mut number: u64, unit: &[u8]) -> Self {
        let mut text = Self { bytes: [0; 21], start: 21 };
        unit.iter().rev().for_each(|byte| text.prepend(*byte));
        loop {
            // A digit fits into a byte.
            text.prepend(b'0' + u8::try_from(number % 10).unwrap_or(0));
            number /= 10;
            if number == 0 {
                return text;
            }
        }
    }

    fn prepend(&mut self, byte: u8) {
        self.start -= 1;
        if let Some(place) = self.bytes.get_mut(self.start) {
            *place = byte;
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

impl Default for DeadlineHeader {
    fn default() -> Self {
        Self::grpc()
    }
}

/// The attempt number in this header, if it is a number from 1.
pub(crate) fn attempt_of(headers: &HeaderMap, name: &HeaderName) -> Option<u32> {
    let attempt = number(headers.get(name)?.as_bytes(), 9)?;
    u32::try_from(attempt).ok().filter(|&attempt| attempt > 0)
}

/// Uses microseconds below 100 ms; from there on the finest unit, from milliseconds, whose number
/// has at most eight digits.
fn grpc_text(time: Duration) -> Text {
    const MAX: u64 = 99_999_999;
    /// The longest time that is sent in milliseconds: 27 hours.
    const LONGEST: Duration = Duration::from_millis(MAX);
    /// From here on, milliseconds are exact enough.
    const SHORT: Duration = Duration::from_millis(100);

    let (seconds, nanos) = (time.as_secs(), u64::from(time.subsec_nanos()));
    match () {
        () if time < SHORT => Text::new(nanos / 1_000, b"u"),
        () if time <= LONGEST => Text::new(seconds * 1_000 + nanos / 1_000_000, b"m"),
        () if seconds <= MAX => Text::new(seconds, b"S"),
        () => Text::new((seconds / 3_600).min(MAX), b"H"),
    }
}

/// The number that consists of 1 to `max_digits` digits.
fn number(digits: &[u8], max_digits: usize) -> Option<u64> {
    let plain = digits.iter().all(u8::is_ascii_digit) && (1..=max_digits).contains(&digits.len());
    plain.then(|| digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(header: &DeadlineHeader, value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header.name.clone(), HeaderValue::from_str(value).unwrap());
        header.read(&headers)
    }

    #[test]
    fn every_unit_of_grpc_is_read() {
        let grpc = DeadlineHeader::grpc();
        for (text, nanos) in [
            ("1H", 3_600_000_000_000),
            ("2M", 120_000_000_000),
            ("3S", 3_000_000_000),
            ("4m", 4_000_000),
            ("5u", 5_000),
            ("6n", 6),
            ("0n", 0),
            ("99999999m", 99_999_999_000_000),
        ] {
            assert_eq!(read(&grpc, text), Some(Duration::from_nanos(nanos)), "{text}");
        }
        for bad in ["", "m", "1", "1h", "123456789m", "-1m", "1.5S", " 1m", "1 m", "1mm"] {
            assert_eq!(read(&grpc, bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_repeated_header_is_ignored() {
        let mut headers = HeaderMap::new();
        headers.append("grpc-timeout", HeaderValue::from_static("1S"));
        headers.append("grpc-timeout", HeaderValue::from_static("9S"));
        assert_eq!(DeadlineHeader::grpc().read(&headers), None);
    }

    #[test]
    fn attempts_start_at_one() {
        let name = HeaderName::from_static("x-retry-attempt");
        for (text, attempt) in
            [("1", Some(1)), ("3", Some(3)), ("0", None), ("x", None), ("", None)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(&name, HeaderValue::from_static(text));
            assert_eq!(attempt_of(&headers, &name), attempt, "{text:?}");
        }
    }

    #[test]
    fn the_finest_unit_of_eight_digits_is_written() {
        let write = |header: DeadlineHeader, nanos| {
            let mut headers = HeaderMap::new();
            header.write(&mut headers, nanos);
            headers.values().next().unwrap().to_str().unwrap().to_owned()
        };
        let grpc = |time| write(DeadlineHeader::grpc(), time);
        for (time, text) in [
            (Duration::ZERO, "0u"),
            (Duration::from_nanos(99_999_999), "99999u"),
            (Duration::from_nanos(100_000_000), "100m"),
            (Duration::from_micros(990_999), "990m"),
            (Duration::from_millis(99_999_999), "99999999m"),
            (Duration::from_millis(100_000_000), "100000S"),
            (Duration::from_secs(99_999_999), "99999999S"),
            (Duration::from_secs(100_000_000), "27777H"),
            (Duration::MAX, "99999999H"),
        ] {
            assert_eq!(grpc(time), text, "{time:?}");
        }
        let name = || HeaderName::from_static("x-timeout");
        assert_eq!(write(DeadlineHeader::millis(name()), Duration::from_micros(10_900)), "10");
        assert_eq!(write(DeadlineHeader::millis(name()), Duration::MAX), u64::MAX.to_string());
        assert_eq!(write(DeadlineHeader::seconds(name()), Duration::MAX), u64::MAX.to_string());
    }

    proptest! {
        #[test]
        fn no_header_lengthens_the_time(nanos: u64, coarse in 0..3_u8) {
            let name = HeaderName::from_static("x-timeout");
            let header = match coarse {
                0 => DeadlineHeader::grpc(),
                1 => DeadlineHeader::millis(name),
                _ => DeadlineHeader::seconds(name),
            };
            let time = Duration::from_nanos(nanos);
            let mut headers = HeaderMap::new();
            header.write(&mut headers, time);
            let read = header.read(&headers).unwrap();
            prop_assert!(read <= time);
            let lost = match coarse {
                0 => (time / 50).max(Duration::from_micros(1)),
                1 => Duration::from_millis(1),
                _ => Duration::from_secs(1),
            };
            prop_assert!(time - read <= lost, "{time:?} became {read:?}");
        }

        #[test]
        fn no_value_panics(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", value);
            let _read = DeadlineHeader::grpc().read(&headers);
        }
    }
}
