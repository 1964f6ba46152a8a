//! Which sites' scripts may read what.

use std::convert::Infallible;

use axum::{Router, routing::get};
use bytes::Bytes;
use hardpoint_edge::{
    BodyLimitLayer, CatchPanicLayer, CorsLayer, ProblemLayer,
    cors::{CorsLayerBuilder, Mistake},
};
use http::{HeaderName, Method, Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

use crate::Reply;

const APP: &str = "https://app.example";

fn request(method: Method, origin: Option<&str>) -> http::request::Builder {
    let request = Request::builder().method(method).uri("/");
    match origin {
        Some(origin) => request.header("origin", origin),
        None => request,
    }
}

async fn inner(request: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    let response = Response::builder().header("x-method", request.method().as_str());
    Ok(response.header("vary", "accept").body(Full::from("body")).unwrap())
}

async fn ask(layer: &CorsLayer, request: Request<()>) -> Reply {
    Reply::of(layer.layer(service_fn(inner)).oneshot(request).await.unwrap()).await
}

fn varies(reply: &Reply) -> Vec<String> {
    let lines = reply.head.headers.get_all("vary").iter();
    let names = lines.flat_map(|line| line.to_str().unwrap().split(','));
    names.map(|name| name.trim().to_ascii_lowercase()).collect()
}

#[tokio::test]
async fn an_allowed_origin_is_named_and_any_other_is_not() {
    let layer = CorsLayer::builder([APP, "https://*.preview.example"]).build().unwrap();
    for (origin, allowed) in [
        (Some(APP), true),
        (Some("https://pr-7.preview.example"), true),
        (Some("https://preview.example"), false),
        (Some("https://app.example.evil.example"), false),
        (Some("https://app.example:8443"), false),
        (Some("http://app.example"), false),
        (Some("HTTPS://APP.EXAMPLE"), false),
        (Some("null"), false),
        (Some(""), false),
        (None, false),
    ] {
        let reply = ask(&layer, request(Method::GET, origin).body(()).unwrap()).await;
        assert_eq!((reply.status(), &reply.body[..]), (200, &b"body"[..]), "{origin:?}");
        let expected = if allowed { origin.unwrap() } else { "" };
        assert_eq!(reply.header("access-control-allow-origin"), expected, "{origin:?}");
        assert_eq!(reply.header("access-control-allow-credentials"), "");
        assert!(varies(&reply).contains(&"origin".to_owned()), "{origin:?}");
        assert!(varies(&reply).contains(&"accept".to_owned()), "the handler's own is kept");
        assert_eq!(reply.header("access-control-expose-headers").is_empty(), !allowed);
    }
}

#[tokio::test]
async fn a_preflight_is_answered_here_and_other_options_are_not() {
    let layer = CorsLayer::builder([APP])
        .add_header(HeaderName::from_static("idempotency-key"))
        .credentials()
        .build()
        .unwrap();
    let asks = |origin| {
        request(Method::OPTIONS, Some(origin)).header("access-control-request-method", "PUT")
    };
    let reply = ask(&layer, asks(APP).body(()).unwrap()).await;
    assert_eq!((reply.status(), reply.header("x-method"), reply.body.len()), (200, "", 0));
    assert_eq!(reply.header("access-control-allow-origin"), APP);
    assert_eq!(reply.header("access-control-allow-credentials"), "true");
    assert_eq!(reply.header("access-control-max-age"), "600");
    assert!(reply.header("access-control-allow-methods").contains("PUT"));
    let headers = reply.header("access-control-allow-headers");
    assert_eq!(headers, "authorization,content-type,idempotency-key");
    assert!(varies(&reply).contains(&"access-control-request-headers".to_owned()));

    let reply = ask(&layer, asks("https://evil.example").body(()).unwrap()).await;
    assert_eq!(reply.header("access-control-allow-origin"), "");
    assert!(varies(&reply).contains(&"origin".to_owned()));

    // `OPTIONS` of a script, or of a client other than a browser.
    for (origin, allowed) in [(Some(APP), APP), (Some("https://evil.example"), ""), (None, "")] {
        let reply = ask(&layer, request(Method::OPTIONS, origin).body(()).unwrap()).await;
        assert_eq!(reply.header("x-method"), "OPTIONS");
        assert_eq!(reply.header("access-control-allow-origin"), allowed);
        let credentials = if allowed.is_empty() { "" } else { "true" };
        assert_eq!(reply.header("access-control-allow-credentials"), credentials);
        assert!(varies(&reply).contains(&"origin".to_owned()));
    }
}

#[tokio::test]
async fn names_that_others_expose_are_kept_and_none_is_listed_twice() {
    let exposing = service_fn(async |_request: Request<()>| {
        let response = Response::builder()
            .header("access-control-expose-headers", "X-Own, Retry-After")
            .header("access-control-expose-headers", "retry-after, x-ratelimit-limit");
        Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
    });
    let layer = CorsLayer::builder([APP]).expose(HeaderName::from_static("x-total")).build();
    let request = request(Method::GET, Some(APP)).body(()).unwrap();
    let reply = Reply::of(layer.unwrap().layer(exposing).oneshot(request).await.unwrap()).await;
    assert_eq!(
        reply.header("access-control-expose-headers"),
        "X-Own, Retry-After, x-ratelimit-limit, location, www-authenticate, ratelimit, \
         ratelimit-policy, x-request-id, x-total"
    );
    assert_eq!(reply.head.headers.get_all("access-control-expose-headers").iter().count(), 1);
}

#[tokio::test]
async fn every_mistake_is_reported_and_nothing_panics() {
    type Setting = fn(CorsLayerBuilder) -> CorsLayerBuilder;
    let plain: Setting = |builder| builder;
    let insecure = |value: &str| Mistake::InsecureOrigin { value: value.to_owned() };
    let cases: [(&[&str], Setting, &[Mistake]); 12] = [
        (&[APP], plain, &[]),
        (&[], plain, &[Mistake::NoOrigin]),
        (&["http://app.example"], plain, &[insecure("http://app.example")]),
        (&["http://localhost:5173"], plain, &[insecure("http://localhost:5173")]),
        (&["http://*.app.example"], plain, &[insecure("http://*.app.example")]),
        (&["null", "*"], plain, &[insecure("null"), insecure("*")]),
        (&["null", "*", "http://a.example"], CorsLayerBuilder::insecure_origins, &[]),
        (&["null"], |b| b.insecure_origins().credentials(), &[]),
        (&["*"], CorsLayerBuilder::credentials, &[Mistake::CredentialsForEveryone]),
        (&["*"], |b| b.insecure_origins().credentials(), &[Mistake::CredentialsForEveryone]),
        (&[APP], |b| b.any_origin().credentials(), &[Mistake::CredentialsForEveryone]),
        (&[], CorsLayerBuilder::any_origin, &[]),
    ];
    for (origins, setting, expected) in cases {
        let built = setting(CorsLayer::builder(origins.iter().copied())).build();
        let mistakes = built.as_ref().err().map_or(&[][..], |error| error.mistakes());
        assert_eq!(mistakes, expected, "{origins:?}");
        if let Ok(layer) = built {
            // tower-http panics here, for what it does not refuse.
            let _reply = ask(&layer, request(Method::GET, Some(APP)).body(()).unwrap()).await;
        }
    }
    let error = CorsLayer::builder(["https://a.example/", "ftp", "http://b.example"]).build();
    let text = error.unwrap_err().to_string();
    for part in ["`https://a.example`", "no scheme", "not encrypted"] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn everybody_may_read_what_is_public() {
    let layer = CorsLayer::builder(Vec::<String>::new()).any_origin().build().unwrap();
    for origin in [Some("https://any.example"), None] {
        let reply = ask(&layer, request(Method::GET, origin).body(()).unwrap()).await;
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        assert_eq!(reply.header("access-control-allow-credentials"), "");
        assert!(varies(&reply).contains(&"origin".to_owned()));
    }
}

#[tokio::test]
async fn a_layer_that_is_off_adds_nothing() {
    for method in [Method::GET, Method::OPTIONS] {
        let request = request(method.clone(), Some(APP))
            .header("access-control-request-method", "PUT")
            .body(())
            .unwrap();
        let reply = ask(&CorsLayer::off(), request).await;
        assert_eq!(reply.header("x-method"), method.as_str());
        assert_eq!((reply.header("access-control-allow-origin"), varies(&reply).len()), ("", 1));
    }
}

#[tokio::test]
async fn a_panic_and_every_refusal_can_be_read() {
    let stack = ServiceBuilder::new()
        .layer(CorsLayer::builder([APP]).build().unwrap())
        .layer(ProblemLayer::new())
        .layer(CatchPanicLayer::new())
        .layer(BodyLimitLayer::new(4));
    let app = Router::new()
        .route("/", get(async || "fine").post(async |_body: Bytes| "fine"))
        .route("/panic", get(async || -> String { panic!("on purpose") }))
        .layer(stack);
    for (method, path, body, status) in [
        (Method::GET, "/", "", StatusCode::OK),
        (Method::GET, "/panic", "", StatusCode::INTERNAL_SERVER_ERROR),
        (Method::GET, "/none", "", StatusCode::NOT_FOUND),
        (Method::PUT, "/", "", StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "/", "too long", StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let request = Request::builder().method(method).uri(path).header("origin", APP);
        let request = request.body(axum::body::Body::from(body)).unwrap();
        let reply = Reply::of(app.clone().oneshot(request).await.unwrap()).await;
        assert_eq!(reply.head.status, status);
        assert_eq!(reply.header("access-control-allow-origin"), APP, "{path}");
        assert!(varies(&reply).contains(&"origin".to_owned()), "{path}");
    }
}
