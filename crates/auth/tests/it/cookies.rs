//! Cookies, which browsers also send with requests that other sites cause.

use std::{convert::Infallible, net::IpAddr};

use hardpoint_auth::{Attempt, AuthLayer, Authenticator, Credential};
use hardpoint_core::{
    ClientResolver, Family, Identity, Origin, RequestContext, Time, TrustedProxies,
};
use hardpoint_testkit::TestBody;
use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, COOKIE},
};
use tower::{Layer, ServiceExt, service_fn};

use super::{pair, token};

/// A layer with a cookie and one trusted origin, and a request with a valid cookie.
fn setting() -> (AuthLayer, Request<TestBody>) {
    let (issuer, layer) = pair();
    let cookie = format!("theme=dark; __Host-session={}", token(&issuer, "").expose());
    let layer = layer
        .cookie("__Host-session")
        .add_trusted_origin(Origin::parse("https://app.example").unwrap());
    let request = Request::post("/").header(COOKIE, cookie).header("host", "api.example");
    (layer, request.body(TestBody::default()).unwrap())
}

fn with(request: &Request<TestBody>, fields: &[(&'static str, &str)]) -> Request<TestBody> {
    let mut request = request.clone();
    for (name, value) in fields {
        let value = HeaderValue::from_bytes(&latin1(value)).unwrap();
        request.headers_mut().append(*name, value);
    }
    request
}

/// One byte for each character.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect()
}

async fn status(layer: &AuthLayer, request: Request<TestBody>) -> StatusCode {
    let handler = service_fn(async |_: Request<TestBody>| {
        Ok::<_, Infallible>(Response::new(TestBody::default()))
    });
    layer.layer(handler).oneshot(request).await.unwrap().status()
}

/// What browsers send with a `POST` to `api.example`, by the page that causes it.
#[tokio::test]
async fn a_cookie_counts_only_if_the_browser_shows_that_the_page_may_use_it() {
    let (layer, request) = setting();
    for (fields, expected) in [
        // Today's browsers.
        (&[("sec-fetch-site", "same-origin"), ("origin", "https://api.example")][..], 200),
        (&[("sec-fetch-site", "same-origin"), ("origin", "null")], 200),
        (&[("sec-fetch-site", "same-origin")], 200),
        (&[("sec-fetch-site", "none")], 200),
        (&[("sec-fetch-site", "same-site"), ("origin", "https://app.example")], 200),
        (&[("sec-fetch-site", "cross-site"), ("origin", "https://app.example")], 200),
        (&[("sec-fetch-site", "same-site"), ("origin", "https://evil.api.example")], 403),
        (&[("sec-fetch-site", "same-site"), ("origin", "http://api.example")], 403),
        (&[("sec-fetch-site", "same-site"), ("origin", "https://api.example:8443")], 403),
        (&[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")], 403),
        (&[("sec-fetch-site", "cross-site"), ("origin", "https://api.example")], 403),
        (&[("sec-fetch-site", "cross-site"), ("origin", "null")], 403),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "Same-Origin")], 403),
        (&[("sec-fetch-site", "")], 403),
        // Browsers before Fetch Metadata, and pages over plain http.
        (&[("origin", "https://api.example")], 200),
        (&[("origin", "http://api.example")], 200),
        (&[("origin", "https://app.example")], 200),
        (&[("origin", "http://app.example")], 403),
        (&[("origin", "https://app.example.evil.example")], 403),
        (&[("origin", "https://api.example:8443")], 403),
        (&[("origin", "https://api.example.evil.example")], 403),
        (&[("origin", "https://user@api.example")], 403),
        (&[("origin", "null")], 403),
        (&[("origin", "")], 403),
        (&[("origin", "api.example")], 403),
        (&[("origin", "ftp://api.example")], 403),
        (&[("origin", "https://\u{e9}")], 403),
        // No browser, or a proxy that removed both.
        (&[], 403),
        // What no browser sends.
        (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-origin")], 403),
        (&[("origin", "https://app.example"), ("origin", "https://evil.example")], 403),
        (&[("sec-fetch-site", "none"), ("origin", "null"), ("origin", "null")], 403),
    ] {
        let got = status(&layer, with(&request, fields)).await;
        assert_eq!(got.as_u16(), expected, "{fields:?}");
    }
}

#[tokio::test]
async fn methods_that_change_nothing_pass_and_websockets_do_not() {
    let (layer, request) = setting();
    let evil = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
    let own = [("sec-fetch-site", "same-origin"), ("origin", "https://api.example")];
    let upgrade = ("upgrade", "websocket");
    for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT"] {
        let mut request = request.clone();
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        let is_safe = matches!(method, "GET" | "HEAD" | "OPTIONS");
        let expected = if is_safe { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(status(&layer, with(&request, &evil)).await, expected, "{method}");
        assert_eq!(status(&layer, with(&request, &[])).await, expected, "{method}");
        assert_eq!(status(&layer, with(&request, &own)).await, StatusCode::OK, "{method}");
        let upgrading = |fields| with(&with(&request, fields), &[upgrade]);
        assert_eq!(status(&layer, upgrading(&evil)).await, StatusCode::FORBIDDEN, "{method}");
        assert_eq!(status(&layer, upgrading(&[])).await, StatusCode::FORBIDDEN, "{method}");
        assert_eq!(status(&layer, upgrading(&own)).await, StatusCode::OK, "{method}");
    }
}

#[tokio::test]
async fn bearer_tokens_are_not_checked_and_an_optional_layer_checks_cookies() {
    let (layer, request) = setting();
    let evil = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
    assert_eq!(status(&layer.clone().optional(), with(&request, &evil)).await, 403);

    // A script needs a CORS permission to send this field, and then sends it knowingly.
    let mut bearer = request.clone();
    let cookie = bearer.headers_mut().remove(COOKIE).unwrap();
    let token = cookie.to_str().unwrap().rsplit_once('=').unwrap().1;
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    bearer.headers_mut().insert(AUTHORIZATION, value);
    assert_eq!(status(&layer, with(&bearer, &evil)).await, 200);

    // A cookie of another name is not a credential.
    let mut other = request;
    other.headers_mut().insert(COOKIE, HeaderValue::from_static("theme=dark"));
    assert_eq!(status(&layer.optional(), with(&other, &evil)).await, 200);
}

/// A request as it comes from a proxy that ends TLS.
fn forwarded(request: &Request<TestBody>, host: &str, scheme: &str) -> Request<TestBody> {
    let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
    let resolver = ClientResolver::new(proxies, Family::XForwarded);
    let mut request = with(request, &[("x-forwarded-host", host), ("x-forwarded-proto", scheme)]);
    let proxy: IpAddr = [10, 0, 0, 1].into();
    let client = resolver.resolve(Some(proxy), request.headers());
    RequestContext::ensure(request.extensions_mut(), &Time::system()).set_client(client);
    request
}

#[tokio::test]
async fn behind_a_proxy_the_host_and_the_scheme_are_those_that_the_client_used() {
    let (layer, mut request) = setting();
    request.headers_mut().insert("host", HeaderValue::from_static("10.1.2.3:8080"));
    for (host, scheme, origin, expected) in [
        ("api.example", "https", "https://api.example", 200),
        ("API.example", "https", "https://api.example", 200),
        ("api.example:443", "https", "https://api.example", 200),
        ("api.example:8443", "https", "https://api.example:8443", 200),
        ("api.example:80", "http", "http://api.example", 200),
        // Someone on the network path may have written this page.
        ("api.example", "https", "http://api.example", 403),
        ("api.example:80", "https", "https://api.example", 403),
        ("api.example", "https", "https://10.1.2.3:8080", 403),
        ("evil.example", "https", "https://api.example", 403),
    ] {
        let request = with(&forwarded(&request, host, scheme), &[("origin", origin)]);
        let got = status(&layer, request).await;
        assert_eq!(got.as_u16(), expected, "{host} {scheme} {origin}");
    }
}

#[tokio::test]
async fn a_proxy_that_changes_the_host_needs_the_own_origin_as_a_trusted_one() {
    let (layer, mut request) = setting();
    request.headers_mut().insert("host", HeaderValue::from_static("backend:8080"));
    let own = [("origin", "https://api.example")];
    assert_eq!(status(&layer, with(&request, &own)).await, 403);
    let layer = layer.add_trusted_origin(Origin::parse("https://api.example").unwrap());
    assert_eq!(status(&layer, with(&request, &own)).await, 200);
}

#[tokio::test]
async fn the_host_must_be_that_of_the_origin_with_its_port() {
    let (layer, mut request) = setting();
    let tenants = Origin::parse("https://*.tenants.example").unwrap();
    let layer = layer.add_trusted_origin(tenants);
    for (host, origin, expected) in [
        ("[2001:db8::1]:8443", "https://[2001:db8::1]:8443", 200),
        ("[2001:db8::1]", "https://[2001:db8::2]", 403),
        ("api.example.", "https://api.example", 403),
        ("localhost:3000", "http://localhost:3000", 200),
        ("localhost:3000", "http://localhost:5173", 403),
        ("api.example", "https://a.tenants.example", 200),
        ("api.example", "https://tenants.example", 403),
    ] {
        request.headers_mut().insert("host", HeaderValue::from_static(host));
        let got = status(&layer, with(&request, &[("origin", origin)])).await;
        assert_eq!(got.as_u16(), expected, "{host} {origin}");
    }
    // A repeated `Host` is ambiguous.
    request.headers_mut().insert("host", HeaderValue::from_static("api.example"));
    let twice = [("host", "api.example"), ("origin", "https://api.example")];
    assert_eq!(status(&layer, with(&request, &twice)).await, 403);
}

/// Accepts every credential.
struct Sessions {
    scheme: &'static str,
    field: Option<HeaderName>,
}

impl Authenticator for Sessions {
    fn authenticate(&self, _credential: Credential<'_>) -> Attempt {
        Attempt::Now(Ok(Identity::from_subject("alice")))
    }

    fn scheme(&self) -> &'static str {
        self.scheme
    }

    fn header(&self) -> Option<HeaderName> {
        self.field.clone()
    }
}

