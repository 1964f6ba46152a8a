//! The record of gRPC calls: the code decides, not the status 200.

use hardpoint_core::{Head, Problem, Refusals, Route};
use hardpoint_observability::RecordLayer;
use hardpoint_testkit::TestBody;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value as Json;

use crate::harness::Harness;

const METHOD: &str = "/pkg.Greeter/Greet";

fn call(path: &str) -> Request<TestBody> {
    Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(TestBody::default())
        .unwrap()
}

fn trailers(code: &str) -> HeaderMap {
    HeaderMap::from_iter([("grpc-status".parse().unwrap(), code.parse().unwrap())])
}

/// A message, then trailers with this code.
fn streamed(code: &str) -> Response<TestBody> {
    let body = TestBody::from("\0\0\0\0\0").trailers(trailers(code));
    Response::builder().header("content-type", "application/grpc").body(body).unwrap()
}

/// A head that is the whole response.
fn trailers_only(code: &str) -> Response<TestBody> {
    let mut response = Response::new(TestBody::default());
    *response.headers_mut() = trailers(code);
    response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    response
}

async fn line(layer: RecordLayer, path: &str, answer: fn() -> Response<TestBody>) -> Json {
    let harness = Harness::with(layer, "info");
    harness.spy.respond(move |_| Ok(answer()));
    harness.exchange(call(path)).await.unwrap();
    harness.access()
}

fn summary(line: &Json) -> (u64, u64, &str, &str, &str) {
    let number = |name: &str| line[name].as_u64().unwrap_or(99);
    let text = |name: &str| line[name].as_str().unwrap();
    (number("status"), number("grpc_status"), text("outcome"), text("level"), text("route"))
}

macro_rules! codes {
    ($($code:literal => $status:literal, $shown:literal, $outcome:literal, $level:literal, $only:expr);* $(;)?) => {
        /// Each code with what it means, and the route of an answer whose head has it: an
        /// interceptor may have sent it to a path that does not exist.
        #[tokio::test]
        async fn every_code_has_its_status_outcome_and_level() {
            $({
                let streamed = line(RecordLayer::new(), METHOD, || streamed($code)).await;
                assert_eq!(summary(&streamed), ($status, $shown, $outcome, $level, METHOD), $code);
                let head = line(RecordLayer::new(), METHOD, || trailers_only($code)).await;
                assert_eq!(summary(&head), ($status, $shown, $outcome, $level, $only), $code);
            })*
        }
    };
}

const NONE: &str = "unmatched";

codes! {
    "0" => 200, 0, "ok", "INFO", METHOD;
    "1" => 408, 1, "ok", "INFO", NONE;
    "2" => 500, 2, "failed", "ERROR", NONE;
    "3" => 400, 3, "ok", "INFO", NONE;
    "4" => 504, 4, "timed_out", "WARN", NONE;
    "5" => 404, 5, "ok", "INFO", METHOD;
    "7" => 403, 7, "ok", "INFO", NONE;
    "8" => 429, 8, "ok", "INFO", NONE;
    "12" => 404, 12, "ok", "INFO", NONE;
    "13" => 500, 13, "failed", "ERROR", METHOD;
    "14" => 503, 14, "failed", "ERROR", NONE;
    "15" => 500, 15, "failed", "ERROR", METHOD;
    "16" => 401, 16, "ok", "INFO", NONE;
    "banana" => 500, 2, "failed", "ERROR", NONE;
}

#[tokio::test]
async fn a_response_that_ends_without_a_code_has_failed_and_one_that_is_cut_is_aborted() {
    let missing = || {
        let body = TestBody::from("\0\0\0\0\0");
        Response::builder().header("content-type", "application/grpc").body(body).unwrap()
    };
    let seen = line(RecordLayer::new(), METHOD, missing).await;
    assert_eq!(summary(&seen), (500, 2, "failed", "ERROR", METHOD));

    let harness = Harness::new();
    harness.spy.respond(move |_| Ok(streamed("0")));
    let mut response = harness.call(call(METHOD)).await.unwrap();
    assert!(response.body_mut().frame().await.unwrap().unwrap().is_data());
    drop(response);
    assert_eq!(summary(&harness.access()), (200, 99, "aborted", "INFO", METHOD));
}

