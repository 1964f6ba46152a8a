//! Numbers as a line shows them, without the general machinery of formatting.

use std::fmt::Write;

use crate::decimal;

/// Writes a number.
pub(super) fn write_u64(number: u64, to: &mut String) {
    decimal::each_group(number, &mut |group| to.push_str(group));
}

/// Writes a number, with its sign.
pub(super) fn write_i64(number: i64, to: &mut String) {
    if number < 0 {
        to.push('-');
    }
    write_u64(number.unsigned_abs(), to);
}

/// Writes the shortest decimal that reads back as this number, with a point or an exponent.
pub(super) fn write_f64(number: f64, to: &mut String) {
    if let Some(thousandths) = thousandths(number) {
        write_u64(thousandths / 1_000, to);
        to.push('.');
        let digits = decimal::padded(thousandths % 1_000);
        // One digit follows the point even if it is zero.
        let end = digits.bytes().rposition(|digit| digit != b'0').map_or(1, |last| last + 1);
        to.push_str(digits.get(..end).unwrap_or_default());
        return;
    }
    // Writing to a `String` cannot fail.
    let _ = write!(to, "{number:?}");
}

/// A number of at most three decimals, as durations in milliseconds are, in thousandths.
///
/// At most fifteen digits: no two decimals of so few are the same number, so the decimal is also the
/// shortest.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "the number is compared with what was made of it"
)]
fn thousandths(number: f64) -> Option<u64> {
    let scaled = (number * 1e3).round();
    let fits = (0.0..1e15).contains(&scaled) && number.is_sign_positive();
    let whole = if fits { scaled as u64 } else { return None };
    (whole as f64 / 1e3 == number).then_some(whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn u64(number: u64) -> String {
        let mut text = String::new();
        write_u64(number, &mut text);
        text
    }

    fn i64(number: i64) -> String {
        let mut text = String::new();
        write_i64(number, &mut text);
        text
    }

    fn f64(number: f64) -> String {
        let mut text = String::new();
        write_f64(number, &mut text);
        text
    }

    #[test]
    fn numbers_at_the_edges_are_written_as_std_does() {
        for number in [0, 1, 9, 10, 99, 100, 999, 1_000, 1_001, 999_999, u64::MAX - 1, u64::MAX] {
            assert_eq!(u64(number), number.to_string());
        }
        for number in [0, -1, 1, -1_000, i64::MIN, i64::MAX] {
            assert_eq!(i64(number), number.to_string());
        }
        for number in [
            0.0,
            -0.0,
            0.001,
            0.0005,
            12.5,
            -12.5,
            1.0,
            100.25,
            999_999_999_999.999,
            1e12,
            1e15,
            1e16,
            f64::MAX,
            f64::MIN_POSITIVE,
            f64::INFINITY,
            f64::NAN,
        ] {
            assert_eq!(f64(number), format!("{number:?}"));
        }
    }

    proptest! {
        #[test]
        fn all_numbers_are_written_as_std_does(any: f64, whole: u64, signed: i64, thousandths in 0..1_u64 << 52) {
            prop_assert_eq!(f64(any), format!("{any:?}"));
            prop_assert_eq!(u64(whole), whole.to_string());
            prop_assert_eq!(i64(signed), signed.to_string());
            #[expect(clippy::cast_precision_loss, reason = "any number will do")]
            let number = thousandths as f64 / 1e3;
            prop_assert_eq!(f64(number), format!("{number:?}"));
        }
    }
}
