//! Which headers a response has in the end.

use std::{convert::Infallible, sync::Arc};

use hardpoint_core::{ClientResolver, Family, Mono, Peer, RequestContext, Scheme, TrustedProxies};
use hardpoint_edge::{ClientLayer, SecurityHeaders, SecurityHeadersLayer};
use http::{HeaderMap, Request, Response, header::X_FRAME_OPTIONS};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

/// What the layer makes of a response with these headers.
async fn answered(
    layer: &SecurityHeadersLayer,
    request: Request<()>,
    own: &'static [(&str, &str)],
) -> HeaderMap {
    let inner = service_fn(|_: Request<()>| async {
        let mut response = Response::builder();
        for (name, value) in own {
            response = response.header(*name, *value);
        }
        response.status(418).body("short and stout")
    });
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 418);
    assert_eq!(*response.body(), "short and stout");
    response.headers().clone()
}

fn on(scheme: Scheme) -> Request<()> {
    let context = RequestContext::received_at(Mono::ZERO);
    let resolver = ClientResolver::direct().direct_scheme(scheme);
    assert!(context.set_client(resolver.resolve(None, &HeaderMap::new())));
    let mut request = Request::new(());
    request.extensions_mut().insert(Arc::new(context));
    request
}

#[tokio::test]
async fn every_response_has_the_headers_of_the_preset() {
    let headers = answered(&SecurityHeadersLayer::default(), on(Scheme::Https), &[]).await;
    for (name, value) in [
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("strict-transport-security", "max-age=31536000"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(headers.get(name).unwrap(), value, "{name}");
    }
    assert_eq!(headers.len(), 7);
}

#[tokio::test]
async fn transport_security_is_sent_only_where_the_scheme_is_known_to_be_https() {
    let layer = SecurityHeadersLayer::default();
    for (request, expected) in [
        (on(Scheme::Https), true),
        (on(Scheme::Http), false),
        (Request::new(()), false),
        // What the request says of itself proves nothing.
        (Request::get("https://a.example/").body(()).unwrap(), false),
    ] {
        let headers = answered(&layer, request, &[]).await;
        assert_eq!(headers.contains_key("strict-transport-security"), expected);
    }
}

#[tokio::test]
async fn the_scheme_is_what_a_trusted_proxy_says() {
    let trusted = TrustedProxies::new(["10.0.0.1"]).unwrap();
    let service = ServiceBuilder::new()
        .layer(ClientLayer::new(ClientResolver::new(trusted, Family::XForwarded)))
        .layer(SecurityHeadersLayer::default())
        .service(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) }));
    for (peer, expected) in [("10.0.0.1:1", true), ("203.0.113.9:1", false)] {
        let mut request = Request::get("/")
            .header("x-forwarded-for", "203.0.113.9")
            .header("x-forwarded-proto", "https")
            .body(())
            .unwrap();
        let peer = Peer::new(peer.parse().unwrap());
        request.extensions_mut().insert(peer);
        let response = service.clone().oneshot(request).await.unwrap();
        let sent = response.headers().contains_key("strict-transport-security");
        assert_eq!(sent, expected, "{peer:?}");
    }
}

#[tokio::test]
async fn the_handler_overrides_what_is_not_enforced() {
    const OWN: &[(&str, &str)] = &[
        ("x-frame-options", "SAMEORIGIN"),
        ("cache-control", "public, max-age=60"),
        ("server", "acme/1.2.3"),
        ("x-powered-by", "acme"),
        ("x-own", "1"),
    ];
    let headers = answered(&SecurityHeadersLayer::default(), Request::new(()), OWN).await;
    assert_eq!(headers["x-frame-options"], "SAMEORIGIN");
    assert_eq!(headers["cache-control"], "public, max-age=60");
    assert_eq!(headers["x-own"], "1");
    assert!(!headers.contains_key("server"));
    assert!(!headers.contains_key("x-powered-by"));

    let enforced = SecurityHeaders::api().enforce(X_FRAME_OPTIONS).unwrap();
    let layer = SecurityHeadersLayer::new(enforced);
    let headers = answered(&layer, Request::new(()), OWN).await;
    assert_eq!(headers["x-frame-options"], "DENY");
    assert_eq!(headers["cache-control"], "public, max-age=60");
}

#[tokio::test]
async fn a_layer_that_is_off_touches_nothing() {
    const OWN: &[(&str, &str)] = &[("server", "acme/1.2.3")];
    let headers = answered(&SecurityHeadersLayer::off(), on(Scheme::Https), OWN).await;
    assert_eq!(headers.len(), 1);
    assert_eq!(headers["server"], "acme/1.2.3");
}
