use axum::{Router, body::Body, routing::get};
use hardpoint_core::Route;
use hardpoint_observability::{Logs, RecordLayer};
use http::Request;
use http_body_util::BodyExt;
use serde_json::Value as Json;
use tower::ServiceExt;

use crate::harness::capture;

fn app() -> Router {
    let orders = Router::new().route("/{id}/lines", get(async || "lines"));
    Router::new()
        .route("/users/{id}", get(async || "alice"))
        .nest("/orders", orders)
        .layer(RecordLayer::new())
}

async fn line(request: Request<Body>) -> Json {
    let (captured, _guard) = capture(Logs::json("orders").version("1.4.2").environment("test"));
    let answer = app().oneshot(request).await.unwrap();
    answer.into_body().collect().await.unwrap();
    let lines = captured.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    serde_json::from_str(&lines[0]).unwrap()
}

#[tokio::test]
async fn the_matched_path_is_the_route() {
    for (path, route, status) in [
        ("/users/7", "/users/{id}", 200),
        ("/orders/7/lines", "/orders/{id}/lines", 200),
        ("/nowhere/7", "unmatched", 404),
    ] {
        let line = line(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(line["route"], route);
        assert_eq!(line["status"], status);
        assert_eq!(line["outcome"], "ok");
        assert_eq!(line["bytes_in"], 0);
    }
}

#[tokio::test]
async fn a_route_that_was_supplied_goes_before_the_matched_path() {
    let mut request = Request::get("/users/7").body(Body::empty()).unwrap();
    let route = Route::from_static("/v1/users/{id}");
    request.extensions_mut().insert(route);
    assert_eq!(line(request).await["route"], "/v1/users/{id}");
}
