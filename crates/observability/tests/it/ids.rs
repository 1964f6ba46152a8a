use hardpoint_core::{
    ClientResolver, Family, RequestContext, RequestId, Time, TraceContext, TraceId, TrustedProxies,
};
use hardpoint_observability::RecordLayer;
use hardpoint_testkit::TestBody;
use http::{HeaderValue, Request, Response};

use crate::harness::{Harness, get};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A request with these lines of `x-request-id`, and a trace.
fn sent(ids: &[&str], peer: Option<&str>) -> Request<TestBody> {
    let mut request = get("/");
    for id in ids {
        let id = HeaderValue::from_str(id).unwrap();
        request.headers_mut().append("x-request-id", id);
    }
    let parent = HeaderValue::from_str(&format!("00-{TRACE}-00f067aa0ba902b7-01")).unwrap();
    request.headers_mut().insert("traceparent", parent);
    if let Some(peer) = peer {
        let trusted = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
        let client = ClientResolver::new(trusted, Family::XForwarded)
            .resolve(Some(peer.parse().unwrap()), request.headers());
        RequestContext::ensure(request.extensions_mut(), &Time::system()).set_client(client);
    }
    request
}

/// The request id and the trace id that a request got: everywhere the same.
async fn given(layer: RecordLayer, request: Request<TestBody>) -> (String, String) {
    let harness = Harness::with(layer, "info");
    let answer = harness.call(request).await.unwrap();
    let ids: Vec<_> = answer.headers().get_all("x-request-id").iter().collect();
    assert_eq!(ids.len(), 1);
    let id = ids[0].to_str().unwrap().to_owned();
    drop(answer);

    let seen = harness.spy.seen().remove(0);
    let in_request: Vec<_> = seen.headers.get_all("x-request-id").iter().collect();
    assert_eq!(in_request, [id.as_str()]);
    let context = RequestContext::find(&seen.extensions).unwrap();
    assert_eq!(context.request_id().map(RequestId::as_str), Some(id.as_str()));

    let line = harness.access();
    assert_eq!(line["request_id"], id.as_str());
    let trace = context.trace().unwrap().trace_id.to_string();
    assert_eq!(line["trace_id"], trace.as_str());
    (id, trace)
}

fn is_new(id: &str) -> bool {
    // UUID version 7, made when the harness's clock says.
    id.len() == 36 && id.starts_with("01a3185c-5000-7000-")
}

#[tokio::test]
async fn only_a_trusted_proxy_chooses_the_ids() {
    for (peer, taken) in [(Some("10.0.0.1"), true), (Some("203.0.113.9"), false), (None, false)] {
        let (id, trace) = given(RecordLayer::new(), sent(&["edge-1"], peer)).await;
        assert_eq!((id == "edge-1", is_new(&id)), (taken, !taken), "{peer:?} {id}");
        assert_eq!(trace == TRACE, taken, "{peer:?} {trace}");
    }
}

#[tokio::test]
async fn a_service_inside_takes_over_everybodys_ids() {
    let (id, trace) = given(RecordLayer::new().accept_ids(), sent(&["edge-1"], None)).await;
    assert_eq!((id.as_str(), trace.as_str()), ("edge-1", TRACE));
}

#[tokio::test]
async fn a_layer_that_replaces_ids_trusts_nobody() {
    let layer = RecordLayer::new().replace_ids();
    let (id, trace) = given(layer, sent(&["edge-1"], Some("10.0.0.1"))).await;
    assert!(is_new(&id) && trace != TRACE, "{id} {trace}");
}

#[tokio::test]
async fn ids_that_are_unsafe_or_several_are_replaced() {
    let long = "a".repeat(129);
    for ids in [
        &["a b"] as &[_],
        &["\""],
        &["{\"level\":1}"],
        &["a\tb"],
        &[""],
        &[long.as_str()],
        &["edge-1", "edge-2"],
        &["edge-1", "edge-1"],
        &[],
    ] {
        let (id, _) = given(RecordLayer::new().accept_ids(), sent(ids, None)).await;
        assert!(is_new(&id), "{ids:?} became {id}");
    }
}

