//! `X-Forwarded-For`, `-Proto` and `-Host`: a convention without a standard.

use std::ops::Range;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    Host, Scheme, TrustedProxies, parse_address,
    resolver::{Hop, MAX_HOPS},
};

static FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Walks from the right to the first untrusted address.
pub(super) fn walk(headers: &HeaderMap, trusted: &TrustedProxies) -> Hop {
    let mut reached = None;
    for (index, (value, part)) in entries(headers, &FOR).take(MAX_HOPS).enumerate() {
        let Some(address) = value.as_bytes().get(part).and_then(parse_address) else {
            break;
        };
        reached = Some((index, address));
        if !trusted.contains(address) {
            break;
        }
    }
    let Some((index, address)) = reached else {
        return Hop::default();
    };
    let scheme = about(headers, &PROTO, index)
        .and_then(|(value, part)| value.as_bytes().get(part))
        .map(Scheme::parse);
    let host =
        about(headers, &HOST, index).and_then(|(value, part)| Host::from_header(value, part));
    Hop { address: Some(address), scheme, host }
}

/// Returns the entry of `name` for the hop at `index` from the right. A list as long as the list of
/// addresses has it at the same position; a list with one entry applies to every hop. `None` for
/// any other length.
fn about<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    index: usize,
) -> Option<(&'a HeaderValue, Range<usize>)> {
    let mut list = entries(headers, name);
    let first = list.next()?;
    let others = list.take(MAX_HOPS).count();
    if others == 0 {
        return Some(first);
    }
    let hops = entries(headers, &FOR).take(MAX_HOPS + 1).count();
    (others + 1 == hops).then(|| entries(headers, name).nth(index))?
}

/// The entries of all lines of `name`, from right to left, without surrounding spaces and tabs.
fn entries<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = (&'a HeaderValue, Range<usize>)> {
    headers.get_all(name).iter().rev().flat_map(|value| {
        let mut end = Some(value.len());
        std::iter::from_fn(move || {
            let stop = end?;
            let bytes = value.as_bytes().get(..stop)?;
            let start = bytes.iter().rposition(|&byte| byte == b',').map_or(0, |comma| comma + 1);
            end = start.checked_sub(1);
            Some((value, trim(value.as_bytes(), start..stop)))
        })
    })
}

/// Returns `part` without surrounding spaces and tabs.
pub(super) fn trim(bytes: &[u8], part: Range<usize>) -> Range<usize> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let text = bytes.get(part.clone()).unwrap_or_default();
    let lead = text.iter().take_while(|byte| blank(byte)).count();
    let tail = text.iter().skip(lead).rev().take_while(|byte| blank(byte)).count();
    part.start + lead..part.end - tail
}
