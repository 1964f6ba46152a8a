//! No secret of a request appears in the log or in a response.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use hardpoint::{
    Stack,
    core::{ClientResolver, Event, Telemetry},
    edge::{CatchPanicLayer, ClientLayer, ProblemLayer},
    observability::{
        RecordLayer,
        test::{Capture, LeakScanner},
    },
};
use hardpoint_testkit::http::{Client, serve};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tower::service_fn;

use super::{authentication, per_client};

const QUERY: &str = "canary-in-the-query";
const COOKIE: &str = "canary-in-a-cookie";
const HEADER: &str = "canary-in-a-header";
const PATH: &str = "canary-in-the-path";

#[tokio::test]
async fn no_secret_of_a_request_is_logged_or_answered() {
    let captured = Capture::start();
    let (auth, token) = authentication();
    let events = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&events);
    let telemetry = Telemetry::new(move |event: &Event<'_>| {
        seen.lock().unwrap().push_str(&format!("{event:?}\n"));
    });
    let stack = Stack::new()
        .telemetry(&telemetry)
        .layer(ClientLayer::new(ClientResolver::direct()))
        .layer(RecordLayer::new())
        .layer(ProblemLayer::new())
        .layer(CatchPanicLayer::new())
        .layer(per_client(4))
        .layer(auth);
    let server = serve(stack.service(service_fn(async |request: Request<Incoming>| {
        assert!(!request.uri().path().starts_with("/panic"), "a handler panics");
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("ok")))
    })))
    .await;
    let signature = token.expose().rsplit('.').next().unwrap().to_owned();
    // The access line names the subject on purpose; the encoded claims appear nowhere.
    let claims = token.expose().split('.').nth(1).unwrap().to_owned();
    let secrets = [signature.as_str(), claims.as_str(), QUERY, COOKIE, HEADER, PATH];
    let scanner = LeakScanner::new(secrets);
    let tampered = format!("{}x", token.expose());
    for (path, bearer) in [
        ("/ok", token.expose()),
        ("/panic", token.expose()),
        ("/ok", &tampered),
        ("/ok", ""),
        ("/ok", ""),
    ] {
        let request = Request::get(server.url(&format!("{path}/{PATH}?key={QUERY}")))
            .header("authorization", format!("Bearer {bearer}"))
            .header("cookie", format!("session={COOKIE}"))
            .header("x-api-key", HEADER);
        let reply = Client::new().request(request, "").await;
        let shown = format!("{:?} {}", reply.headers, reply.text());
        scanner.assert_clean("the answer", shown.as_bytes());
    }
    let lines = captured.lines();
    assert_eq!(lines.iter().filter(|line| line["message"] == "request").count(), 5);
    captured.assert_no_secret(secrets);
    let events = events.lock().unwrap();
    for kind in ["Limited", "TokenVerified"] {
        assert!(events.contains(kind), "{events}");
    }
    scanner.assert_clean("the events", events.as_bytes());
}
