//! Where words and runs of bytes begin and end. Pure.

/// Whether a word may begin here. A line break that was escaped as `\n` ends a word, too.
#[inline]
pub(super) fn begins_word(bytes: &[u8], at: usize) -> bool {
    let before = |distance: usize| at.checked_sub(distance).and_then(|place| bytes.get(place));
    match before(1) {
        None => true,
        Some(b'n' | b'r' | b't') if before(2) == Some(&b'\\') => true,
        Some(byte) if byte.is_ascii_hexdigit() && before(6) == Some(&b'\\') => {
            before(5) == Some(&b'u')
        }
        Some(byte) => !is_word(*byte),
    }
}

/// Whether a word ends before this place.
#[inline]
pub(super) fn ends_word(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_none_or(|byte| !is_word(*byte))
}

#[inline]
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// The end of the run of such bytes from `start`.
#[inline]
pub(super) fn run(bytes: &[u8], start: usize, is: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().position(|byte| !is(*byte)).unwrap_or(rest.len())
}

/// The beginning of the run of such bytes before `end`.
#[inline]
pub(super) fn run_back(bytes: &[u8], end: usize, is: impl Fn(u8) -> bool) -> usize {
    let before = bytes.get(..end).unwrap_or_default();
    before.iter().rposition(|byte| !is(*byte)).map_or(0, |place| place + 1)
}

#[inline]
pub(super) fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
