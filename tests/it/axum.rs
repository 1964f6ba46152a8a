//! The whole stack around an axum router, over HTTP/1.1 and HTTP/2.

use std::net::SocketAddr;

use axum::{
    Json, Router,
    body::Bytes,
    routing::{get, post},
};
use hardpoint::{
    Stack,
    auth::axum::Authenticated,
    core::{ClientResolver, Family, TrustedProxies},
    edge::{BodyLimitLayer, CatchPanicLayer, ClientLayer, ProblemLayer, SecurityHeadersLayer},
    health::{DrainLayer, Lifecycle, ProbeLayer},
    observability::RecordLayer,
};
use hardpoint_testkit::http::{Client, Reply};
use http::{Request, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;

use super::{authentication, per_client, per_subject};

/// A running service, and a token that it accepts.
struct Service {
    address: SocketAddr,
    token: String,
    lifecycle: Lifecycle,
}

async fn start(per_address: u32, per_user: u32) -> Service {
    let (auth, token) = authentication();
    let lifecycle = Lifecycle::builder().build().unwrap();
    let proxies = TrustedProxies::new(["127.0.0.1"]).unwrap();
    let stack = Stack::new()
        .layer(ProbeLayer::new(&lifecycle))
        .layer(DrainLayer::new(&lifecycle))
        .layer(ClientLayer::new(ClientResolver::new(proxies, Family::XForwarded)))
        .layer(RecordLayer::new())
        .layer(SecurityHeadersLayer::default())
        .layer(ProblemLayer::new())
        .layer(CatchPanicLayer::new())
        .layer(per_client(per_address))
        .layer(auth.optional())
        .layer(per_subject(per_user))
        .layer(BodyLimitLayer::new(1024).with_axum_body());
    let nested = Router::new()
        .route("/deep", get(async || "deep"))
        .fallback(async || (StatusCode::NOT_FOUND, "nested fallback"));
    let merged = Router::new().route("/merged", get(async || "merged"));
    let router = Router::new()
        .route("/who", get(async |user: Authenticated| user.subject().to_owned()))
        .route("/length", post(async |body: Bytes| body.len().to_string()))
        .route("/json", post(async |Json(value): Json<Value>| value.to_string()))
        .route("/panic", get(async || -> &'static str { panic!("a secret in a panic") }))
        .nest("/nested", nested)
        .merge(merged)
        .layer(stack);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(axum::serve(listener, service).into_future());
    lifecycle.started();
    Service { address, token: token.expose().to_owned(), lifecycle }
}

impl Service {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn get(&self, path: &str) -> Reply {
        Client::new().get(self.url(path)).await
    }
}

/// Every response has these, refusals included.
fn assert_hardened(reply: &Reply) {
    for header in ["x-request-id", "x-content-type-options", "content-security-policy"] {
        assert!(!reply.header(header).is_empty(), "{header} on {}", reply.status);
    }
}

fn assert_problem(reply: &Reply, status: StatusCode, code: &str) {
    assert_eq!(reply.status, status);
    assert_hardened(reply);
    assert_eq!(reply.header("content-type"), "application/problem+json");
    let body = reply.json();
    assert_eq!(body["code"], code);
    assert_eq!(body["status"], status.as_u16());
    assert_eq!(body["request_id"], reply.header("x-request-id"));
}

#[tokio::test]
async fn every_answer_is_hardened_and_every_error_is_a_problem() {
    let service = start(1_000, 1_000).await;
    assert_problem(&service.get("/who").await, StatusCode::UNAUTHORIZED, "unauthenticated");
    assert_problem(&service.get("/nowhere").await, StatusCode::NOT_FOUND, "not_found");
    assert_problem(
        &service.get("/json").await,
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
    );
    let panicked = service.get("/panic").await;
    assert_problem(&panicked, StatusCode::INTERNAL_SERVER_ERROR, "internal_error");
    assert!(!panicked.text().contains("secret"));

    let client = Client::new();
    let post =
        |path: &str| Request::post(service.url(path)).header("content-type", "application/json");
    let broken = client.request(post("/json"), "{").await;
    assert_problem(&broken, StatusCode::BAD_REQUEST, "bad_request");
    let large = client.request(post("/length"), vec![b'x'; 1025]).await;
    assert_problem(&large, StatusCode::PAYLOAD_TOO_LARGE, "body_too_large");
    let fitting = client.request(post("/length"), vec![b'x'; 1024]).await;
    assert_eq!((fitting.status, fitting.text()), (StatusCode::OK, "1024"));
    assert_hardened(&fitting);

    let bearer = format!("Bearer {}", service.token);
    let who = Request::get(service.url("/who")).header("authorization", bearer);
    assert_eq!(client.request(who, "").await.text(), "alice@example.org");
}

#[tokio::test]
async fn each_client_behind_the_proxy_has_its_own_limit_and_probes_have_none() {
    let service = start(3, 1_000).await;
    let client = Client::new();
    let ask = async |forwarded: &str| {
        let request = Request::post(service.url("/length")).header("x-forwarded-for", forwarded);
        client.request(request, "").await
    };
    for _ in 0..3 {
        assert_eq!(ask("203.0.113.9").await.status, StatusCode::OK);
    }
    assert_problem(&ask("203.0.113.9").await, StatusCode::TOO_MANY_REQUESTS, "rate_limited");
    assert_problem(
        &ask("6.6.6.6, 203.0.113.9").await,
        StatusCode::TOO_MANY_REQUESTS,
        "rate_limited",
    );
    assert_eq!(ask("203.0.113.10").await.status, StatusCode::OK);
    for _ in 0..10 {
        assert_eq!(service.get("/livez").await.status, StatusCode::OK);
        assert_eq!(service.get("/readyz").await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn unknown_merged_and_nested_paths_and_fallbacks_are_inside_the_limits() {
    for (path, status) in [
        ("/nowhere", StatusCode::NOT_FOUND),
        ("/merged", StatusCode::OK),
        ("/nested/deep", StatusCode::OK),
        ("/nested/nowhere", StatusCode::NOT_FOUND),
    ] {
        let service = start(2, 1_000).await;
        for _ in 0..2 {
            assert_eq!(service.get(path).await.status, status, "{path}");
        }
        let limited = service.get(path).await;
        assert_problem(&limited, StatusCode::TOO_MANY_REQUESTS, "rate_limited");
    }
}

#[tokio::test]
async fn a_subject_has_one_limit_wherever_it_comes_from() {
    let service = start(1_000, 2).await;
    let client = Client::new();
    let ask = async |from: &str| {
        let bearer = format!("Bearer {}", service.token);
        let request = Request::get(service.url("/who")).header("authorization", bearer);
        client.request(request.header("x-forwarded-for", from), "").await.status
    };
    assert_eq!(ask("203.0.113.1").await, StatusCode::OK);
    assert_eq!(ask("203.0.113.2").await, StatusCode::OK);
    assert_eq!(ask("203.0.113.3").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        service.get("/who").await.status,
        StatusCode::UNAUTHORIZED,
        "nobody has no such limit"
    );
}

#[tokio::test]
async fn a_service_that_drains_says_so_and_answers_still() {
    let service = start(1_000, 1_000).await;
    service.lifecycle.begin_drain();
    assert_eq!(service.get("/livez").await.status, StatusCode::OK);
    assert_eq!(service.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let reply = service.get("/who").await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(reply.header("connection"), "close");
}
