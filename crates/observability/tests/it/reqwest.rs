//! Calls that reqwest sends.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::Request as AxumRequest, routing::any};
use bytes::Bytes;
use hardpoint_core::{Event, RequestContext, Telemetry, event::Ending};
use hardpoint_observability::{
    OutgoingLayer, RecordLayer,
    outgoing::{AllowedHosts, reqwest::ReqwestClient},
};
use hardpoint_testkit::{TestBody, http::serve};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use tower::{BoxError, ServiceExt, service_fn};
use tower_layer::Layer;

const TRACE: &str = "12345678901234567890123456789012";

/// Answers 418 with the body of the request, and keeps its headers.
fn callee(seen: &Arc<Mutex<Vec<HeaderMap>>>) -> Router {
    let seen = Arc::clone(seen);
    Router::new().fallback(any(move |request: AxumRequest| {
        seen.lock().unwrap().push(request.headers().clone());
        async { (StatusCode::IM_A_TEAPOT, request.into_body()) }
    }))
}

#[tokio::test]
async fn a_call_by_reqwest_continues_the_trace_at_allowed_hosts_and_is_measured() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let server = serve(callee(&seen)).await;
    let calls = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&calls);
    let telemetry = Telemetry::new(move |event: &Event<'_>| {
        if let Event::CallEnded(call) = event {
            let destination = call.destination.to_owned();
            kept.lock().unwrap().push((destination, call.status, call.ending));
        }
    });
    let reqwest = reqwest::Client::new();
    for (host, passed_on) in [("127.0.0.1", true), ("inventory.internal", false)] {
        let layer = OutgoingLayer::new("inventory", AllowedHosts::new([host]).unwrap());
        let client = layer.telemetry(&telemetry).layer(ReqwestClient::new(reqwest.clone()));
        let (url, reqwest) = (server.url("/items?page=2"), reqwest.clone());
        let service =
            RecordLayer::new().accept_ids().layer(service_fn(move |request: Request<TestBody>| {
                let (client, url, reqwest) = (client.clone(), url.clone(), reqwest.clone());
                async move {
                    let call = reqwest.post(url).body("hello").build()?;
                    let mut call = Request::<reqwest::Body>::try_from(call)?;
                    let context = RequestContext::find(request.extensions()).unwrap();
                    call.extensions_mut().insert(Arc::clone(context));
                    let response = client.oneshot(call).await?;
                    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
                    let text = reqwest::Response::from(response).text().await?;
                    assert_eq!(text, "hello");
                    Ok::<_, BoxError>(Response::new(TestBody::default()))
                }
            }));
        let mut request = Request::new(TestBody::default());
        let parent = format!("00-{TRACE}-1234567890123456-01");
        request.headers_mut().insert("traceparent", HeaderValue::from_str(&parent).unwrap());
        request.headers_mut().insert("x-request-id", HeaderValue::from_static("r-1"));
        service.oneshot(request).await.unwrap();
        let headers = seen.lock().unwrap().pop().unwrap();
        if passed_on {
            assert_eq!(headers["x-request-id"], "r-1");
            let sent = headers["traceparent"].to_str().unwrap();
            assert!(sent.contains(TRACE) && !sent.contains("1234567890123456-"), "{sent}");
        } else {
            assert!(!headers.contains_key("traceparent") && !headers.contains_key("x-request-id"));
        }
    }
    let call = ("inventory".to_owned(), Some(418), Ending::Known(hardpoint_core::Outcome::Failed));
    assert_eq!(*calls.lock().unwrap(), [call.clone(), call]);
}

#[tokio::test]
async fn what_reqwest_does_not_send_is_its_error() {
    let client = ReqwestClient::new(reqwest::Client::new());
    let relative = Request::get("/items").body(Bytes::new()).unwrap();
    assert!(client.clone().oneshot(relative).await.unwrap_err().is_builder());
    let closed = "http://127.0.0.1:1/items";
    let error = client.oneshot(Request::get(closed).body("").unwrap()).await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
}
