//! What may be kept, and for whom: decided from heads, without a clock.

use std::time::Duration;

use hardpoint_core::{Head, KeyExtractor};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{
        ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AGE, CACHE_CONTROL, CONNECTION,
        CONTENT_LENGTH, CONTENT_TYPE, HOST, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
        IF_UNMODIFIED_SINCE, PRAGMA, RANGE, SET_COOKIE, TE, USER_AGENT,
    },
    uri::{Authority, PathAndQuery},
};

use crate::retry::ATTEMPT_HEADER;

/// The longest key, in bytes. Requests with longer targets have no copies.
const LONGEST_KEY: usize = 2_048;

/// The header fields of requests that do not identify a caller. Any other field may, so a request
/// with one has no copies: a list of credentials would miss the next `X-User-Id`.
///
/// `baggage` is not neutral, since it carries values of the application, such as a tenant, nor is
/// `origin`, since servers answer by it.
const NEUTRAL: [HeaderName; 20] = [
    ACCEPT,
    ACCEPT_CHARSET,
    ACCEPT_ENCODING,
    ACCEPT_LANGUAGE,
    CACHE_CONTROL,
    CONNECTION,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    HeaderName::from_static("grpc-timeout"),
    HOST,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    TE,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    USER_AGENT,
    HeaderName::from_static("x-amzn-trace-id"),
    HeaderName::from_static("x-correlation-id"),
    HeaderName::from_static("x-request-id"),
    ATTEMPT_HEADER,
];

/// The header fields of requests that have no copies: for a part of a response (RFC 9110 §14.2), or
/// for the state that the target has now (§13.1.1, §13.1.4, and RFC 9111 §5.4).
const UNCOPIED: [HeaderName; 4] = [IF_MATCH, IF_UNMODIFIED_SINCE, PRAGMA, RANGE];

/// The directives of a response that forbid a copy. `no-cache` and `must-revalidate` allow one only
/// after the destination was asked, which has failed by then.
const FORBIDDING: [&str; 5] =
    ["no-store", "private", "no-cache", "must-revalidate", "proxy-revalidate"];

/// The place of the method in a key, after the hash of the target.
const METHOD_AT: usize = size_of::<u64>();

/// The methods of keys.
pub(super) const GET: u8 = b'G';
pub(super) const HEAD: u8 = b'H';

/// The key of the copies that a request may have: the hash of its target, its method, caller and
/// target. `None` if it may have none.
///
/// Without `callers`, a request with a header that is neither in [`NEUTRAL`] nor in `neutral` has
/// none, and the identity in the context that a request carries is its caller. With `callers`, a
/// request without such a key has none.
pub(super) fn key(
    head: Head<'_>,
    target_hash: u64,
    has_body: bool,
    neutral: &[HeaderName],
    callers: Option<&dyn KeyExtractor>,
) -> Option<Vec<u8>> {
    let method = match *head.method {
        Method::GET => GET,
        Method::HEAD => HEAD,
        _ => return None,
    };
    // A body may select the response. Two hosts are ambiguous.
    if has_body
        || head.headers.get_all(HOST).iter().nth(1).is_some()
        || refuses_copies(head.headers)
    {
        return None;
    }
    let (scheme, authority, host, path) = target(head);
    // Room for nearly every key, in one allocation.
    let mut key = Vec::with_capacity(path.len() + 128);
    key.extend_from_slice(&target_hash.to_ne_bytes());
    key.push(method);
    if let Some(callers) = callers {
        key.push(b'K');
        add(&mut key, callers.key(head).ok()?.as_bytes());
    } else if may_identify(head, neutral) {
        return None;
    } else if let Some(identity) = head.context().and_then(|context| context.identity()) {
        key.push(b'I');
        add(&mut key, identity.issuer().unwrap_or_default().as_bytes());
        add(&mut key, identity.subject().as_bytes());
    } else {
        key.push(b'A');
    }
    add(&mut key, scheme.as_bytes());
    add(&mut key, authority.as_bytes());
    add(&mut key, host);
    key.extend_from_slice(path.as_bytes());
    (key.len() <= LONGEST_KEY).then_some(key)
}

/// The target of a request: its scheme, authority, `Host`, and path with query. The authority is
/// where the client connects to, and `Host` may still select the response there.
pub(super) fn target(head: Head<'_>) -> (&str, &str, &[u8], &str) {
    let uri = head.uri;
    (
        uri.scheme_str().unwrap_or_default(),
        uri.authority().map_or("", Authority::as_str),
        head.headers.get(HOST).map(HeaderValue::as_bytes).unwrap_or_default(),
        uri.path_and_query().map_or("", PathAndQuery::as_str),
    )
}

/// Whether a key is that of a HEAD request.
pub(super) fn is_head(key: &[u8]) -> bool {
    key.get(METHOD_AT) == Some(&HEAD)
}

/// Replaces the method of a key.
pub(super) fn set_method(key: &mut [u8], method: u8) {
    if let Some(place) = key.get_mut(METHOD_AT) {
        *place = method;
    }
}