#[tokio::test]
async fn a_trace_that_is_malformed_or_there_twice_is_replaced() {
    let mut twice = sent(&[], None);
    let parent = twice.headers()["traceparent"].clone();
    twice.headers_mut().append("traceparent", parent);
    let mut malformed = sent(&[], None);
    let parent = HeaderValue::from_static("00-xyz");
    malformed.headers_mut().insert("traceparent", parent);
    for mut request in [twice, malformed] {
        request.headers_mut().insert("tracestate", HeaderValue::from_static("a=1"));
        let headers = seen_headers(request.headers().clone()).await;
        assert!(!headers.contains_key("traceparent") && !headers.contains_key("tracestate"));
        let (_, trace) = given(RecordLayer::new().accept_ids(), request).await;
        assert!(trace.len() == 32 && trace != TRACE, "{trace}");
    }
}

#[tokio::test]
async fn the_callers_span_and_flags_are_kept_and_a_new_trace_has_none() {
    for (layer, parent) in [
        (RecordLayer::new().accept_ids(), Some("00f067aa0ba902b7")),
        (RecordLayer::new().replace_ids(), None),
    ] {
        let harness = Harness::with(layer, "info");
        drop(harness.call(sent(&[], None)).await.unwrap());
        let seen = harness.spy.seen().remove(0);
        let trace = RequestContext::find(&seen.extensions).unwrap().trace().unwrap();
        let found = trace.parent_id.map(|id| id.to_string());
        assert_eq!((found.as_deref(), trace.is_sampled()), (parent, true));
    }
}

#[tokio::test]
async fn ids_that_an_outer_layer_gave_are_kept() {
    let mut request = sent(&["edge-1"], None);
    let context = RequestContext::ensure(request.extensions_mut(), &Time::system());
    let outer = RequestId::from_header(&HeaderValue::from_static("outer")).unwrap();
    context.set_request_id(outer);
    context.set_trace(TraceContext::new(TraceId::from_bytes([7; 16]).unwrap(), None, 0));
    let (id, trace) = given(RecordLayer::new().accept_ids(), request).await;
    assert_eq!((id, trace), ("outer".into(), "07".repeat(16)));
}

#[tokio::test]
async fn no_two_requests_have_the_same_id() {
    let harness = Harness::new();
    let mut ids = std::collections::HashSet::new();
    for _ in 0..100 {
        let answer = harness.call(get("/")).await.unwrap();
        assert!(ids.insert(answer.headers()["x-request-id"].clone()));
    }
}

#[tokio::test]
async fn an_id_of_the_handlers_own_is_replaced_in_the_answer() {
    let harness = Harness::new();
    harness.spy.respond(|_| {
        let mut response = Response::new(TestBody::default());
        let id = HeaderValue::from_static("of-the-upstream");
        response.headers_mut().append("x-request-id", id);
        Ok(response)
    });
    let answer = harness.call(get("/")).await.unwrap();
    let ids: Vec<_> = answer.headers().get_all("x-request-id").iter().collect();
    assert_eq!(ids.len(), 1);
    assert_ne!(ids[0], "of-the-upstream");
}

#[tokio::test]
async fn a_strangers_trace_goes_no_further() {
    let layer = || RecordLayer::new().baggage(["a", "b"]);
    let trace = ["traceparent", "tracestate", "baggage"];
    for (layer, peer, passes) in [
        (layer(), Some("10.0.0.1"), true),
        (layer(), Some("203.0.113.9"), false),
        (layer(), None, false),
        (layer().accept_ids(), None, true),
        (layer().replace_ids(), Some("10.0.0.1"), false),
    ] {
        let harness = Harness::with(layer, "info");
        let mut request = sent(&["edge-1"], peer);
        for name in ["tracestate", "baggage"] {
            request.headers_mut().append(name, HeaderValue::from_static("a=1"));
            request.headers_mut().append(name, HeaderValue::from_static("b=2"));
        }
        drop(harness.call(request).await.unwrap());
        let seen = harness.spy.seen().remove(0);
        for name in trace {
            assert_eq!(seen.headers.contains_key(name), passes, "{name} of {peer:?}");
        }
    }
}

/// The headers that the handler of a service that accepts ids gets.
async fn seen_headers(headers: http::HeaderMap) -> http::HeaderMap {
    let harness = Harness::with(RecordLayer::new().accept_ids(), "info");
    let mut request = get("/");
    *request.headers_mut() = headers;
    drop(harness.call(request).await.unwrap());
    harness.spy.seen().remove(0).headers
}
