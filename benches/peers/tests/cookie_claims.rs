//! Tests each claim of `docs/auth.md` about tower-http's `csrf` beside hardpoint.

#![expect(clippy::expect_used, reason = "a test panics where it fails")]

use std::convert::Infallible;

use hardpoint::{
    auth::{AuthLayer, test::TestIssuer},
    core::{ClientResolver, Family, RequestContext, Time, TrustedProxies},
};
use hardpoint_bench_harness::exchange::now;
use http::{Method, Request, Response, StatusCode, header::COOKIE};
use http_body_util::Empty;
use tower::{Layer, Service, service_fn};
use tower_http::csrf::CsrfLayer;

type Body = Empty<bytes::Bytes>;

/// What both answer to a request of this method with a valid cookie and these fields.
fn answers(method: &Method, fields: &[(&'static str, &'static str)]) -> (StatusCode, StatusCode) {
    let issuer = TestIssuer::new().expect("a key");
    let token = issuer.token("alice").sign().expect("a token");
    let request = || {
        let mut request = Request::builder().method(method).header(COOKIE, format!("at={token}"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::new()).expect("a request");
        let proxies = TrustedProxies::new(["10.0.0.0/8"]).expect("a network");
        let resolver = ClientResolver::new(proxies, Family::XForwarded);
        let client = resolver.resolve(Some([10, 0, 0, 1].into()), request.headers());
        RequestContext::ensure(request.extensions_mut(), &Time::system()).set_client(client);
        request
    };
    let handler =
        service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::new())));
    let mut peer = CsrfLayer::new().layer(handler);
    let mut ours = AuthLayer::new(issuer.verifier()).cookie("at").layer(handler);
    let Ok(peer) = now(peer.call(request()));
    let Ok(ours) = now(ours.call(request()));
    (peer.status(), ours.status())
}

const PASSED: (StatusCode, StatusCode) = (StatusCode::OK, StatusCode::OK);
const REFUSED: (StatusCode, StatusCode) = (StatusCode::FORBIDDEN, StatusCode::FORBIDDEN);
/// By hardpoint only.
const REFUSED_BY_US: (StatusCode, StatusCode) = (StatusCode::OK, StatusCode::FORBIDDEN);

#[test]
fn both_judge_a_form_by_its_page() {
    for (site, origin, expected) in [
        ("same-origin", "https://api.example", PASSED),
        ("same-site", "https://evil.api.example", REFUSED),
        ("cross-site", "https://evil.example", REFUSED),
    ] {
        let fields = [("host", "api.example"), ("sec-fetch-site", site), ("origin", origin)];
        assert_eq!(answers(&Method::POST, &fields), expected, "{site}");
    }
}

/// Chromium sends these fields, and no `Sec-Fetch-Site`.
#[test]
fn tower_http_lets_every_site_open_a_websocket() {
    let (host, upgrade) = (("host", "api.example"), ("upgrade", "websocket"));
    let evil = [host, upgrade, ("origin", "https://evil.example")];
    assert_eq!(answers(&Method::GET, &evil), REFUSED_BY_US);
    let own = [host, upgrade, ("origin", "https://api.example")];
    assert_eq!(answers(&Method::GET, &own), PASSED);
}

#[test]
fn tower_http_lets_a_cookie_pass_without_any_evidence() {
    assert_eq!(answers(&Method::POST, &[("host", "api.example")]), REFUSED_BY_US);
}

#[test]
fn tower_http_reads_the_first_of_two_fields() {
    let fields = [
        ("host", "api.example"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "cross-site"),
    ];
    assert_eq!(answers(&Method::POST, &fields), REFUSED_BY_US);
}

#[test]
fn tower_http_lets_a_page_over_plain_http_pass() {
    let fields =
        [("host", "api.example"), ("x-forwarded-proto", "https"), ("origin", "http://api.example")];
    assert_eq!(answers(&Method::POST, &fields), REFUSED_BY_US);
}
