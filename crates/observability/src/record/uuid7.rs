//! UUID version 7 (RFC 9562): ids that sort by the time they were made.

use std::time::Duration;

/// The length of the text form.
pub(super) const LEN: usize = 36;

const HEX: [u8; 16] = *b"0123456789abcdef";

/// The text form of an id made at `unix` with these random bytes.
///
/// 48 bits of milliseconds, then the version, 12 bits of the fraction of the millisecond (section
/// 6.2, method 3: ids of one process sort within the millisecond too), the variant, and 62 random
/// bits.
pub(super) fn text(unix: Duration, random: [u8; 8]) -> [u8; LEN] {
    // Both fit: 48 bits of milliseconds last until the year 10889.
    let millis = u64::try_from(unix.as_millis()).unwrap_or(u64::MAX) & 0xffff_ffff_ffff;
    let fraction = (u64::from(unix.subsec_nanos() % 1_000_000) << 12) / 1_000_000;
    let high = (millis << 16) | 0x7000 | fraction;
    let low = (u64::from_be_bytes(random) & (u64::MAX >> 2)) | (1 << 63);
    let bits = (u128::from(high) << 64) | u128::from(low);

    let mut text = [b'-'; LEN];
    let mut shift = 128;
    for (index, slot) in text.iter_mut().enumerate() {
        if matches!(index, 8 | 13 | 18 | 23) {
            continue;
        }
        shift -= 4;
        let digit = usize::try_from((bits >> shift) & 0xf).unwrap_or_default();
        *slot = HEX.get(digit).copied().unwrap_or(b'0');
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn string(unix: Duration, random: [u8; 8]) -> String {
        String::from_utf8(text(unix, random).to_vec()).unwrap()
    }

    #[test]
    fn the_example_of_the_standard_comes_out() {
        // RFC 9562, appendix A.6: 2022-02-22T19:22:22Z, rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F.
        let unix = Duration::from_millis(0x017F_22E2_79B0);
        let id = string(unix, 0x18C4_DC0C_0C07_398F_u64.to_be_bytes());
        assert_eq!(id, "017f22e2-79b0-7000-98c4-dc0c0c07398f");
        let fraction = Duration::from_nanos((0xCC3 * 1_000_000_u64).div_ceil(4096));
        let id = string(unix + fraction, 0x18C4_DC0C_0C07_398F_u64.to_be_bytes());
        assert_eq!(id, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    }

    proptest! {
        #[test]
        fn the_form_is_that_of_a_version_7_id(nanos: u64, random: [u8; 8]) {
            let id = string(Duration::from_nanos(nanos), random);
            for (index, char) in id.chars().enumerate() {
                match index {
                    8 | 13 | 18 | 23 => prop_assert_eq!(char, '-'),
                    14 => prop_assert_eq!(char, '7'),
                    19 => prop_assert!("89ab".contains(char)),
                    _ => prop_assert!("0123456789abcdef".contains(char)),
                }
            }
        }

        #[test]
        fn later_ids_sort_after_earlier_ones(
            nanos in 0..u64::MAX / 2,
            step in 245..1_000_000_000_u64,
            first: [u8; 8],
            second: [u8; 8],
        ) {
            let earlier = string(Duration::from_nanos(nanos), first);
            let later = string(Duration::from_nanos(nanos + step), second);
            prop_assert!(earlier < later, "{earlier} {later}");
        }
    }
}
