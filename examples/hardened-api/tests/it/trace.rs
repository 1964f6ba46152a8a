//! The service of the W3C's test suite for Trace Context.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::Request, routing::post};
use base64::{Engine, engine::general_purpose::STANDARD};
use hardpoint::auth::SigningKey;
use hardpoint_testkit::http::{Client, Process, Reply};
use http::HeaderMap;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{Service, program};

const TRACE: &str = "12345678901234567890123456789012";

/// A service that keeps what it is called with.
async fn callee() -> (String, Arc<Mutex<Vec<HeaderMap>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let keep = move |request: Request| {
        kept.lock().unwrap().push(request.headers().clone());
        async { "null" }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, Router::new().route("/", post(keep))).into_future());
    (format!("http://{address}/"), seen)
}

async fn ask(service: &Service, calls: &Value) -> Reply {
    let request = http::Request::post(format!("{}/test", service.admin))
        .header("content-type", "application/json")
        .header("traceparent", format!("00-{TRACE}-1234567890123456-01"))
        .header("tracestate", "foo=1")
        .header("tracestate", "bar=2");
    Client::new().request(request, calls.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_continues_the_trace_of_the_request() {
    let service = Service::start(&[]).await;
    let (url, seen) = callee().await;
    let reply = ask(&service, &json!([{ "url": url, "arguments": [] }, { "url": url }])).await;
    assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());

    let seen = seen.lock().unwrap();
    let parents: Vec<_> = seen
        .iter()
        .map(|headers| {
            assert_eq!(headers["tracestate"], "foo=1,bar=2");
            let value = headers["traceparent"].to_str().unwrap();
            let (trace, parent) = value.strip_prefix("00-").unwrap().split_once('-').unwrap();
            assert_eq!(trace, TRACE);
            parent.to_owned()
        })
        .collect();
    assert!(parents.len() == 2 && parents[0] != parents[1], "{parents:?}");
    assert!(!parents.iter().any(|parent| parent.starts_with("1234567890123456")), "{parents:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_host_is_called() {
    let service = Service::start(&[]).await;
    let (url, seen) = callee().await;
    for stranger in ["http://localhost:1/", "http://169.254.169.254/latest/meta-data", "file:///x"]
    {
        let reply = ask(&service, &json!([{ "url": url }, { "url": stranger }])).await;
        assert_eq!(reply.status.as_u16(), 400, "{stranger}");
    }
    assert!(seen.lock().unwrap().is_empty(), "a call was made before all were checked");
}

#[tokio::test(flavor = "multi_thread")]
async fn production_does_not_have_it() {
    let key = SigningKey::generate_pem().unwrap();
    let mut root = [0; 32];
    getrandom::fill(&mut root).unwrap();
    let root = STANDARD.encode(root);
    let mut program = program(&[
        ("HARDPOINT_ENV", "prod"),
        ("JWT_SIGNING_KEY", key.expose()),
        ("HARDPOINT_ROOT_SECRET", &root),
    ]);
    let service = Service::of(Process::spawn(&mut program)).await;
    let url = format!("{}/test", service.admin);
    let reply = Client::new().post_json(url, &json!([])).await;
    assert_eq!(reply.status.as_u16(), 404);
}
