//! International bank account numbers (ISO 13616). Pure.

use std::ops::Range;

use super::{
    Class,
    words::{begins_word, ends_word},
};

/// The countries and the lengths of their numbers, from the registry of SWIFT.
const COUNTRIES: [(&[u8; 2], usize); 79] = [
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NL", 18),
    (b"NO", 15),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
];

/// The longest number of any country.
const LONGEST: usize = 34;

/// Finds account numbers, with or without single spaces between their characters.
pub(super) fn find(bytes: &[u8], add: &mut impl FnMut(Class, Option<Range<usize>>)) {
    for (start, window) in bytes.windows(4).enumerate() {
        let [first, second, third, fourth] = window else { continue };
        let begins = first.is_ascii_uppercase()
            && second.is_ascii_uppercase()
            && third.is_ascii_digit()
            && fourth.is_ascii_digit();
        if begins && begins_word(bytes, start) {
            add(Class::Iban, number(bytes, start));
        }
    }
}

fn number(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let country = bytes.get(start..start + 2)?;
    let (_, length) = COUNTRIES.iter().find(|(code, _)| **code == country)?;
    let mut text = [0; LONGEST];
    let mut end = start;
    for slot in text.get_mut(..*length)? {
        if bytes.get(end) == Some(&b' ') {
            end += 1;
        }
        *slot =
            *bytes.get(end).filter(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())?;
        end += 1;
    }
    (ends_word(bytes, end) && is_right(text.get(..*length)?)).then_some(start..end)
}

/// Whether the check digits are right: the number, its first four characters moved to the end and its
/// letters written as 10 to 35, leaves 1 when divided by 97.
fn is_right(text: &[u8]) -> bool {
    let (begin, rest) = text.split_at_checked(4).unwrap_or_default();
    let remainder = rest.iter().chain(begin).fold(0_u32, |remainder, byte| match byte {
        b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
        _ => (remainder * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    remainder == 1
}
