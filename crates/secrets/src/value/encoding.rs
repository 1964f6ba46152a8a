//! Distinguishes the encodings of keys, so that a key in one of them is never read as another.
//!
//! Most texts in one encoding are valid in a second one and decode to other bytes there: 64
//! hexadecimal digits are also 64 characters of base64. A random key looks like another encoding
//! with the probability that the tests' table gives, always below 2^-40.

use std::str;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_PAD_INDIFFERENT, URL_SAFE_PAD_INDIFFERENT},
};
use zeroize::Zeroizing;

/// The fewest digits of a key in hexadecimal: 128 bits. Random base64 of this length consists of
/// digits of one case with a probability of 2^-63.
const FEW_DIGITS: usize = 32;

/// The fewest digits of mixed case, and the fewest characters of base32 and of base64 inside an
/// encoded key. Random text or bytes of this length look like one with a probability below 2^-46.
const FEW_MIXED: usize = 48;

/// The fewest characters of base64 inside an encoded key: 24 random bytes are all characters of
/// base64 with a probability of 2^-47.
const FEW_ENCODED: usize = 24;

/// Whether a text is a key in hexadecimal: digits, also with a prefix `0x` and with the separators
/// of fingerprints, UUIDs and hex dumps.
pub(super) fn is_hex(text: &str) -> bool {
    let bare = without_prefix(text);
    let separated = bare.len() < text.len() || bare.bytes().any(is_separator);
    let digits = || bare.bytes().filter(|byte| !is_separator(*byte));
    let count = digits().count();
    let least = if separated { FEW_DIGITS } else { least_digits(bare) };
    count >= least
        && count.is_multiple_of(2)
        && digits().all(|byte| byte.is_ascii_hexdigit())
        && (!separated || one_case(bare) || count >= FEW_MIXED)
}

fn least_digits(text: &str) -> usize {
    if one_case(text) { FEW_DIGITS } else { FEW_MIXED }
}

fn one_case(text: &str) -> bool {
    let lower = text.bytes().any(|byte| byte.is_ascii_lowercase());
    let upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
    !(lower && upper)
}

pub(super) fn without_prefix(text: &str) -> &str {
    ["0x", "0X", "\\x"].into_iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text)
}

const fn is_separator(byte: u8) -> bool {
    matches!(byte, b':' | b'-' | b' ' | b'\t' | b'\r' | b'\n')
}

/// Whether a text is a key of at least 30 bytes in base32 (RFC 4648, section 6).
pub(super) fn is_base32(text: &str) -> bool {
    let bare = text.trim_end_matches('=');
    let one = |letters: fn(&u8) -> bool| {
        bare.bytes().all(|byte| letters(&byte) || matches!(byte, b'2'..=b'7'))
    };
    bare.len() >= FEW_MIXED && (one(u8::is_ascii_uppercase) || one(u8::is_ascii_lowercase))
}

/// Whether a text of at least `least` characters is base64 in either alphabet, also in several
/// lines.
fn looks_like_base64(text: &[u8], least: usize) -> bool {
    let body = text.trim_ascii();
    let (mut standard, mut url_safe, mut count) = (false, false, 0_usize);
    for byte in body.iter().filter(|byte| !matches!(byte, b'\r' | b'\n' | b'=')) {
        match byte {
            b'+' | b'/' => standard = true,
            b'-' | b'_' => url_safe = true,
            _ if byte.is_ascii_alphanumeric() => {}
            _ => return false,
        }
        count += 1;
    }
    count >= least && count % 4 != 1 && !(standard && url_safe)
}

/// Whether the bytes of a decoded key are the text of another encoding: hexadecimal, base32 or
/// base64. Then the key was encoded twice.
pub(super) fn is_encoded(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii();
    (looks_like_base64(text, FEW_ENCODED) && is_mixed(text))
        || str::from_utf8(text).is_ok_and(is_hex)
}

/// Whether a text has the padding of base64, or capitals, small letters and digits, as all but one
/// in a thousand random keys in base64 do. A passphrase is not an encoded key.
fn is_mixed(text: &[u8]) -> bool {
    let has = |class: fn(&u8) -> bool| text.iter().any(class);
    text.ends_with(b"=")
        || (has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit))
        || str::from_utf8(text).is_ok_and(is_base32)
}

/// Whether a text is base64 of at least 16 bytes, for the spec that wants another encoding.
pub(super) fn is_base64(text: &str) -> bool {
    looks_like_base64(text.as_bytes(), 22)
}

/// Decodes strictly: one line, one alphabet, the unused bits zero.
pub(super) fn base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let engine =
        if text.contains(['-', '_']) { URL_SAFE_PAD_INDIFFERENT } else { STANDARD_PAD_INDIFFERENT };
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    // Drops the decoder's error, because it contains the offending character.
    let len = engine.decode_slice(text, &mut bytes).ok()?;
    bytes.truncate(len);
    Some(bytes)
}

/// Decodes pairs of digits of either case.
pub(super) fn hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut bytes = Zeroizing::new(vec![0; pairs.len()]);
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    rest.is_empty().then_some(bytes)
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