#[tokio::test]
async fn cookie_fields_and_schemes_that_browsers_remember_are_checked() {
    let post = |name: &str, value: &str| {
        let request = Request::post("/").header("host", "api.example").header(name, value);
        request.body(TestBody::default()).unwrap()
    };
    let evil = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
    let own = [("sec-fetch-site", "same-origin"), ("origin", "https://api.example")];

    let layer = AuthLayer::new(Sessions { scheme: "Cookie", field: Some(COOKIE) });
    let request = post("cookie", "id=1");
    assert_eq!(status(&layer, with(&request, &evil)).await, 403);
    assert_eq!(status(&layer, with(&request, &[])).await, 403);
    assert_eq!(status(&layer, with(&request, &own)).await, 200);

    for (scheme, of_others) in
        [("Basic", 403), ("Digest", 403), ("Negotiate", 403), ("NTLM", 403), ("ApiKey", 200)]
    {
        let layer = AuthLayer::new(Sessions { scheme, field: None });
        let request = post("authorization", &format!("{} eDp5", scheme.to_lowercase()));
        let got = status(&layer, with(&request, &evil)).await;
        assert_eq!(got.as_u16(), of_others, "{scheme}");
        assert_eq!(status(&layer, with(&request, &own)).await, 200, "{scheme}");
        // A program that is not a browser.
        assert_eq!(status(&layer, with(&request, &[])).await, 200, "{scheme}");
    }
}

