//! What probes answer, on both listeners.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use hardpoint_health::{Check, Lifecycle, ProbeLayer, Probes};
use hardpoint_testkit::TestBody;
use http::{
    Method, Request, Response, Version,
    header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER},
};
use http_body_util::{BodyExt, combinators::BoxBody};
use serde_json::json;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{
    Answer::Fail, Dependency, Seen, json, started, until, until_asked, until_asked_again,
};

type Boxed = Response<BoxBody<Bytes, Infallible>>;

/// Asks both the layer on the public listener and the service on the admin one.
async fn ask(lifecycle: &Lifecycle, method: &Method, path: &str) -> [Boxed; 2] {
    let request = || Request::builder().method(method).uri(path).body(()).unwrap();
    let forwarded = service_fn(async |_: Request<()>| {
        let mut response = Response::new(http_body_util::Full::new(Bytes::from("forwarded")));
        *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
        Ok::<_, Infallible>(response)
    });
    let public = ProbeLayer::new(lifecycle).layer(forwarded);
    let public = public.oneshot(request()).await.unwrap();
    let admin = Probes::new(lifecycle).oneshot(request()).await.unwrap();
    [public.map(BodyExt::boxed), admin.map(BodyExt::boxed)]
}

async fn expect(lifecycle: &Lifecycle, path: &str, status: u16, word: &str) {
    for response in ask(lifecycle, &Method::GET, path).await {
        assert_eq!(response.status(), status, "{path}");
        let headers = response.headers();
        assert_eq!(headers[CACHE_CONTROL], "no-store");
        let pass = status == 200;
        assert_eq!(headers.contains_key(RETRY_AFTER), !pass);
        let (content_type, member) = if pass {
            ("application/json", "status")
        } else {
            ("application/problem+json", "code")
        };
        assert_eq!(headers[CONTENT_TYPE], content_type);
        assert_eq!(json(response).await[member], word, "{path}");
    }
}

async fn startup(lifecycle: &Lifecycle) -> u16 {
    let [_, admin] = ask(lifecycle, &Method::GET, "/startupz").await;
    admin.status().as_u16()
}

#[tokio::test]
async fn probes_follow_the_life_of_the_service() {
    let (gate, other) = (Dependency::default(), Dependency::default());
    let checks = hardpoint_health::Checks::builder()
        .add_check(gate.check("gate").gates_readiness().fail_after(1))
        .add_check(other.check("other").fail_after(1))
        .build();
    let lifecycle = Lifecycle::builder().checks(checks.unwrap()).build().unwrap();

    expect(&lifecycle, "/livez", 200, "ok").await;
    expect(&lifecycle, "/readyz", 503, "starting").await;
    assert_eq!(startup(&lifecycle).await, 503);

    lifecycle.started();
    assert_eq!(startup(&lifecycle).await, 200);
    expect(&lifecycle, "/readyz", 503, "not_ready").await;
    until_asked(&gate, 2).await;
    until_asked(&other, 2).await;
    expect(&lifecycle, "/readyz", 200, "ok").await;

    other.will([Fail("refused"); 1_000]);
    until_asked_again(&other).await;
    expect(&lifecycle, "/readyz", 200, "degraded").await;
    gate.will([Fail("refused"); 1_000]);
    until_asked_again(&gate).await;
    expect(&lifecycle, "/readyz", 503, "not_ready").await;
    expect(&lifecycle, "/livez", 200, "ok").await;

    lifecycle.begin_drain();
    expect(&lifecycle, "/readyz", 503, "draining").await;
    expect(&lifecycle, "/livez", 200, "ok").await;
    assert_eq!(startup(&lifecycle).await, 200);
}

#[tokio::test]
async fn short_passes_are_short() {
    let lifecycle = started([], &Seen::default());
    for path in ["/livez", "/readyz"] {
        for response in ask(&lifecycle, &Method::GET, path).await {
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, r#"{"status":"ok"}"#);
        }
    }
}

