//! Reads the end of a certificate's validity. Pure: takes bytes, returns seconds.
//!
//! It does not verify the certificate. The bytes come from the operator's own files.

use std::time::Duration;

/// Tags of DER (X.690 §8).
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Returns the `notAfter` of an X.509 certificate (RFC 5280 §4.1) as time since 1970. A time before
/// 1970 is 0.
pub(super) fn not_after(certificate: &[u8]) -> Option<Duration> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (mut fields, _) = element(certificate, SEQUENCE)?;
    if let Some((_, rest)) = element(fields, VERSION) {
        fields = rest;
    }
    // The serial number, the algorithm and the issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        (_, fields) = element(fields, tag)?;
    }
    let (validity, _) = element(fields, SEQUENCE)?;
    let (_, not_after) = time(validity)?;
    let (not_after, _) = time(not_after)?;
    Some(not_after)
}

/// Splits off the content of an element with this tag.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    if *found != tag {
        return None;
    }
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match *length {
        short @ 0..=0x7f => (usize::from(short), rest),
        // The length has this many bytes. No certificate needs more than three.
        long @ 0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(long - 0x80))?;
            (length.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// Splits off a time.
fn time(bytes: &[u8]) -> Option<(Duration, &[u8])> {
    let (text, rest, year_digits) = match element(bytes, UTC_TIME) {
        Some((text, rest)) => (text, rest, 2),
        None => {
            let (text, rest) = element(bytes, GENERALIZED_TIME)?;
            (text, rest, 4)
        }
    };
    let (year, text) = number(text, year_digits)?;
    // RFC 5280 §4.1.2.5.1: two digits are 1950 to 2049.
    let year = match year_digits {
        2 if year < 50 => 2_000 + year,
        2 => 1_900 + year,
        _ => year,
    };
    let (month, text) = number(text, 2)?;
    let (day, text) = number(text, 2)?;
    let (hour, text) = number(text, 2)?;
    let (minute, text) = number(text, 2)?;
    let (second, text) = number(text, 2)?;
    let valid = text == b"Z"
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !valid {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some((Duration::from_secs(u64::try_from(seconds).unwrap_or(0)), rest))
}

fn number(text: &[u8], digits: usize) -> Option<(i64, &[u8])> {
    let (digits, rest) = text.split_at_checked(digits)?;
    let number = digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
    })?;
    Some((number, rest))
}

/// The days from 1970-01-01 to a date of the Gregorian calendar (Hinnant's `days_from_civil`).
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is the last one.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(year: i32, month: u8, day: u8) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(1975, 1, 1);
        params.not_after = date_time_ymd(year, month, day);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_of_both_kinds_of_time_is_read() {
        for (year, month, day, unix) in [
            (2027, 1, 15, 1_799_971_200_u64),
            (2049, 12, 31, 2_524_521_600),
            (2050, 1, 1, 2_524_608_000),
            (2400, 2, 29, 13_574_563_200),
            (1976, 2, 29, 194_400_000),
        ] {
            let der = certificate(year, month, day);
            assert_eq!(not_after(&der), Some(Duration::from_secs(unix)), "{year}-{month}-{day}");
        }
    }

    #[test]
    fn a_part_of_a_certificate_is_none() {
        let der = certificate(2027, 1, 15);
        for length in 0..der.len() {
            assert_eq!(not_after(&der[..length]), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let _any = not_after(&bytes);
            let mut der = certificate(2027, 1, 15);
            let at = at.index(der.len());
            der[at] = byte;
            let _any = not_after(&der);
        }

        #[test]
        fn days_are_those_of_the_calendar(days in 0_u64..200_000) {
            // httpdate is an independent calendar. It ends in the year 9999.
            let date = std::time::UNIX_EPOCH + Duration::from_secs(days * 86_400);
            let text = httpdate::fmt_http_date(date);
            let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
            let month = i64::try_from(months.find(&text[8..11]).unwrap() / 3).unwrap() + 1;
            let (day, year) = (text[5..7].parse().unwrap(), text[12..16].parse().unwrap());
            prop_assert_eq!(days_since_1970(year, month, day), i64::try_from(days).unwrap());
        }
    }
}