#[tokio::test]
async fn the_code_of_another_protocol_decides_nothing() {
    let json = || {
        let mut response = trailers_only("13");
        response.headers_mut().insert("content-type", "application/json".parse().unwrap());
        response
    };
    let web = || {
        let mut response = streamed("13");
        response.headers_mut().insert("content-type", "application/grpc-web".parse().unwrap());
        response
    };
    for answer in [json, web] {
        let seen = line(RecordLayer::new(), METHOD, answer).await;
        assert_eq!(summary(&seen), (200, 99, "ok", "INFO", NONE));
    }
    let broken = || {
        let mut response = trailers_only("0");
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    };
    let seen = line(RecordLayer::new(), METHOD, broken).await;
    assert_eq!((seen["status"].as_u64(), &seen["outcome"]), (Some(502), &"failed".into()));
}

#[tokio::test]
async fn a_client_cannot_make_a_route() {
    let harness = Harness::new();
    let routes = || {
        harness
            .lines()
            .iter()
            .map(|line| line["route"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    // Unknown methods, methods behind an interceptor, and rejections by a layer.
    let refused = |path: &str| {
        let refusals = Refusals::new().grpc();
        let request = call(path);
        let problem = Problem::from_status(StatusCode::INTERNAL_SERVER_ERROR);
        refusals
            .refuse::<TestBody>(&refusals.facts(Head::new(&request)), &problem)
            .map(|_| TestBody::default())
    };
    for (path, answer) in [
        ("/pkg.Greeter/Invented1", trailers_only("12")),
        ("/pkg.Greeter/Invented2", trailers_only("16")),
        ("/pkg.Greeter/Invented3", refused("/pkg.Greeter/Invented3")),
        ("/a/b/c", streamed("0")),
        (METHOD, refused(METHOD)),
        (METHOD, streamed("0")),
        (METHOD, refused(METHOD)),
        ("/pkg.Greeter/Invented4", trailers_only("12")),
    ] {
        let answer = std::sync::Mutex::new(Some(answer));
        harness.spy.respond(move |_| Ok(answer.lock().unwrap().take().unwrap()));
        harness.exchange(call(path)).await.unwrap();
    }
    assert_eq!(routes(), [NONE, NONE, NONE, NONE, NONE, METHOD, METHOD, NONE]);
}

#[tokio::test]
async fn a_declared_method_is_the_route_of_the_layers_inside_too() {
    let layer = || RecordLayer::new().grpc_methods([METHOD, "/pkg.Greeter/Other"]);
    let harness = Harness::with(layer(), "info");
    harness.spy.respond(|parts| {
        assert_eq!(Route::find(&parts.extensions), Some(Route::from_static(METHOD)));
        Ok(trailers_only("14"))
    });
    // Also without the content type: a client that leaves it out evades no limit.
    let mut request = call(METHOD);
    request.headers_mut().remove("content-type");
    harness.exchange(request).await.unwrap();
    assert_eq!(summary(&harness.access()), (503, 14, "failed", "ERROR", METHOD));

    // A learned method stays out of the context: a limit would start to match later.
    let harness = Harness::with(layer(), "info");
    harness.spy.respond(|parts| {
        assert_eq!(Route::find(&parts.extensions), None);
        Ok(streamed("0"))
    });
    for _ in 0..2 {
        harness.exchange(call("/pkg.Greeter/Learned")).await.unwrap();
    }
    let seen = harness.lines();
    assert!(seen.iter().all(|line| line["route"] == "/pkg.Greeter/Learned"), "{seen:?}");
}
