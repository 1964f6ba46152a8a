//! `Forwarded` (RFC 7239).
//!
//! Elements are split from the right, so a quote that a client leaves open on the left cannot
//! swallow the element that a trusted proxy appended.

use std::ops::Range;

use http::{HeaderMap, HeaderValue, header::FORWARDED};

use super::{
    Host, Scheme, TrustedProxies, parse_address,
    resolver::{Hop, MAX_HOPS},
    x_forwarded::trim,
};

/// Walks from the right to the first untrusted address.
pub(super) fn walk(headers: &HeaderMap, trusted: &TrustedProxies) -> Hop {
    let mut reached = Hop::default();
    let elements = headers.get_all(FORWARDED).iter().rev().flat_map(|value| {
        Splits { bytes: value.as_bytes(), end: Some(value.len()), separator: b',' }
            .map(move |part| (value, part))
    });
    for (value, part) in elements.take(MAX_HOPS) {
        let Some(hop) = parse(value, part) else { break };
        let Some(address) = hop.address else { break };
        reached = hop;
        if !trusted.contains(address) {
            break;
        }
    }
    reached
}

/// Parses one element, such as `for=192.0.2.60;proto=http;by=203.0.113.43`. Returns `None` if it is
/// malformed.
fn parse(value: &HeaderValue, element: Range<usize>) -> Option<Hop> {
    let bytes = value.as_bytes();
    let (mut hop, mut seen_for, mut seen_proto, mut seen_host) =
        (Hop::default(), false, false, false);
    let pairs =
        Splits { bytes: bytes.get(..element.end)?, end: Some(element.end), separator: b';' };
    // The splitter continues to the left end of the line, so stop at the left end of this element.
    for pair in pairs {
        let done = pair.start <= element.start;
        let pair = trim(bytes, pair.start.max(element.start)..pair.end);
        let text = bytes.get(pair.clone())?;
        let equals = text.iter().position(|&byte| byte == b'=')?;
        let content = unquote(bytes, pair.start + equals + 1..pair.end)?;
        let name = text.get(..equals)?;
        if name.eq_ignore_ascii_case(b"for") {
            hop.address = parse_address(bytes.get(content)?);
            if std::mem::replace(&mut seen_for, true) {
                return None;
            }
        } else if name.eq_ignore_ascii_case(b"proto") {
            hop.scheme = Some(Scheme::parse(bytes.get(content)?));
            if std::mem::replace(&mut seen_proto, true) {
                return None;
            }
        } else if name.eq_ignore_ascii_case(b"host") {
            hop.host = Host::from_header(value, content);
            if std::mem::replace(&mut seen_host, true) {
                return None;
            }
        }
        if done {
            break;
        }
    }
    Some(hop)
}

/// Returns the content of a quoted string, or a token as it is. Returns `None` if a quote is
/// unpaired.
///
/// Escapes are kept. No value that is read may contain a backslash, so its parser rejects one.
fn unquote(bytes: &[u8], part: Range<usize>) -> Option<Range<usize>> {
    let text = bytes.get(part.clone())?;
    match text.strip_prefix(b"\"") {
        Some(rest) => {
            let inner = rest.strip_suffix(b"\"")?;
            Some(part.start + 1..part.start + 1 + inner.len())
        }
        None => (!text.contains(&b'"')).then_some(part),
    }
}

/// The parts between separators outside quotes, from right to left.
struct Splits<'a> {
    bytes: &'a [u8],
    end: Option<usize>,
    separator: u8,
}

impl Iterator for Splits<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let stop = self.end?;
        let text = self.bytes.get(..stop)?;
        let mut quoted = false;
        for (index, &byte) in text.iter().enumerate().rev() {
            if byte == b'"' && !escaped(text, index) {
                quoted = !quoted;
            } else if byte == self.separator && !quoted {
                self.end = Some(index);
                return Some(index + 1..stop);
            }
        }
        self.end = None;
        Some(0..stop)
    }
}

/// Whether an odd number of backslashes precedes `index`.
fn escaped(text: &[u8], index: usize) -> bool {
    let before = text.get(..index).unwrap_or_default();
    before.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}
