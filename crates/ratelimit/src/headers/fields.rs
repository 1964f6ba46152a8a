//! The header fields of one response, and how those of several limiters are merged.

use std::mem;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header::ACCESS_CONTROL_EXPOSE_HEADERS};

use super::{LegacyReset, bound::Bound};

pub(super) static RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(super) static RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub(super) static X_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
pub(super) static X_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
pub(super) static X_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The header fields of one response.
///
/// All values are in one buffer, of which each field gets its part: one allocation, small enough to
/// pass from the decision to the response, and no counter that other requests share.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    pub(super) text: Vec<u8>,
    /// Where each value ends; it begins where the one before ends. Unsent values are empty.
    ends: [u16; VALUES],
    /// What the reset counts from, if it is sent.
    pub(super) reset: Option<LegacyReset>,
}

/// The order of values in [`Fields`].
pub(super) const POLICIES: usize = 0;
pub(super) const LIMITS: usize = 1;
pub(super) const LIMIT: usize = 2;
pub(super) const REMAINING: usize = 3;
pub(super) const RESET: usize = 4;
pub(super) const EXPOSED: usize = 5;
const VALUES: usize = 6;

impl Fields {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { text: Vec::with_capacity(bytes), ends: [0; VALUES], reset: None }
    }

    pub(super) fn legacy(&mut self, [limit, remaining, reset]: [u64; 3]) {
        number(&mut self.text, limit);
        self.end(LIMIT);
        number(&mut self.text, remaining);
        self.end(REMAINING);
        number(&mut self.text, reset);
        self.end(RESET);
    }

    /// Marks the end of the value with this number; the values after it are empty so far.
    pub(super) fn end(&mut self, value: usize) {
        // Eight names of 64 letters and their parameters are far below 64 KiB.
        let end = u16::try_from(self.text.len()).unwrap_or(u16::MAX);
        self.ends.iter_mut().skip(value).for_each(|place| *place = end);
    }

    /// Adds to the fields of inner limiters. Lists grow. Single values stay if they leave less, or if
    /// an inner limiter refused the request: then they describe the bound that it met.
    pub(crate) fn insert_into(self, headers: &mut HeaderMap, met: Option<&Bound>) {
        let Self { text, ends, reset } = self;
        let mut rest = Bytes::from(text);
        // The last first: each takes the end of the rest, and the first takes all that remains.
        let mut value = |number: usize| {
            let begin = number.checked_sub(1).map_or(0, |before| usize::from(ends[before]));
            if begin >= rest.len() {
                return None;
            }
            let part = if begin == 0 { mem::take(&mut rest) } else { rest.split_off(begin) };
            // Every value was rendered from printable ASCII.
            HeaderValue::from_maybe_shared(part).ok()
        };
        if let Some(exposed) = value(EXPOSED) {
            headers.append(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
        if let (Some(own_reset), Some(remaining), Some(limit)) =
            (value(RESET), value(REMAINING), value(LIMIT))
        {
            match (met, reset) {
                (Some(met), Some(form)) => met.insert_legacy(form, headers),
                _ if is_nearer(&remaining, headers) => {
                    headers.insert(&X_LIMIT, limit);
                    headers.insert(&X_REMAINING, remaining);
                    headers.insert(&X_RESET, own_reset);
                }
                _ => {}
            }
        }
        if let Some(limits) = value(LIMITS) {
            if let Some(met) = met {
                met.insert_ietf(headers);
            }
            headers.append(&RATELIMIT, limits);
        }
        if let Some(policies) = value(POLICIES) {
            headers.append(&RATELIMIT_POLICY, policies);
        }
    }
}

/// Whether this leaves less than the inner limiter's field.
fn is_nearer(remaining: &HeaderValue, headers: &HeaderMap) -> bool {
    let figure = |value: &HeaderValue| value.to_str().ok()?.parse::<u32>().ok();
    let inner = headers.get(&X_REMAINING).and_then(figure);
    inner.is_none_or(|inner| figure(remaining).is_some_and(|own| own < inner))
}

/// Writes a number several times as fast as the standard library's formatting.
pub(super) fn number(text: &mut Vec<u8>, number: u64) {
    let mut digits = [b'0'; 20];
    let (mut rest, mut first) = (number, digits.len() - 1);
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        first = place;
        if rest == 0 {
            break;
        }
    }
    text.extend_from_slice(digits.get(first..).unwrap_or_default());
}
