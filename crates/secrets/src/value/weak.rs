//! Detects values that have the right format but are not secrets.
//!
//! All comparisons work in place: a copy in lower case would have to be wiped.

use zeroize::Zeroizing;

use super::Flaw;

/// Values from examples and templates, in lower case and without separators.
const PLACEHOLDERS: &[&str] = &[
    "12345678",
    "changeit",
    "changeme",
    "changethis",
    "default",
    "dummy",
    "example",
    "fixme",
    "foobar",
    "insecure",
    "keyboardcat",
    "letmein",
    "mysecret",
    "none",
    "null",
    "passwd",
    "password",
    "placeholder",
    "qwerty",
    "replaceme",
    "secret",
    "secretkey",
    "supersecret",
    "tbd",
    "test",
    "todo",
    "topsecret",
    "undefined",
    "unset",
];

/// The brackets of unfilled template placeholders.
const BRACKETS: &[(&str, &str)] = &[("<", ">"), ("${", "}"), ("$(", ")"), ("{{", "}}")];

/// The longest pattern to search for. A human does not type longer ones.
const LONGEST_PATTERN: usize = 64;

/// A shorter random key may repeat or count by chance.
const FEW: usize = 8;

/// A shorter random key may be uneven by chance: 1 in 2^45 random keys of 16 bytes is uneven, and
/// 1 in 2^23 of 8 bytes.
const FEW_TO_BE_EVEN: usize = 16;

/// Detects the secret's own name and placeholders.
pub(super) fn unfinished(name: &str, text: &str) -> Option<Flaw> {
    let text = text.trim();
    if plain(text).eq(plain(name)) {
        return Some(Flaw::OwnName);
    }
    let ending = |c: char| c.is_ascii_digit() || c == '!';
    let listed = |text: &str| PLACEHOLDERS.iter().any(|listed| plain(text).eq(listed.bytes()));
    let bracketed =
        BRACKETS.iter().any(|(open, close)| text.starts_with(open) && text.ends_with(close));
    let crossed_out = text.chars().all(|c| matches!(c, 'x' | 'X' | '*' | '.'));
    let placeholder = listed(text)
        || listed(text.trim_end_matches(ending))
        || bracketed
        || crossed_out
        || is_yours(text);
    placeholder.then_some(Flaw::Placeholder)
}

/// Whether the text is like `your-256-bit-secret` or `YOUR_API_KEY_HERE`.
fn is_yours(text: &str) -> bool {
    let starts = |word: &str| plain(text).take(word.len()).eq(word.bytes());
    let ends = |word: &str| {
        let skip = plain(text).count().saturating_sub(word.len());
        plain(text).skip(skip).eq(word.bytes())
    };
    starts("your") && ["here", "key", "password", "secret", "token"].into_iter().any(ends)
}

/// The bytes in lower case, without separators.
fn plain(text: &str) -> impl Iterator<Item = u8> {
    text.bytes()
        .filter(|byte| !matches!(byte, b'-' | b'_' | b' ' | b'.'))
        .map(|byte| byte.to_ascii_lowercase())
}

/// Detects a text that repeats a single character.
pub(super) fn text(text: &str) -> Option<Flaw> {
    let mut chars = text.chars();
    let first = chars.next();
    chars.all(|c| Some(c) == first).then_some(Flaw::Repeating)
}

/// Detects key material that cannot be random.
pub(super) fn key(bytes: &[u8]) -> Option<Flaw> {
    if has_period(bytes) {
        Some(Flaw::Repeating)
    } else if counts(bytes) {
        Some(Flaw::Counting)
    } else if is_uneven(bytes) {
        Some(Flaw::Uneven)
    } else {
        None
    }
}

fn has_period(bytes: &[u8]) -> bool {
    let repeats = |period: usize| bytes.iter().zip(bytes.iter().skip(period)).all(|(a, b)| a == b);
    let longest = if bytes.len() < FEW { 1 } else { LONGEST_PATTERN.min(bytes.len() / 2) };
    (1..=longest).any(repeats)
}

fn counts(bytes: &[u8]) -> bool {
    let mut steps = bytes.iter().zip(bytes.iter().skip(1)).map(|(a, b)| b.wrapping_sub(*a));
    let first = steps.next();
    bytes.len() >= FEW && steps.all(|step| Some(step) == first)
}

/// Whether the Shannon entropy is below 3 bits per byte, or below 0.6 of the maximum for the key's
/// length if that is lower.
///
/// 32 random bytes have 4.9 bits per byte. Even 32 hexadecimal digits, encoded again, have 3.6.
fn is_uneven(bytes: &[u8]) -> bool {
    let total = count(bytes.len());
    let floor = (0.6 * total.log2()).min(3.0);
    bytes.len() >= FEW_TO_BE_EVEN && entropy(bytes, total) < floor
}

fn entropy(bytes: &[u8], total: f64) -> f64 {
    // Wiped, because the frequencies reveal information about the key.
    let mut frequencies = Zeroizing::new([0_u32; 256]);
    for byte in bytes {
        if let Some(frequency) = frequencies.get_mut(usize::from(*byte)) {
            *frequency += 1;
        }
    }
    frequencies
        .iter()
        .filter(|frequency| **frequency > 0)
        .map(|frequency| {
            let share = f64::from(*frequency) / total;
            -share * share.log2()
        })
        .sum()
}

/// Converts a length to a float. Lossless: a value has at most 64 KiB.
fn count(len: usize) -> f64 {
    u32::try_from(len).map_or(f64::MAX, f64::from)
}
