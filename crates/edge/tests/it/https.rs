//! Clients that use plain HTTP.

use std::convert::Infallible;

use hardpoint_core::{ClientResolver, Family, Outcome, Peer, Refusals, Scheme, TrustedProxies};
use hardpoint_edge::{ClientLayer, HttpsLayer, https::ConfigError};
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};

use crate::Reply;

fn behind_proxies() -> ClientResolver {
    ClientResolver::new(TrustedProxies::new(["10.0.0.0/8"]).unwrap(), Family::XForwarded)
}

fn https() -> HttpsLayer {
    HttpsLayer::new(["api.example", "www.example"]).unwrap()
}

/// A request of this client with these header fields.
async fn ask(
    resolver: ClientResolver,
    layer: &HttpsLayer,
    (method, uri): (&str, &str),
    peer: [u8; 4],
    headers: &[(&str, &str)],
) -> Reply {
    let inner = service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(Full::<bytes::Bytes>::from("fine")))
    });
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.extension(Peer::new((peer, 9).into())).body(()).unwrap();
    let service = ClientLayer::new(resolver).layer(layer.layer(inner));
    Reply::of(service.oneshot(request).await.unwrap()).await
}

const PROXY: [u8; 4] = [10, 0, 0, 1];
const STRANGER: [u8; 4] = [198, 51, 100, 7];
const HOST: (&str, &str) = ("host", "api.example");
const HTTP: (&str, &str) = ("x-forwarded-proto", "http");

#[tokio::test]
async fn a_client_over_plain_http_is_sent_to_https() {
    for (method, uri, host, location) in [
        ("GET", "/notes?page=2&q=%20", "api.example", "https://api.example/notes?page=2&q=%20"),
        ("HEAD", "/", "WWW.example:8080", "https://www.example/"),
        ("GET", "//evil.example", "api.example.", "https://api.example//evil.example"),
    ] {
        let headers = [HTTP, ("host", host)];
        let reply = ask(behind_proxies(), &https(), (method, uri), PROXY, &headers).await;
        assert_eq!((reply.status(), reply.header("location")), (308, location));
        assert_eq!(reply.header("cache-control"), "no-store");
        assert!(reply.body.is_empty() && reply.outcome().is_none(), "it is not a refusal");
    }
    // HTTP/2 sends the host in the target.
    let target = ("GET", "http://api.example/notes");
    let reply = ask(behind_proxies(), &https(), target, PROXY, &[HTTP]).await;
    assert_eq!(reply.header("location"), "https://api.example/notes");
}

#[tokio::test]
async fn what_may_not_be_sent_again_and_what_leaks_a_credential_is_refused() {
    for (method, headers) in [
        ("POST", &[HTTP, HOST][..]),
        ("OPTIONS", &[HTTP, HOST]),
        ("GET", &[HTTP, HOST, ("authorization", "Bearer x")]),
        ("GET", &[HTTP, HOST, ("x-api-key", "acme_live_x")]),
        ("GET", &[HTTP, ("host", "evil.example")]),
        ("GET", &[HTTP, ("x-forwarded-host", "evil.example"), HOST]),
        ("GET", &[HTTP]),
    ] {
        let reply = ask(behind_proxies(), &https(), (method, "/notes"), PROXY, headers).await;
        assert_eq!((reply.status(), reply.header("location")), (403, ""), "{method} {headers:?}");
        assert_eq!(reply.outcome(), Some(Outcome::Rejected));
        let problem: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(problem["code"], "https_required");
    }
    let keys = https().add_credential(http::HeaderName::from_static("x-acme-key"));
    let headers = [HTTP, HOST, ("x-acme-key", "x")];
    assert_eq!(ask(behind_proxies(), &keys, ("GET", "/"), PROXY, &headers).await.status(), 403);
    assert_eq!(ask(behind_proxies(), &https(), ("GET", "/"), PROXY, &headers).await.status(), 308);
    let grpc = https().refusals(&Refusals::new().grpc());
    let headers = [HTTP, HOST, ("content-type", "application/grpc")];
    let reply = ask(behind_proxies(), &grpc, ("POST", "/pkg.Service/Call"), PROXY, &headers).await;
    assert_eq!((reply.status(), reply.header("grpc-status")), (200, "7"));
}

#[tokio::test]
async fn a_scheme_that_no_trusted_proxy_reports_causes_no_redirect() {
    for (peer, headers) in [
        (PROXY, &[HOST, ("x-forwarded-proto", "https")][..]),
        (PROXY, &[HOST]),
        (STRANGER, &[HOST, HTTP]),
        (STRANGER, &[HOST]),
    ] {
        let reply = ask(behind_proxies(), &https(), ("GET", "/"), peer, headers).await;
        assert_eq!(reply.status(), 200, "{headers:?}");
    }
    // A service that listens on port 80 itself knows.
    for (scheme, status) in [(Scheme::Http, 308), (Scheme::Https, 200)] {
        let resolver = ClientResolver::direct().direct_scheme(scheme);
        let reply = ask(resolver, &https(), ("GET", "/"), STRANGER, &[HOST]).await;
        assert_eq!(reply.status(), status);
    }
    let off = ask(behind_proxies(), &HttpsLayer::off(), ("GET", "/"), PROXY, &[HTTP, HOST]).await;
    assert_eq!(off.status(), 200);
}

#[test]
fn a_host_that_is_none_is_refused_with_a_remedy() {
    for text in ["https://api.example", "api.example:443", "*.example", "", "user@api.example"] {
        let error = HttpsLayer::new([text]).unwrap_err();
        assert_eq!(error, ConfigError::Host(text.to_owned()));
        assert!(error.to_string().contains("such as api.example"), "{error}");
    }
    let none: [&str; 0] = [];
    assert_eq!(HttpsLayer::new(none).unwrap_err(), ConfigError::NoHost);
}
