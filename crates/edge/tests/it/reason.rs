//! Why a request was rejected: in the log always, in the answer by setting.

use std::convert::Infallible;

use axum::{
    Json, Router,
    body::Body,
    extract::Path,
    routing::{get, post},
};
use hardpoint_edge::ProblemLayer;
use hardpoint_testkit::TestBody;
use http::{Request, Response};
use serde_json::Value;
use tower::{Layer, ServiceExt, service_fn};

use crate::{Reply, captured_logs};

#[derive(serde::Deserialize)]
struct Note {
    #[expect(dead_code, reason = "read by serde alone")]
    text: String,
}

fn app(explain: bool) -> Router {
    Router::new()
        .route("/notes", post(async |Json(_note): Json<Note>| "fine"))
        .route("/notes/{id}", get(async |Path(_id): Path<u64>| "fine"))
        .route("/failing", get(async || (http::StatusCode::BAD_GATEWAY, "db-3.internal is down")))
        .layer(ProblemLayer::new().explain(explain))
}

fn json(body: &'static str) -> Request<Body> {
    let request = Request::post("/notes").header("content-type", "application/json");
    request.body(Body::from(body)).unwrap()
}

async fn problem(app: Router, request: Request<Body>) -> (u16, Value) {
    let reply = Reply::of(app.oneshot(request).await.unwrap()).await;
    assert_eq!(reply.header("content-type"), "application/problem+json");
    (reply.status(), serde_json::from_slice(&reply.body).unwrap())
}

#[tokio::test]
async fn the_reason_is_always_logged_and_is_in_the_answer_by_setting() {
    let get = |path| Request::get(path).body(Body::empty()).unwrap();
    let no_type = Request::post("/notes").body(Body::from("{}")).unwrap();
    let cases = [
        (json(r#"{"txt":1}"#), 422, "missing field `text`"),
        (json(r#"{"text":4711}"#), 422, "invalid type: integer"),
        (json(r#"{"text":"#), 400, "EOF while parsing"),
        (json(""), 400, "EOF while parsing"),
        (no_type, 415, "Content-Type: application/json"),
        (get("/notes/alice"), 400, "Cannot parse"),
    ];
    for (request, status, reason) in cases {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1_000).await.unwrap();
        for explain in [false, true] {
            let (logs, _guard) = captured_logs();
            let request = Request::from_parts(parts.clone(), Body::from(body.clone()));
            let (found, problem) = problem(app(explain), request).await;
            assert_eq!(found, status, "{reason}");
            let detail = problem["detail"].as_str().unwrap_or_default();
            assert_eq!(detail.contains(reason), explain, "{detail}");
            let lines = logs.lines();
            assert!(lines.iter().any(|line| line.contains(reason)), "{reason} {lines:?}");
            assert!(lines.iter().all(|line| line.contains("DEBUG")));
            let all = lines.join("\n");
            assert!(!all.contains("4711") && !all.contains("alice"), "{all}");
        }
    }
}

#[tokio::test]
async fn the_text_of_a_failure_is_never_shown() {
    let (logs, _guard) = captured_logs();
    let request = Request::get("/failing").body(Body::empty()).unwrap();
    let (status, problem) = problem(app(true), request).await;
    assert_eq!((status, problem.get("detail")), (502, None));
    assert!(!logs.lines().join("").contains("db-3"));
}

#[tokio::test]
async fn a_text_that_is_not_there_is_not_waited_for_and_a_long_one_is_cut() {
    for (body, expected) in [
        (TestBody::default().pending().data("late"), None),
        (
            TestBody::default().data("one\r\n").data("\u{1b}[31mtwo"),
            Some("one   [31mtwo".to_owned()),
        ),
        (TestBody::default().data("x".repeat(5_000)), Some("x".repeat(1_024))),
        (TestBody::default(), None),
    ] {
        let service = ProblemLayer::new().explain(true).layer(service_fn(move |_: Request<()>| {
            let response = Response::builder().status(400).header("content-type", "text/plain");
            let response = response.body(body.clone());
            async move { Ok::<_, Infallible>(response.unwrap()) }
        }));
        let reply = Reply::of(service.oneshot(Request::new(())).await.unwrap()).await;
        let problem = reply.problem("bad_request");
        assert_eq!(problem.get("detail").and_then(Value::as_str), expected.as_deref());
    }
}
