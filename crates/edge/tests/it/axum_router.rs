//! What axum answers by itself, under the layers.

use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, Path},
    routing::{get, post},
};
use hardpoint_edge::{BodyLimitLayer, CatchPanicLayer, ProblemLayer, SecurityHeadersLayer};
use hardpoint_testkit::TestBody;
use http::{Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;

use crate::{Reply, with_context};

fn app() -> Router {
    Router::new()
        .route("/notes", post(|Json(note): Json<Vec<String>>| async { Json(note) }))
        .route("/notes/{id}", get(|Path(id): Path<u32>| async move { id.to_string() }))
        .route("/text", post(|text: String| async { text }))
        .route("/panic", get(async || -> &'static str { panic!("of alice") }))
        .route("/own", get(|| async { (StatusCode::CONFLICT, Json("mine")) }))
        .route("/error", get(|| async { (StatusCode::BAD_GATEWAY, "db-3 is down") }))
        .layer(BodyLimitLayer::new(64))
        .layer(CatchPanicLayer::new())
        .layer(ProblemLayer::new())
        .layer(SecurityHeadersLayer::default())
}

async fn ask(app: Router, request: Request<Body>) -> Reply {
    let (request, _) = with_context(request);
    Reply::of(app.oneshot(request).await.unwrap()).await
}

fn json(body: impl Into<Body>) -> Request<Body> {
    let request = Request::post("/notes").header("content-type", "application/json");
    request.body(body.into()).unwrap()
}

fn bare(method: &str, path: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn every_error_that_axum_makes_is_a_problem() {
    let untyped = Request::post("/notes").body(Body::from("[]")).unwrap();
    let not_utf8 = Request::post("/text").body(Body::from(&b"\xff"[..])).unwrap();
    for (request, status, code) in [
        (bare("GET", "/nowhere"), 404, "not_found"),
        (bare("DELETE", "/notes"), 405, "method_not_allowed"),
        (bare("GET", "/notes/one"), 400, "bad_request"),
        (bare("GET", "/panic"), 500, "internal_error"),
        (bare("GET", "/error"), 502, "bad_gateway"),
        (json("[\"a\""), 400, "bad_request"),
        (json("[1]"), 422, "unprocessable"),
        (untyped, 415, "unsupported_media_type"),
        (not_utf8, 400, "bad_request"),
        (json(format!("[{:?}]", "x".repeat(64))), 413, "body_too_large"),
    ] {
        let about = format!("{} {}", request.method(), request.uri());
        let reply = ask(app(), request).await;
        assert_eq!(reply.status(), status, "{about}");
        let problem = reply.problem(code);
        assert_eq!(problem["request_id"], "r-4711", "{about}");
        assert_eq!(problem.get("detail"), None, "{about}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{about}");
    }
}

#[tokio::test]
async fn what_is_no_error_or_says_something_of_its_own_passes() {
    let reply = ask(app(), json("[\"a\"]")).await;
    assert_eq!((reply.status(), &reply.body[..]), (200, &b"[\"a\"]"[..]));
    let reply = ask(app(), bare("GET", "/own")).await;
    assert_eq!((reply.status(), &reply.body[..]), (409, &b"\"mine\""[..]));
    assert_eq!(reply.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let reply = ask(app(), bare("PUT", "/notes/1")).await;
    reply.problem("method_not_allowed");
    assert_eq!(reply.header("allow"), "GET,HEAD");
}

#[tokio::test]
async fn head_gets_the_headers_of_get() {
    for path in ["/nowhere", "/error", "/own", "/panic", "/notes"] {
        let get = ask(app(), bare("GET", path)).await;
        let head = ask(app(), bare("HEAD", path)).await;
        assert_eq!(head.status(), get.status(), "{path}");
        assert!(head.body.is_empty(), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"));
        // What a server adds to the answer to GET, where axum has not.
        let length = get.body.len().to_string();
        assert_eq!(head.header("content-length"), length, "{path}");
        assert!(["", &length].contains(&get.header("content-length")));
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_is_cut_and_answered_with_the_limit() {
    let endless = || {
        let body = (0..9).fold(TestBody::from("[\""), |body, _| body.data("0123456789"));
        Body::new(body.without_size())
    };
    // axum calls this a failure to read the body: 400.
    let reply = ask(app(), json(endless())).await;
    assert_eq!(reply.status(), 413);
    assert_eq!(reply.problem("body_too_large")["limit"], 64);

    // axum's own limit says the same, without the member.
    let app = app().layer(DefaultBodyLimit::max(16));
    let reply = ask(app, json(endless())).await;
    assert_eq!(reply.problem("body_too_large").get("limit"), None::<&Value>);
}
