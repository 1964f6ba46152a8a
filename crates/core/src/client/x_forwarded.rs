//! `X-Forwarded-For`, `-Proto` and `-Host`: a convention without a standard.

use std::ops::Range;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    Host, Scheme, TrustedProxies, parse_address,
    resolver::{Address, Hop, MAX_HOPS},
};

pub(super) static FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Walks from the right to the first untrusted address.
pub(super) fn walk(headers: &HeaderMap, trusted: &TrustedProxies) -> Hop {
    let (mut address, mut position) = (Address::Absent, 0);
    for (index, (value, part)) in entries(headers, &FOR).take(MAX_HOPS).enumerate() {
        position = index;
        let Some(found) = value.as_bytes().get(part).and_then(parse_address) else {
            address = Address::Unnamed;
            break;
        };
        address = Address::Named(found);
        if !trusted.contains(found) {
            break;
        }
    }
    let scheme = entry_at(headers, &PROTO, position)
        .and_then(|(value, part)| value.as_bytes().get(part))
        .map(Scheme::parse);
    let host =
        entry_at(headers, &HOST, position).and_then(|(value, part)| Host::from_header(value, part));
    Hop { address, scheme, host }
}

/// The entry of `name` at `position` from the right, or the leftmost one of a shorter list: a proxy
/// that overwrites the header writes one entry for all hops behind it.
fn entry_at<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    position: usize,
) -> Option<(&'a HeaderValue, Range<usize>)> {
    entries(headers, name).take(position + 1).last()
}

/// The entries of all lines of `name` that are not empty, from right to left, without surrounding
/// spaces and tabs.
fn entries<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = (&'a HeaderValue, Range<usize>)> {
    let all = headers.get_all(name).iter().rev().flat_map(|value| {
        let mut end = Some(value.len());
        std::iter::from_fn(move || {
            let stop = end?;
            let bytes = value.as_bytes().get(..stop)?;
            let start = bytes.iter().rposition(|&byte| byte == b',').map_or(0, |comma| comma + 1);
            end = start.checked_sub(1);
            Some((value, trim(value.as_bytes(), start..stop)))
        })
    });
    all.filter(|(_, part)| !part.is_empty())
}

/// Returns `part` without surrounding spaces and tabs.
pub(super) fn trim(bytes: &[u8], part: Range<usize>) -> Range<usize> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let text = bytes.get(part.clone()).unwrap_or_default();
    let lead = text.iter().take_while(|byte| blank(byte)).count();
    let tail = text.iter().skip(lead).rev().take_while(|byte| blank(byte)).count();
    part.start + lead..part.end - tail
}
