//! `Forwarded` (RFC 7239).
//!
//! Elements are split from the right, so a quote that a client leaves open on the left cannot
//! swallow the element that a trusted proxy appended.

use std::{borrow::Cow, ops::Range};

use http::{HeaderMap, HeaderValue, header::FORWARDED};

use super::{
    Host, Scheme, TrustedProxies, is_obfuscated, parse_address, parse_port,
    resolver::{Address, Hop, MAX_HOPS},
    x_forwarded::trim,
};

/// Walks from the right to the first untrusted address.
pub(super) fn walk(headers: &HeaderMap, trusted: &TrustedProxies) -> Hop {
    let mut reached = Hop::default();
    let elements = headers.get_all(FORWARDED).iter().rev().flat_map(|value| {
        split(value.as_bytes(), 0..value.len(), b',').map(move |part| (value, part))
    });
    let elements = elements.filter_map(|(value, part)| parse(value, part).transpose());
    for element in elements.take(MAX_HOPS) {
        let Ok(hop) = element else {
            return Hop { address: Address::Unnamed, ..Hop::default() };
        };
        reached = hop;
        match reached.address {
            Address::Named(address) if trusted.contains(address) => {}
            _ => break,
        }
    }
    reached
}

/// An element violates the grammar.
struct Malformed;

/// Parses one element, such as `for=192.0.2.60;proto=http;by=203.0.113.43`. `None` if it has no
/// parameter: then it is an empty list element.
fn parse(value: &HeaderValue, element: Range<usize>) -> Result<Option<Hop>, Malformed> {
    let bytes = value.as_bytes();
    let (mut node, mut proto, mut host) = (None, None, None);
    let mut is_empty = true;
    for pair in split(bytes, element, b';') {
        let pair = trim(bytes, pair);
        if pair.is_empty() {
            continue;
        }
        is_empty = false;
        let text = bytes.get(pair.clone()).ok_or(Malformed)?;
        let equals = text.iter().position(|&byte| byte == b'=').ok_or(Malformed)?;
        let name = text.get(..equals).filter(|name| is_token(name)).ok_or(Malformed)?;
        let content = unquote(bytes, pair.start + equals + 1..pair.end).ok_or(Malformed)?;
        let slot = if name.eq_ignore_ascii_case(b"for") {
            &mut node
        } else if name.eq_ignore_ascii_case(b"proto") {
            &mut proto
        } else if name.eq_ignore_ascii_case(b"host") {
            &mut host
        } else {
            continue;
        };
        if slot.replace(content).is_some() {
            return Err(Malformed);
        }
    }
    if is_empty {
        return Ok(None);
    }
    let address = node.map_or(Ok(Address::Unnamed), |node| parse_node(&node.bytes(bytes)))?;
    Ok(Some(Hop {
        address,
        scheme: proto.map(|proto| Scheme::parse(&proto.bytes(bytes))),
        host: host.and_then(|host| host.to_host(value)),
    }))
}

/// Parses a node (RFC 7239 §6): an address, `unknown` or an obfuscated name, each with or without a
/// port.
fn parse_node(text: &[u8]) -> Result<Address, Malformed> {
    if let Some(address) = parse_address(text) {
        return Ok(Address::Named(address));
    }
    let (name, port) = match text.iter().position(|&byte| byte == b':') {
        Some(colon) => (text.get(..colon), text.get(colon + 1..)),
        None => (Some(text), None),
    };
    let name = name.ok_or(Malformed)?;
    let is_name = name.eq_ignore_ascii_case(b"unknown") || is_obfuscated(name);
    let is_port =
        port.is_none_or(|port| std::str::from_utf8(port).ok().and_then(parse_port).is_some());
    if is_name && is_port { Ok(Address::Unnamed) } else { Err(Malformed) }
}

/// The value of a parameter.
enum Content {
    /// A token, or the inside of a quoted string.
    Plain(Range<usize>),
    /// The inside of a quoted string that has escapes.
    Escaped(Range<usize>),
}

impl Content {
    fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        match self {
            Self::Plain(part) => bytes.get(part.clone()).unwrap_or_default().into(),
            Self::Escaped(part) => unescape(bytes.get(part.clone()).unwrap_or_default()).into(),
        }
    }

    fn to_host(&self, value: &HeaderValue) -> Option<Host> {
        match self {
            Self::Plain(part) => Host::from_header(value, part.clone()),
            Self::Escaped(_) => {
                let value = HeaderValue::from_bytes(&self.bytes(value.as_bytes())).ok()?;
                Host::from_header(&value, 0..value.len())
            }
        }
    }
}

/// The content of a quoted string, or a token as it is. `None` if a quote is unpaired.
///
/// Brackets and colons are accepted without quotes too, because many proxies do not quote them.
fn unquote(bytes: &[u8], part: Range<usize>) -> Option<Content> {
    let text = bytes.get(part.clone())?;
    let Some(rest) = text.strip_prefix(b"\"") else {
        return (!text.contains(&b'"')).then_some(Content::Plain(part));
    };
    let inner = rest.strip_suffix(b"\"")?;
    let (mut escapes, mut escaped) = (false, false);
    for byte in inner {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => (escapes, escaped) = (true, true),
            b'"' => return None,
            _ => {}
        }
    }
    let part = part.start + 1..part.start + 1 + inner.len();
    match (escaped, escapes) {
        (true, _) => None,
        (false, true) => Some(Content::Escaped(part)),
        (false, false) => Some(Content::Plain(part)),
    }
}

/// Replaces each quoted pair (RFC 9110 §5.6.4) by its second octet.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = text.iter();
    let next = || match bytes.next() {
        Some(b'\\') => bytes.next().copied(),
        other => other.copied(),
    };
    std::iter::from_fn(next).collect()
}

/// Whether this is a token (RFC 9110 §5.6.2).
fn is_token(text: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(allowed)
}

/// The parts between separators outside quotes, from right to left.
fn split(
    bytes: &[u8],
    part: Range<usize>,
    separator: u8,
) -> impl Iterator<Item = Range<usize>> + use<'_> {
    let Range { start, end } = part;
    let mut end = Some(end);
    std::iter::from_fn(move || {
        let stop = end?;
        let text = bytes.get(start..stop)?;
        let mut quoted = false;
        for (index, &byte) in text.iter().enumerate().rev() {
            if byte == b'"' && !escaped(text, index) {
                quoted = !quoted;
            } else if byte == separator && !quoted {
                end = Some(start + index);
                return Some(start + index + 1..stop);
            }
        }
        end = None;
        Some(start..stop)
    })
}

/// Whether an odd number of backslashes precedes `index`.
fn escaped(text: &[u8], index: usize) -> bool {
    let before = text.get(..index).unwrap_or_default();
    before.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}