/// Adds a part of a key after its length, so that different parts never make the same key.
fn add(key: &mut Vec<u8>, part: &[u8]) {
    key.extend_from_slice(&part.len().to_le_bytes());
    key.extend_from_slice(part);
}

/// Whether anything but an identity in the context may identify the caller.
fn may_identify(head: Head<'_>, neutral: &[HeaderName]) -> bool {
    let in_target = |authority: &Authority| authority.as_str().contains('@');
    let is_neutral = |name: &HeaderName| NEUTRAL.contains(name) || neutral.contains(name);
    head.headers.iter().any(|(name, value)| value.is_sensitive() || !is_neutral(name))
        || head.uri.authority().is_some_and(in_target)
}

/// Whether the request asks for a response that is not a copy, or will not become one.
fn refuses_copies(headers: &HeaderMap) -> bool {
    UNCOPIED.iter().any(|name| headers.contains_key(name))
        || Directives::read(headers).any(&["no-store", "no-cache", "min-fresh"])
        || oldest(headers).is_some_and(|age| age.is_zero())
}

/// The highest age of a copy that a request accepts: its `max-age`, and `stale-if-error` beyond that
/// (RFC 9111 §5.2.1.1, RFC 5861 §4). `None` if it accepts any.
pub(super) fn oldest(headers: &HeaderMap) -> Option<Duration> {
    let directives = Directives::read(headers);
    match (directives.seconds("max-age"), directives.seconds("stale-if-error")) {
        (Some(fresh), Some(grace)) => Some(fresh.saturating_add(grace)),
        (age, grace) => age.or(grace),
    }
}

/// For how long, from now on, a response may be served as a copy: at most `max_age`, less the age that
/// it has already. `None` if it may not be kept.
pub(super) fn keeps_for(
    status: StatusCode,
    headers: &HeaderMap,
    max_age: Duration,
) -> Option<Duration> {
    let directives = Directives::read(headers);
    if status != StatusCode::OK || forbids(headers, &directives) {
        return None;
    }
    let usable = directives.usable().map_or(max_age, |usable| usable.min(max_age));
    usable.checked_sub(age(headers)).filter(|left| !left.is_zero())
}

/// Whether a response that is not a failure ends the copies of earlier ones: the target has another
/// status now, or the response forbids to keep it. A 304 is about a response that the caller has, and
/// leaves the copy.
pub(super) fn ends_copies(status: StatusCode, headers: &HeaderMap) -> bool {
    let directives = Directives::read(headers);
    (status != StatusCode::OK && status != StatusCode::NOT_MODIFIED)
        || forbids(headers, &directives)
        || directives.usable().is_some_and(|usable| usable.is_zero())
}

fn forbids(headers: &HeaderMap, directives: &Directives<'_>) -> bool {
    headers.contains_key(SET_COOKIE) || directives.any(&FORBIDDING)
}

/// The age that a response had when it arrived, from a cache on its way (RFC 9111 §5.1).
pub(super) fn age(headers: &HeaderMap) -> Duration {
    headers.get(AGE).and_then(|value| seconds(value.to_str().ok()?)).unwrap_or_default()
}

/// The directives of `Cache-Control` (RFC 9111 §5.2).
struct Directives<'a> {
    /// A line is not visible ASCII, and may contain any directive.
    is_garbled: bool,
    headers: &'a HeaderMap,
}

impl<'a> Directives<'a> {
    fn read(headers: &'a HeaderMap) -> Self {
        let is_garbled = headers.get_all(CACHE_CONTROL).iter().any(|value| value.to_str().is_err());
        Self { is_garbled, headers }
    }

    /// Each name and its argument. A quoted list is split at its commas too: its directive is
    /// found, and its other parts can only forbid more.
    fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let lines = self.headers.get_all(CACHE_CONTROL).iter();
        lines.filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(',')).map(|part| {
            let (name, argument) = part.split_once('=').unwrap_or((part, ""));
            (name.trim(), argument.trim().trim_matches('"'))
        })
    }

    fn any(&self, names: &[&str]) -> bool {
        let is_one = |name: &str| names.iter().any(|other| name.eq_ignore_ascii_case(other));
        self.is_garbled || self.iter().any(|(name, _)| is_one(name))
    }

    /// How old a response may be that takes the place of a failure (RFC 5861 §4): for the time of
    /// `stale-if-error` after its freshness ends.
    fn usable(&self) -> Option<Duration> {
        let grace = self.seconds("stale-if-error")?;
        let fresh = self.seconds("s-maxage").or_else(|| self.seconds("max-age"));
        Some(grace.saturating_add(fresh.unwrap_or_default()))
    }

    /// The argument of the first directive of this name, if it is a number. 0 if it is not.
    fn seconds(&self, name: &str) -> Option<Duration> {
        let (_, argument) = self.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        Some(seconds(argument).unwrap_or_default())
    }
}

fn seconds(text: &str) -> Option<Duration> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // A number too large to represent is the largest one.
    is_number.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests;
