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
    /// `stale-if-error` after it is no longer fresh.
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
mod tests {
    use hardpoint_core::{Identity, Key, KeyMissing, RequestContext, Time};
    use http::Request;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn request(target: &str, fields: &[(&'static str, &'static str)]) -> Request<()> {
        let mut request = Request::get(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn key_of(request: &Request<()>) -> Option<Vec<u8>> {
        key(Head::new(request), 0, false, &[], None)
    }

    fn everyone(_head: Head<'_>) -> Result<Key<'_>, KeyMissing> {
        Ok(Key::borrowed(b""))
    }

    fn keeps(fields: &[(&'static str, &'static str)]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        keeps_for(StatusCode::OK, &headers, HOUR).map(|left| left.as_secs())
    }

    #[test]
    fn requests_that_may_identify_a_caller_have_no_copies() {
        for name in [
            "authorization",
            "baggage",
            "cookie",
            "forwarded",
            "origin",
            "proxy-authorization",
            "referer",
            "x-anything-else",
            "x-api-key",
            "x-auth-token",
            "x-forwarded-for",
            "x-forwarded-user",
            "x-tenant-id",
            "x-user-id",
        ] {
            let request = request("http://a/", &[(name, "a")]);
            assert_eq!(key_of(&request), None, "{name}");
            let neutral = [HeaderName::from_static(name)];
            assert!(key(Head::new(&request), 0, false, &neutral, None).is_some(), "{name}");
        }
        assert_eq!(key_of(&request("http://user:password@a/", &[])), None);
        let mut sensitive = request("http://a/", &[("accept", "a")]);
        sensitive.headers_mut().get_mut("accept").unwrap().set_sensitive(true);
        assert_eq!(key_of(&sensitive), None);
    }

    #[test]
    fn neutral_headers_leave_a_request_its_copies() {
        for name in NEUTRAL {
            let mut request = request("http://a/", &[]);
            request.headers_mut().insert(&name, HeaderValue::from_static("a"));
            assert!(key_of(&request).is_some(), "{name}");
        }
    }

    #[test]
    fn requests_that_may_have_another_response_have_no_copies() {
        for field in [
            ("range", "bytes=0-1"),
            ("if-match", "\"a\""),
            ("if-unmodified-since", "Sat, 29 Oct 1994 19:43:31 GMT"),
            ("cache-control", "no-store"),
            ("cache-control", "No-Cache"),
            ("cache-control", "max-age=0"),
            ("cache-control", "Max-Age=\"0\""),
            ("cache-control", "max-age=soon"),
            ("cache-control", "stale-if-error=0"),
            ("cache-control", "max-age=0, stale-if-error=0"),
            ("cache-control", "min-fresh=5"),
            ("cache-control", "\u{e9}"),
            ("pragma", "no-cache"),
        ] {
            let request = request("http://a/", &[]);
            let (mut head, _body) = request.into_parts();
            head.headers.insert(field.0, HeaderValue::from_bytes(field.1.as_bytes()).unwrap());
            let request = Request::from_parts(head, ());
            assert_eq!(key_of(&request), None, "{field:?}");
            let of_everyone = key(Head::new(&request), 0, false, &[], Some(&everyone));
            assert_eq!(of_everyone, None, "{field:?}, with callers");
        }
        let get = request("http://a/", &[]);
        assert_eq!(key(Head::new(&get), 0, true, &[], None), None, "a body");
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "QUERY"] {
            let request = Request::builder().method(method).body(()).unwrap();
            assert_eq!(key_of(&request), None, "{method}");
        }
        let long = format!("http://a/{}", "a".repeat(LONGEST_KEY));
        assert_eq!(key_of(&request(&long, &[])), None);
    }

    #[test]
    fn a_request_limits_the_age_of_its_copy() {
        for (control, expected) in [
            ("", None),
            ("max-stale", None),
            ("max-age=60", Some(60)),
            ("stale-if-error=600", Some(600)),
            ("max-age=60, stale-if-error=600", Some(660)),
            ("max-age=0, stale-if-error=600", Some(600)),
        ] {
            let request = request("/", &[("cache-control", control)]);
            let expected = expected.map(Duration::from_secs);
            assert_eq!(oldest(request.headers()), expected, "{control}");
            assert!(key_of(&request).is_some(), "{control}");
        }
    }

    #[test]
    fn each_target_method_and_caller_has_a_key_of_its_own() {
        let with_identity = |identity: Identity| {
            let mut request = request("http://a/x", &[]);
            let context = RequestContext::ensure(request.extensions_mut(), &Time::system());
            context.set_identity(identity);
            request
        };
        let mut head = request("http://a/x", &[]);
        *head.method_mut() = Method::HEAD;
        let requests = [
            request("http://a/x", &[]),
            request("https://a/x", &[]),
            request("http://b/x", &[]),
            request("http://a/y", &[]),
            request("http://a/x?y", &[]),
            request("/x", &[("host", "a")]),
            request("/x", &[("host", "b")]),
            request("/x", &[]),
            request("http://10.0.0.1/x", &[]),
            request("http://10.0.0.1/x", &[("host", "tenant-a")]),
            request("http://10.0.0.1/x", &[("host", "tenant-b")]),
            head,
            with_identity(Identity::from_subject("alice")),
            with_identity(Identity::from_subject("bob")),
        ];
        let keys: std::collections::BTreeSet<_> =
            requests.iter().map(|request| key_of(request).unwrap()).collect();
        assert_eq!(keys.len(), requests.len());
        assert_eq!(key_of(&requests[0]), key_of(&request("http://a/x", &[("accept", "*/*")])));
        let two_hosts = request("/x", &[("host", "a"), ("host", "b")]);
        assert_eq!(key_of(&two_hosts), None);
    }

    #[test]
    fn a_key_of_callers_allows_credentials_and_is_required() {
        fn tenant(head: Head<'_>) -> Result<Key<'_>, KeyMissing> {
            let tenant = head.headers.get("x-tenant").ok_or(KeyMissing::new("x-tenant"))?;
            Ok(Key::borrowed(tenant.as_bytes()))
        }

        let of = |fields: &[(&'static str, &'static str)]| {
            key(Head::new(&request("http://a/", fields)), 0, false, &[], Some(&tenant))
        };
        let bearer = ("authorization", "Bearer a");
        assert_eq!(of(&[bearer]), None);
        let (one, other) = (of(&[bearer, ("x-tenant", "1")]), of(&[bearer, ("x-tenant", "2")]));
        assert!(one.is_some() && one != other);
    }

    #[test]
    fn responses_that_forbid_copies_are_not_kept() {
        assert_eq!(keeps(&[]), Some(3_600));
        for value in [
            "no-store",
            "No-Store",
            "max-age=60, private",
            "private=\"x-a, x-b\"",
            "no-cache",
            "no-cache=\"set-cookie\"",
            "must-revalidate",
            "public , proxy-revalidate",
            "\u{e9}",
        ] {
            assert_eq!(keeps(&[("cache-control", value)]), None, "{value}");
        }
        assert_eq!(keeps(&[("cache-control", "public"), ("cache-control", "no-store")]), None);
        assert_eq!(keeps(&[("set-cookie", "a=b")]), None);
        for code in [201, 204, 206, 301, 304, 404, 500, 503] {
            let status = StatusCode::from_u16(code).unwrap();
            assert_eq!(keeps_for(status, &HeaderMap::new(), HOUR), None, "{code}");
        }
    }

    #[test]
    fn definite_answers_end_copies() {
        let ends = |code: u16, fields: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, HeaderValue::from_static(value));
            }
            ends_copies(StatusCode::from_u16(code).unwrap(), &headers)
        };
        for code in [201, 204, 206, 301, 307, 401, 403, 404, 410] {
            assert!(ends(code, &[]), "{code}");
        }
        for control in ["private", "no-store", "no-cache", "must-revalidate", "stale-if-error=0"] {
            assert!(ends(200, &[("cache-control", control)]), "{control}");
            assert!(ends(304, &[("cache-control", control)]), "{control}");
        }
        assert!(ends(200, &[("set-cookie", "a=b")]));
        assert!(!ends(200, &[]) && !ends(304, &[]) && !ends(200, &[("age", "9999999")]));
    }

    #[test]
    fn a_copy_is_kept_for_as_long_as_the_response_allows() {
        let control = |value| keeps(&[("cache-control", value)]);
        assert_eq!(control("max-age=60"), Some(3_600));
        assert_eq!(control("max-age=60, stale-if-error=600"), Some(660));
        assert_eq!(control("max-age=60, s-maxage=120, stale-if-error=600"), Some(720));
        assert_eq!(control("stale-if-error=\"600\""), Some(600));
        assert_eq!(control("stale-if-error=99999999999999999999"), Some(3_600));
        assert_eq!(control("max-age=60, stale-if-error=soon"), Some(60));
        assert_eq!(control("stale-if-error=0"), None);
        assert_eq!(keeps(&[("age", "600")]), Some(3_000));
        assert_eq!(keeps(&[("age", "3600")]), None);
        assert_eq!(keeps(&[("age", "-1")]), Some(3_600));
        let both = [("age", "100"), ("cache-control", "max-age=60, stale-if-error=60")];
        assert_eq!(keeps(&both), Some(20));
    }
}
