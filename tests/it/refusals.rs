//! A service that has its own error envelope sets it in one place.

use std::net::SocketAddr;

use axum::{
    Json, Router,
    body::Bytes,
    routing::{get, post},
};
use hardpoint::{
    Stack,
    auth::{Scopes, axum::Authenticated},
    core::{Problem, Refusal, Refusals, axum::RejectionResponse},
    edge::{BodyLimitLayer, CatchPanicLayer, ProblemLayer},
};
use hardpoint_testkit::http::{Client, Reply};
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{authentication, per_client};

const ADMIN: Scopes = Scopes::from_static("admin");

/// `{"errors": {"body": [..]}}`, as the application's clients know it.
fn envelope(refusal: &Refusal<'_>) -> Response<Bytes> {
    let body = json!({ "errors": { "body": [refusal.problem().code()] } }).to_string();
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = refusal.problem().status();
    response
}

async fn administrate(user: Authenticated) -> Result<&'static str, RejectionResponse> {
    user.require(&ADMIN)?;
    Ok("done")
}

async fn taken() -> Result<(), Problem> {
    Err(Problem::new(StatusCode::CONFLICT, "name_taken", "The name is taken"))
}

async fn start(per_address: u32) -> (SocketAddr, String) {
    let (auth, token) = authentication();
    let stack = Stack::new()
        .refusals(&Refusals::new().renderer(envelope))
        .layer(ProblemLayer::new())
        .layer(CatchPanicLayer::new())
        .layer(per_client(per_address))
        .layer(auth.optional())
        .layer(BodyLimitLayer::new(16).with_axum_body());
    let router = Router::new()
        .route("/admin", get(administrate))
        .route("/taken", get(taken))
        .route("/json", post(async |Json(value): Json<Value>| value.to_string()))
        .route("/panic", get(async || -> &'static str { panic!("as asked") }))
        .layer(stack);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(axum::serve(listener, service).into_future());
    (address, token.expose().to_owned())
}

#[tokio::test]
async fn layers_extractors_fallbacks_and_panics_use_the_services_envelope() {
    let (address, token) = start(100).await;
    let url = |path: &str| format!("http://{address}{path}");
    let client = Client::new();
    let bearer = |token: &str| format!("Bearer {token}");
    let get = |path: &str| Request::get(url(path));
    let json = Request::post(url("/json")).header("content-type", "application/json");
    let large = Request::post(url("/json"));
    for (request, body, status, code) in [
        (get("/nowhere"), vec![], 404, "not_found"),
        (get("/json"), vec![], 405, "method_not_allowed"),
        (get("/admin"), vec![], 401, "unauthenticated"),
        (get("/admin").header("authorization", bearer("x")), vec![], 401, "invalid_token"),
        (get("/admin").header("authorization", bearer(&token)), vec![], 403, "insufficient_scope"),
        (get("/taken"), vec![], 409, "name_taken"),
        (get("/panic"), vec![], 500, "internal_error"),
        (json, b"{".to_vec(), 400, "bad_request"),
        (large, vec![b'x'; 17], 413, "body_too_large"),
    ] {
        let reply: Reply = client.request(request, body).await;
        assert_eq!(reply.status.as_u16(), status, "{code}");
        assert_eq!(reply.json(), json!({ "errors": { "body": [code] } }));
        assert_eq!(reply.header("cache-control"), "no-store");
        let challenged = reply.headers.contains_key("www-authenticate");
        assert_eq!(challenged, matches!(status, 401 | 403), "{code}");
    }
    let allow = client.request(Request::get(url("/json")), "").await;
    assert!(!allow.header("allow").is_empty(), "no renderer can lose the method that is allowed");

    let (address, _) = start(1).await;
    let first = client.get(format!("http://{address}/taken")).await;
    assert_eq!(first.status, StatusCode::CONFLICT);
    let limited = client.get(format!("http://{address}/taken")).await;
    assert_eq!(limited.json(), json!({ "errors": { "body": ["rate_limited"] } }));
    assert!(!limited.header("retry-after").is_empty());
}
