//! What is recognised without a name: the rest of a pattern behind its beginning. Pure.

use std::ops::Range;

use super::words::{begins_word, is_base64url, run, run_back};

/// Three parts of base64url, of which the first two begin like objects; or five parts, if encrypted.
pub(super) fn jwt(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    if !begins_word(bytes, start) {
        return None;
    }
    let first = run(bytes, start, is_base64url);
    let mut end = first;
    let mut dots = 0;
    while bytes.get(end) == Some(&b'.') && dots < 4 {
        end = run(bytes, end + 1, is_base64url);
        dots += 1;
    }
    (first - start >= 10 && dots >= 2).then_some(start..end)
}

/// A token of RFC 6750. A single word of letters is one of a sentence.
pub(super) fn bearer(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let is = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    let end = run(bytes, run(bytes, start, is), |byte| byte == b'=');
    let token = bytes.get(start..end)?;
    let is_token = token.len() >= 20 || token.iter().any(u8::is_ascii_digit);
    (token.len() >= 8 && is_token).then_some(start..end)
}

/// Base64 of a user and a password with a colon between them (RFC 7617).
pub(super) fn basic(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let is = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let end = run(bytes, run(bytes, start, is), |byte| byte == b'=');
    let text = bytes.get(start..end)?;
    let digit = |byte: &u8| match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let has_colon = text.chunks(4).any(|group| {
        let bits = group.iter().filter_map(digit).fold(0, |bits, digit| bits << 6 | digit);
        let bits = bits << (6 * (4 - group.iter().filter_map(digit).count()));
        bits.to_be_bytes().contains(&b':')
    });
    (text.len() >= 4 && has_colon).then_some(start..end)
}

/// The rest of a key behind its beginning.
pub(super) fn cloud_key(
    bytes: &[u8],
    start: usize,
    end: usize,
    least: usize,
) -> Option<Range<usize>> {
    let is = |byte: u8| is_base64url(byte) || byte == b'.';
    let stop = run(bytes, end, is);
    (begins_word(bytes, start) && stop - end >= least).then_some(start..stop)
}

/// A private key in PEM, to its end, or to that of the text or of the string that it is in.
pub(super) fn pem(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = text.get(start..)?;
    let rest = rest.split_once('"').map_or(rest, |(string, _)| string.trim_end_matches('\\'));
    let (label, _) = rest.strip_prefix("-----BEGIN ")?.split_once("-----")?;
    if !label.ends_with("PRIVATE KEY") || label.len() > 40 {
        return None;
    }
    let end = rest.find("-----END ").and_then(|begin| {
        let behind = begin + "-----END ".len();
        Some(behind + rest.get(behind..)?.find("-----")? + "-----".len())
    });
    Some(start..start + end.unwrap_or(rest.len()))
}

/// The user and the password between `://` and `@`.
pub(super) fn url(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let is_authority = |byte: u8| !byte.is_ascii_whitespace() && !b"/?#\"'<>\\".contains(&byte);
    let end = run(bytes, start, is_authority);
    let at = bytes.get(start..end)?.iter().rposition(|byte| *byte == b'@')?;
    (at > 0).then_some(start..start + at)
}

/// The local part before an `@`, and the domain behind it.
pub(super) fn email(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let is_local =
        |byte: u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte) || !byte.is_ascii();
    let is_domain =
        |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte) || !byte.is_ascii();
    let mut start = run_back(bytes, at, is_local);
    let escaped = start.checked_sub(1).and_then(|place| bytes.get(place)) == Some(&b'\\');
    if escaped {
        start += match bytes.get(start) {
            Some(b'n' | b'r' | b't') => 1,
            Some(b'u') => 5,
            _ => 0,
        };
    }
    start = run(bytes, start, |byte| byte == b'.').min(at);
    let mut end = run(bytes, at + 1, is_domain);
    while matches!(bytes.get(end.checked_sub(1)?), Some(b'.' | b'-')) {
        end -= 1;
    }
    let domain = bytes.get(at + 1..end)?;
    let top = domain.rsplit(|byte| *byte == b'.').next()?;
    let is_name = top.len() >= 2 && !top.iter().any(u8::is_ascii_digit);
    (start < at && domain.contains(&b'.') && !domain.starts_with(b".") && is_name)
        .then_some(start..end)
}
