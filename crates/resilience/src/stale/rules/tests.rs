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
