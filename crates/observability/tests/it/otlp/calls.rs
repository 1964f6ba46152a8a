//! The spans of outgoing calls.

use std::sync::Arc;

use hardpoint_core::RequestContext;
use hardpoint_observability::{OutgoingLayer, RecordLayer, otlp::Otlp, outgoing::AllowedHosts};
use hardpoint_testkit::{
    TestBody,
    spy::{Spy, SpyError},
};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode as Code};
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;

use super::{
    PATIENCE,
    collector::{Collector, Protocol},
    signals::{hex, pairs},
    start,
};

const URI: &str = "https://user:secret@inventory.internal:8443/items/7?token=secret";

/// Sends a request whose handler makes a call that is answered with 503. Returns what the call had.
async fn request_with_call(otlp: &Otlp, exports_calls: bool) -> HeaderMap {
    let (spy, handle) = Spy::new();
    handle.respond(|_| {
        let mut response = Response::new(TestBody::default());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        Ok(response)
    });
    let hosts = AllowedHosts::new(["inventory.internal"]).unwrap();
    let outgoing = OutgoingLayer::new("inventory", hosts);
    let outgoing = if exports_calls { outgoing.otlp(otlp) } else { outgoing };
    let client = outgoing.layer(spy);
    let handler = service_fn(move |request: Request<TestBody>| {
        let client = client.clone();
        async move {
            let context = Arc::clone(RequestContext::find(request.extensions()).unwrap());
            let call = Request::post(URI).extension(context).body(TestBody::default()).unwrap();
            client.oneshot(call).await?;
            Ok::<_, SpyError>(Response::new(TestBody::default()))
        }
    });
    let service = RecordLayer::new().otlp(otlp).layer(handler);
    let response = service.oneshot(Request::new(TestBody::default())).await.unwrap();
    let _read = response.into_body().collect().await.unwrap();
    assert!(otlp.flush(PATIENCE).await);
    handle.seen().pop().expect("one call").headers
}

fn of_kind(spans: &[Span], kind: SpanKind) -> Vec<&Span> {
    spans.iter().filter(|span| span.kind() == kind).collect()
}

/// The trace and the span that the callee continues.
fn continued(headers: &HeaderMap) -> (String, String) {
    let value = headers["traceparent"].to_str().unwrap();
    let parts: Vec<_> = value.split('-').collect();
    (parts[1].to_owned(), parts[2].to_owned())
}

#[tokio::test]
async fn a_call_is_a_client_span_below_its_request_and_above_the_callee() {
    let collector = Collector::start(Protocol::Http);
    let otlp = start(&collector, &[]);
    let headers = request_with_call(&otlp, true).await;
    collector.received(|received| {
        let server = of_kind(&received.spans, SpanKind::Server)[0];
        let [client] = of_kind(&received.spans, SpanKind::Client)[..] else { panic!("one call") };
        assert_eq!(client.trace_id, server.trace_id);
        assert_eq!(client.parent_span_id, server.span_id);
        assert_eq!(continued(&headers), (hex(&client.trace_id), hex(&client.span_id)));
        assert_eq!(client.name, "POST inventory");
        assert!(client.start_time_unix_nano <= client.end_time_unix_nano);
        assert_eq!(client.status.as_ref().map(|status| status.code()), Some(Code::Error));
        let pairs = pairs(&client.attributes);
        for (key, value) in [
            ("http.request.method", "POST"),
            ("http.response.status_code", "503"),
            ("error.type", "503"),
            ("peer.service", "inventory"),
            ("server.address", "inventory.internal"),
            ("server.port", "8443"),
            ("url.full", "https://inventory.internal:8443/items/7"),
        ] {
            assert_eq!(pairs.get(key).map(String::as_str), Some(value), "{key}");
        }
        assert!(!format!("{client:?}").contains("secret"));
    });
}

#[tokio::test]
async fn without_a_span_of_the_call_the_callee_continues_from_the_request() {
    let collector = Collector::start(Protocol::Http);
    let otlp = start(&collector, &[]);
    let headers = request_with_call(&otlp, false).await;
    collector.received(|received| {
        let [server] = received.spans.as_slice() else { panic!("{:?}", received.spans) };
        assert_eq!(continued(&headers), (hex(&server.trace_id), hex(&server.span_id)));
    });
}

#[tokio::test]
async fn a_call_of_a_request_that_is_not_sampled_has_no_span() {
    let collector = Collector::start(Protocol::Http);
    let otlp = start(&collector, &[("OTEL_TRACES_SAMPLER", "always_off")]);
    let headers = request_with_call(&otlp, true).await;
    assert!(headers["traceparent"].to_str().unwrap().ends_with("-02"), "{headers:?}");
    collector.received(|received| assert!(received.spans.is_empty()));
}
