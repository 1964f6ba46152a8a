//! The values of fields whose name is secret. Pure.

use std::ops::Range;

use super::{
    names::Names,
    words::{run, run_back},
};

/// What follows the name of a secret field and `=`.
pub(super) fn assignment(bytes: &[u8], equals: usize, names: &Names) -> Option<Range<usize>> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    // Some formats of configuration have spaces around it.
    let is_blank = |byte: u8| byte == b' ';
    let end = run_back(bytes, equals, is_blank);
    let start = run_back(bytes, end, is_name);
    is_secret(bytes, start..end, names).then(|| value(bytes, run(bytes, equals + 1, is_blank)))?
}

/// What follows the name of a secret member of an object, whose closing quote is at `start`.
pub(super) fn member(
    bytes: &[u8],
    start: usize,
    end: usize,
    names: &Names,
) -> Option<Range<usize>> {
    // Within a string of a log line the quotes are escaped.
    let close = if bytes.get(start.checked_sub(1)?) == Some(&b'\\') { start - 1 } else { start };
    let open = run_back(bytes, close, |byte| byte != b'"');
    let name = open..close;
    let value_at = run(bytes, end, |byte| byte == b' ');
    is_secret(bytes, name, names).then(|| value(bytes, value_at))?
}

/// What follows the name of a secret header and `: `, or of a field as `Debug` writes it. Single words
/// before anything but a string are left to sentences, except for the names of headers that are single
/// words.
pub(super) fn header_line(bytes: &[u8], colon: usize, names: &Names) -> Option<Range<usize>> {
    const SINGLE: [&[u8]; 2] = [b"authorization", b"cookie"];

    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let start = run_back(bytes, colon, is_name);
    if !is_secret(bytes, start..colon, names) {
        return None;
    }
    let behind = colon + 2;
    let is_some = bytes.get(behind..)?.starts_with(b"Some(");
    let field = behind + if is_some { b"Some(".len() } else { 0 };
    if matches!(bytes.get(field..)?, [b'"', ..] | [b'\\', b'"', ..]) {
        return value(bytes, field);
    }
    let name = bytes.get(start..colon)?;
    let is_header = name.iter().any(|byte| matches!(byte, b'-' | b'_'))
        || SINGLE.iter().any(|single| name.eq_ignore_ascii_case(single));
    let end = run(bytes, behind, |byte| !matches!(byte, b'\n' | b'\r' | b'"' | b'\\'));
    (is_header && end > behind).then_some(behind..end)
}

fn is_secret(bytes: &[u8], name: Range<usize>, names: &Names) -> bool {
    const LONGEST: usize = 64;

    let name = bytes.get(name).filter(|name| (2..=LONGEST).contains(&name.len()));
    name.and_then(|name| std::str::from_utf8(name).ok()).is_some_and(|name| names.are_secret(name))
}

/// The value at `start`: a string up to its closing quote, or a word.
fn value(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let (begin, end) = match bytes.get(start..)? {
        // Within a string of a log line, each quote and each backslash has a backslash before it.
        [b'\\', b'"', ..] => {
            let end = closing(bytes, start + 2, |slashes| slashes % 4 == 1)?;
            // Only a closing quote has a backslash before it.
            (start + 2, if end < bytes.len() { end - 1 } else { end })
        }
        [b'[', ..] => (start + 1, run(bytes, start + 1, |byte| byte != b']')),
        [b'"', ..] => (start + 1, closing(bytes, start + 1, |slashes| slashes % 2 == 0)?),
        [b'\'', ..] => (start + 1, run(bytes, start + 1, |byte| byte != b'\'')),
        _ => {
            let ends = |byte: u8| byte.is_ascii_whitespace() || b"&;,)}]\"'\\<>".contains(&byte);
            (start, run(bytes, start, |byte| !ends(byte)))
        }
    };
    (end > begin).then_some(begin..end)
}

/// The quote that closes a string, by the number of backslashes before it; the end of an unclosed one.
fn closing(bytes: &[u8], start: usize, closes: impl Fn(usize) -> bool) -> Option<usize> {
    let mut slashes = 0;
    for (place, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            b'\\' => slashes += 1,
            b'"' if closes(slashes) => return Some(place),
            _ => slashes = 0,
        }
    }
    (bytes.len() > start).then_some(bytes.len())
}