#[tokio::test]
async fn other_upgrades_than_to_a_websocket_pass() {
    let (layer, mut request) = setting();
    *request.method_mut() = Method::GET;
    let link = ("sec-fetch-site", "cross-site");
    for (upgrade, expected) in
        [("h2c", 200), ("WebSocket", 403), ("h2c, websocket", 403), ("websocket2", 200)]
    {
        let got = status(&layer, with(&request, &[link, ("upgrade", upgrade)])).await;
        assert_eq!(got.as_u16(), expected, "{upgrade}");
    }
}

#[tokio::test]
async fn http_2_has_the_host_in_the_authority() {
    let (layer, mut request) = setting();
    *request.uri_mut() = "https://other.example/notes".parse().unwrap();
    assert_eq!(status(&layer, with(&request, &[("origin", "https://other.example")])).await, 200);
    assert_eq!(status(&layer, with(&request, &[("origin", "https://api.example")])).await, 403);
    assert_eq!(status(&layer, with(&request, &[("origin", "http://other.example")])).await, 403);
    request.headers_mut().remove("host");
    *request.uri_mut() = "https://api.example/notes".parse().unwrap();
    assert_eq!(status(&layer, with(&request, &[("origin", "https://api.example")])).await, 200);
    assert_eq!(status(&layer, with(&request, &[("origin", "https://evil.example")])).await, 403);
    *request.uri_mut() = "/notes".parse().unwrap();
    assert_eq!(status(&layer, with(&request, &[("origin", "https://api.example")])).await, 403);
}
