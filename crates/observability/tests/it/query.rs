//! The query and the correlation id of a request, which are logged by setting.

use hardpoint_core::RequestContext;
use hardpoint_observability::RecordLayer;
use http::HeaderValue;
use serde_json::{Value as Json, json};

use crate::harness::{Harness, get};

async fn line(layer: RecordLayer, uri: &str) -> Json {
    let harness = Harness::with(layer, "info");
    harness.exchange(get(uri)).await.unwrap();
    harness.access()
}

#[tokio::test]
async fn only_named_parameters_of_the_query_are_logged_and_secrets_in_them_are_redacted() {
    let uri = "/?page=2&token=abc123&by=ann%40example.org&q=the+quick+fox";
    assert_eq!(line(RecordLayer::new(), uri).await.get("query"), None);
    let layer = || RecordLayer::new().query(["page", "by"]);
    assert_eq!(line(layer(), uri).await["query"], "page=2&by=[redacted:email]&[redacted]");
    assert_eq!(line(layer(), "/?page=3").await["query"], "page=3");
    for none in ["/", "/?"] {
        assert_eq!(line(layer(), none).await.get("query"), None, "{none}");
    }
    // The name of a secret hides its value even where it is asked for.
    let careless = RecordLayer::new().query(["token"]);
    let query = line(careless, "/?token=correct-horse").await["query"].to_string();
    assert!(!query.contains("horse"), "{query}");
    // What a client writes does not leave the field.
    let hostile = line(layer(), "/?page=%22%2C%0A%1B%E2%80%AE").await;
    assert_eq!(hostile["query"], json!("page=\",\n\u{1b}\u{202e}"));
}

#[tokio::test]
async fn a_correlation_id_is_accepted_like_a_request_id_and_else_begins_with_it() {
    for (layer, sent, accepted) in [
        (RecordLayer::new().correlation_id().accept_ids(), &["order-7"][..], true),
        (RecordLayer::new().correlation_id(), &["order-7"], false),
        (RecordLayer::new().correlation_id().accept_ids(), &["order-7", "order-8"], false),
        (RecordLayer::new().correlation_id().accept_ids(), &["order 7"], false),
        (RecordLayer::new().correlation_id().accept_ids(), &[], false),
    ] {
        let harness = Harness::with(layer, "info");
        let mut request = get("/");
        for id in sent {
            request.headers_mut().append("x-correlation-id", HeaderValue::from_static(id));
        }
        harness.exchange(request).await.unwrap();
        let line = harness.access();
        let expected = if accepted { json!("order-7") } else { line["request_id"].clone() };
        assert_eq!(line["correlation_id"], expected, "{sent:?}");
        let seen = harness.spy.seen().remove(0);
        let headers: Vec<_> = seen.headers.get_all("x-correlation-id").iter().collect();
        assert_eq!(headers, [expected.as_str().unwrap()]);
        let context = RequestContext::find(&seen.extensions).unwrap();
        assert_eq!(context.correlation_id().unwrap().as_str(), expected.as_str().unwrap());
    }
    // Without the setting, the header is the application's.
    let harness = Harness::with(RecordLayer::new().accept_ids(), "info");
    let mut request = get("/");
    request.headers_mut().insert("x-correlation-id", HeaderValue::from_static("order-7"));
    harness.exchange(request).await.unwrap();
    assert_eq!(harness.access().get("correlation_id"), None);
    assert_eq!(harness.spy.seen().remove(0).headers["x-correlation-id"], "order-7");
}