#[tokio::test]
async fn head_gets_the_headers_and_no_body() {
    let lifecycle = Lifecycle::builder().build().unwrap();
    for path in ["/livez", "/readyz"] {
        let gets = ask(&lifecycle, &Method::GET, path).await;
        let heads = ask(&lifecycle, &Method::HEAD, path).await;
        for (get, head) in gets.into_iter().zip(heads) {
            assert_eq!(get.status(), head.status());
            assert_eq!(get.headers(), head.headers());
            let length = head.headers()[CONTENT_LENGTH].to_str().unwrap().to_owned();
            let body = get.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body.len().to_string(), length);
            assert_eq!(head.into_body().collect().await.unwrap().to_bytes(), "");
        }
    }
}

#[tokio::test]
async fn other_methods_are_problems_with_allow() {
    let lifecycle = started([], &Seen::default());
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        for path in ["/livez", "/readyz", "/startupz", "/health"] {
            let [public, admin] = ask(&lifecycle, &method, path).await;
            let mut responses = vec![admin];
            if path.ends_with('z') && path != "/startupz" {
                responses.push(public);
            } else {
                assert_eq!(public.status(), 418, "the admin's probes are not public");
            }
            for response in responses {
                assert_eq!(response.status(), 405);
                assert_eq!(response.headers()[ALLOW], "GET, HEAD");
                assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
                assert_eq!(json(response).await["code"], "method_not_allowed");
            }
        }
    }
}

#[tokio::test]
async fn every_other_path_is_forwarded_or_not_found() {
    let lifecycle = started([], &Seen::default());
    for path in ["/", "/livez/", "/LIVEZ", "/livezz", "/api/livez", "//livez", "/%6Civez"] {
        let [public, admin] = ask(&lifecycle, &Method::GET, path).await;
        assert_eq!(public.status(), 418, "{path}");
        assert_eq!(admin.status(), 404, "{path}");
        assert_eq!(
            json(admin).await,
            json!({
                "type": "urn:hardpoint:problem:not_found",
                "title": "There is nothing here",
                "status": 404,
                "code": "not_found",
            })
        );
    }
}

#[tokio::test]
async fn a_query_does_not_hide_a_probe() {
    let lifecycle = started([], &Seen::default());
    for response in ask(&lifecycle, &Method::GET, "/readyz?verbose=1").await {
        assert_eq!(response.status(), 200);
    }
}

#[tokio::test]
async fn a_layer_that_is_off_answers_nothing_itself() {
    let inner = service_fn(async |_: Request<TestBody>| {
        Ok::<_, Infallible>(Response::new(TestBody::default()))
    });
    let request = Request::post("/livez").body(TestBody::default()).unwrap();
    let response = ProbeLayer::off().layer(inner).oneshot(request).await;
    assert_eq!(response.unwrap().status(), 200);
}

#[tokio::test]
async fn probes_too_tell_clients_of_http_1_to_leave() {
    let lifecycle = started([], &Seen::default());
    let inner = service_fn(async |_: Request<TestBody>| {
        Ok::<_, Infallible>(Response::new(TestBody::default()))
    });
    let probe = ProbeLayer::new(&lifecycle).layer(inner);
    for (draining, version, leave) in [
        (false, Version::HTTP_11, false),
        (true, Version::HTTP_10, true),
        (true, Version::HTTP_11, true),
        (true, Version::HTTP_2, false),
    ] {
        if draining {
            lifecycle.begin_drain();
        }
        let request = Request::get("/livez").version(version);
        let request = request.body(TestBody::default()).unwrap();
        let response = probe.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers().contains_key(CONNECTION), leave);
    }
}

fn hourly(dependency: &Dependency) -> Check {
    let dependency = dependency.clone();
    Check::new("db", move || dependency.ask()).every(Duration::from_secs(3_600))
}

#[tokio::test]
async fn probes_read_memory_and_run_no_check() {
    let dependency = Dependency::default();
    let lifecycle = started([hourly(&dependency)], &Seen::default());
    until(&lifecycle, |report| report["checks"][0]["status"] == "up").await;
    let asked = dependency.times_asked();
    for _ in 0..1_000 {
        let _answers = ask(&lifecycle, &Method::GET, "/readyz").await;
        let _answers = ask(&lifecycle, &Method::GET, "/health").await;
    }
    assert_eq!(dependency.times_asked(), asked);
}
