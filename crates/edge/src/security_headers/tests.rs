//! Which values are rejected, and how the set changes a response.

use hardpoint_core::Scheme;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, SERVER, STRICT_TRANSPORT_SECURITY,
        X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};

use super::{ConfigError, SecurityHeaders, check::CROSS_ORIGIN_RESOURCE_POLICY};

fn applied(set: &SecurityHeaders, scheme: Option<Scheme>, own: &[(HeaderName, &str)]) -> HeaderMap {
    let mut headers: HeaderMap = own
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
        .collect();
    set.apply(&mut headers, scheme);
    headers
}

#[test]
fn policies_that_browsers_would_ignore_are_refused() {
    let corp = CROSS_ORIGIN_RESOURCE_POLICY.clone();
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "no-sniff"),
        (X_FRAME_OPTIONS, "ALLOW-FROM https://example.com"),
        (REFERRER_POLICY, "no-referer"),
        (REFERRER_POLICY, "no-referrer,"),
        (corp, "same origin"),
        (STRICT_TRANSPORT_SECURITY, "includeSubDomains"),
        (STRICT_TRANSPORT_SECURITY, "max-age=1y"),
        (STRICT_TRANSPORT_SECURITY, "max-age=-1"),
        (STRICT_TRANSPORT_SECURITY, "max-age=1; max-age=2"),
        (STRICT_TRANSPORT_SECURITY, "max-age=1, includeSubDomains"),
        (STRICT_TRANSPORT_SECURITY, "max-age=31536000; preload"),
        (STRICT_TRANSPORT_SECURITY, "max-age=300; includeSubDomains; preload"),
        (CONTENT_SECURITY_POLICY, "default-src self"),
        (CONTENT_SECURITY_POLICY, "script-src 'self' unsafe-inline"),
        (CONTENT_SECURITY_POLICY, "default-src 'none' 'self'"),
        (CONTENT_SECURITY_POLICY, "img-src 'self'; IMG-SRC https://a.example"),
        (CONTENT_SECURITY_POLICY, "default-src 'self', img-src 'none'"),
        (CONTENT_SECURITY_POLICY, "script-src 'nonce-c2FtZQ=='"),
        (CONTENT_SECURITY_POLICY, ";"),
    ] {
        let error = SecurityHeaders::api().header(name.clone(), value);
        let error = error.expect_err(value);
        assert!(matches!(error, ConfigError::HeaderPolicy { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(value) && text.contains(name.as_str()), "{text}");
    }
}

#[test]
fn policies_that_browsers_know_are_accepted() {
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "NoSniff"),
        (X_FRAME_OPTIONS, "sameorigin"),
        (REFERRER_POLICY, "no-referrer, strict-origin-when-cross-origin"),
        (STRICT_TRANSPORT_SECURITY, "max-age=\"63072000\"; includeSubDomains; preload"),
        (STRICT_TRANSPORT_SECURITY, "max-age=0"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self' 'sha256-AAAA' https://self.example; sandbox;",
        ),
        (HeaderName::from_static("x-anything"), "goes"),
    ] {
        let set = SecurityHeaders::none().header(name.clone(), value).unwrap();
        let headers = applied(&set, Some(Scheme::Https), &[]);
        assert_eq!(headers[name], value);
    }
}

#[test]
fn values_that_no_header_can_have_are_refused() {
    for value in ["", "  ", "a\nb", "a\r\nSet-Cookie: x=1", "caf\u{e9}", "a\tb"] {
        let error = SecurityHeaders::none().header(REFERRER_POLICY, value);
        assert_eq!(
            error.expect_err(value),
            ConfigError::HeaderValue { name: REFERRER_POLICY, value: value.to_owned() }
        );
    }
}

#[test]
fn an_unset_header_cannot_be_enforced() {
    let error = SecurityHeaders::none().enforce(X_FRAME_OPTIONS).unwrap_err();
    assert_eq!(error, ConfigError::HeaderNotSet { name: X_FRAME_OPTIONS });
    assert!(error.to_string().contains("`x-frame-options`"));
}

#[test]
fn the_preset_for_an_api_passes_its_own_checks() {
    let headers = applied(&SecurityHeaders::api(), Some(Scheme::Https), &[]);
    assert_eq!(headers.len(), 7);
    for (name, value) in &headers {
        let value = value.to_str().unwrap();
        assert!(SecurityHeaders::none().header(name.clone(), value).is_ok(), "{name}");
    }
}

#[test]
fn transport_security_is_for_https_alone() {
    let api = SecurityHeaders::api();
    for (scheme, expected) in
        [(None, false), (Some(Scheme::Http), false), (Some(Scheme::Https), true)]
    {
        let headers = applied(&api, scheme, &[]);
        assert_eq!(headers.contains_key(STRICT_TRANSPORT_SECURITY), expected);
    }
}

#[test]
fn the_handler_wins_unless_the_header_is_enforced() {
    let own = [
        (X_FRAME_OPTIONS, "SAMEORIGIN"),
        (X_FRAME_OPTIONS, "a second line"),
        (CACHE_CONTROL, "max-age=60"),
    ];
    let api = SecurityHeaders::api();
    let headers = applied(&api, None, &own);
    assert_eq!(headers[X_FRAME_OPTIONS], "SAMEORIGIN");
    assert_eq!(headers[CACHE_CONTROL], "max-age=60");

    let headers = applied(&api.enforce(X_FRAME_OPTIONS).unwrap(), None, &own);
    let lines: Vec<_> = headers.get_all(X_FRAME_OPTIONS).iter().collect();
    assert_eq!(lines, ["DENY"]);
}

#[test]
fn what_tells_about_the_service_is_removed_and_a_header_can_be_left_out() {
    let own = [
        (SERVER, "acme/1.2.3"),
        (HeaderName::from_static("x-powered-by"), "acme"),
        (HeaderName::from_static("x-runtime"), "3 ms"),
    ];
    let set = SecurityHeaders::api()
        .without(&CACHE_CONTROL)
        .add_removed(HeaderName::from_static("x-runtime"));
    let headers = applied(&set, None, &own);
    for name in ["server", "x-powered-by", "x-runtime", "cache-control"] {
        assert!(!headers.contains_key(name), "{name}");
    }
    assert_eq!(applied(&SecurityHeaders::none(), None, &own).len(), 3);
}
