//! What clients choose, and what of it reaches the line.

use std::borrow::Cow;

use hardpoint_core::{RequestContext, Route};
use hardpoint_observability::Redactor;
use hardpoint_testkit::TestBody;
use http::{HeaderValue, Method, Response, header::USER_AGENT};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::harness::{Harness, get};

#[tokio::test]
async fn spans_around_the_layer_add_nothing_to_the_line() {
    let harness = Harness::new();
    let span = tracing::info_span!("connection", status = "forged", peer = 7);
    let _entered = span.enter();
    harness.exchange(get("/")).await.unwrap();
    let line = harness.access();
    assert_eq!((&line["status"], line.get("peer")), (&json!(200), None));
}

#[tokio::test]
async fn unknown_methods_share_one_label() {
    for (method, label) in [
        (Method::PATCH, "PATCH"),
        (Method::from_bytes(b"PROPFIND").unwrap(), "_OTHER"),
        (Method::from_bytes(b"get").unwrap(), "_OTHER"),
    ] {
        let harness = Harness::new();
        let mut request = get("/");
        *request.method_mut() = method;
        harness.exchange(request).await.unwrap();
        assert_eq!(harness.access()["method"], label);
    }
}

#[tokio::test]
async fn a_route_that_is_found_further_in_is_written() {
    let harness = Harness::new();
    harness.spy.respond(|parts| {
        let context = RequestContext::find(&parts.extensions).unwrap();
        assert!(context.set_route(Route::from_static("/orders/{id}")));
        Ok(Response::new(TestBody::default()))
    });
    harness.exchange(get("/orders/7")).await.unwrap();
    assert_eq!(harness.access()["route"], "/orders/{id}");
}

#[tokio::test]
async fn the_announced_length_of_a_request_is_its_size() {
    for (announced, size) in [("17", json!(17)), ("-1", Json::Null), ("x", Json::Null)] {
        let harness = Harness::new();
        let mut request = get("/");
        *request.body_mut() = TestBody::from("abc").without_size();
        let announced = HeaderValue::from_static(announced);
        request.headers_mut().insert("content-length", announced);
        harness.exchange(request).await.unwrap();
        assert_eq!(harness.access()["bytes_in"], size);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

proptest! {
    #[test]
    fn a_hostile_user_agent_or_method_is_only_text(
        agent in proptest::collection::vec(
            any::<u8>().prop_filter("allowed in a header", |byte| *byte >= 32 && *byte != 127 || *byte == 9),
            0..400,
        ),
        path in "(/[!-~&&[^#?\\\\\"<>{}|`^]]{0,20}){1,3}",
    ) {
        let harness = Harness::new();
        let Ok(uri) = path.parse::<http::Uri>() else { return Ok(()) };
        let mut request = get("/");
        *request.uri_mut() = uri;
        let value = HeaderValue::from_bytes(&agent).unwrap();
        request.headers_mut().insert(USER_AGENT, value);
        runtime().block_on(harness.exchange(request)).unwrap();
        let line = harness.access();
        let cut = &agent[..agent.len().min(256)];
        let cut = String::from_utf8_lossy(cut);
        if matches!(Redactor::new().redact(&cut), Cow::Borrowed(_)) {
            prop_assert_eq!(line["user_agent"].as_str().unwrap(), &*cut);
        }
        prop_assert_eq!(&line["route"], "unmatched");
        prop_assert_eq!(line.as_object().unwrap().len(), 20);
    }
}
