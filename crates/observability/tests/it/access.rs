use std::{
    convert::Infallible,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll},
};

use hardpoint_core::{
    ClientResolver, Head, HeadFacts, Identity, Outcome, Problem, Refusals, Replacement,
    RequestContext, Route, Time,
};
use hardpoint_observability::RecordLayer;
use hardpoint_testkit::{TestBody, leak::LeakScanner, spy::SpyError};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header::USER_AGENT};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use serde_json::{Value as Json, json};
use tower::{Service, ServiceExt, service_fn};
use tower_layer::Layer;

use crate::harness::{Harness, get};

fn status(harness: &Harness, status: StatusCode) {
    harness.spy.respond(move |_| {
        let mut response = Response::new(TestBody::from("x"));
        *response.status_mut() = status;
        Ok(response)
    });
}

fn ending(line: &Json) -> (&str, &str) {
    let text = |name: &str| line[name].as_str().unwrap();
    (text("outcome"), text("level"))
}

#[tokio::test]
async fn one_line_says_how_a_request_went() {
    let harness = Harness::new();
    let twin = harness.clock.clone();
    harness.spy.respond(move |parts| {
        twin.advance(std::time::Duration::from_micros(1_234));
        let context = RequestContext::find(&parts.extensions).unwrap();
        context.set_identity(Identity::from_subject("alice"));
        context.note("tenant", "acme \"x\"");
        context.note("plan", "gold");
        Ok(Response::new(TestBody::from("hello")))
    });
    let mut request = get("/orders/7?token=secret");
    *request.method_mut() = Method::POST;
    *request.body_mut() = TestBody::from("abc");
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static("curl/8"));
    let context = RequestContext::ensure(request.extensions_mut(), &Time::manual(&harness.clock));
    let peer: IpAddr = "2001:db8::7".parse().unwrap();
    context.set_client(ClientResolver::direct().resolve(Some(peer), &HeaderMap::new()));
    request.extensions_mut().insert(Route::from_static("/orders/{id}"));

    let answer = harness.call(request).await.unwrap();
    assert_eq!(harness.lines(), Vec::<Json>::new(), "not before its end");
    harness.advance(5);
    let id = answer.headers()["x-request-id"].clone();
    let body = answer.into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "hello");

    let mut line = harness.access();
    assert_eq!(line["request_id"], id.to_str().unwrap());
    assert_eq!(line["trace_id"].as_str().unwrap().len(), 32);
    let fields = line.as_object_mut().unwrap();
    fields.remove("request_id");
    fields.remove("trace_id");
    assert_eq!(
        line,
        json!({
            "timestamp": "2027-01-15T08:00:00.006234Z",
            "level": "INFO",
            "message": "request",
            "target": "hardpoint::access",
            "service": "orders",
            "version": "1.4.2",
            "environment": "test",
            "method": "POST",
            "route": "/orders/{id}",
            "status": 200,
            "outcome": "ok",
            "duration_ms": 6.234,
            "ttfb_ms": 1.234,
            "bytes_in": 3,
            "bytes_out": 5,
            "client": "2001:db8::7",
            "subject": "alice",
            "user_agent": "curl/8",
            "notes": { "tenant": "acme \"x\"", "plan": "gold" },
        })
    );
}

#[tokio::test]
async fn what_is_not_known_is_null_and_what_few_requests_have_is_absent() {
    let harness = Harness::new();
    let mut request = get("/");
    *request.body_mut() = TestBody::from("abc").without_size();
    harness.exchange(request).await.unwrap();
    let line = harness.access();
    for name in ["bytes_in", "client", "subject", "user_agent"] {
        assert_eq!(line.get(name), Some(&Json::Null), "{name}");
    }
    for name in ["correlation_id", "error", "grpc_status", "notes", "query", "unlogged"] {
        assert_eq!(line.get(name), None, "{name}");
    }
    assert_eq!(line["route"], "unmatched");
}

#[tokio::test]
async fn the_status_tells_the_outcome() {
    for (answer, outcome, level) in [
        (StatusCode::OK, "ok", "INFO"),
        (StatusCode::NOT_FOUND, "ok", "INFO"),
        (StatusCode::INTERNAL_SERVER_ERROR, "failed", "ERROR"),
        (StatusCode::SERVICE_UNAVAILABLE, "failed", "ERROR"),
    ] {
        let harness = Harness::new();
        status(&harness, answer);
        harness.exchange(get("/")).await.unwrap();
        let line = harness.access();
        assert_eq!(line["status"], answer.as_u16());
        assert_eq!(ending(&line), (outcome, level), "{answer}");
    }
}

#[tokio::test]
async fn a_refusal_is_recorded_with_its_own_status_also_where_the_wire_says_200() {
    for refusals in [Refusals::new(), Refusals::new().grpc()] {
        let harness = Harness::new();
        harness.spy.respond(move |parts| {
            let problem = Problem::from_status(StatusCode::UNAUTHORIZED);
            let facts = refusals.facts(Head::from_parts(parts));
            Ok(refusals.refuse::<TestBody>(&facts, &problem).map(|_| TestBody::default()))
        });
        harness.exchange(get("/")).await.unwrap();
        let line = harness.access();
        assert_eq!(line["status"], 401);
        assert_eq!(ending(&line), ("rejected", "INFO"));
    }
}

#[tokio::test]
async fn the_outcome_of_a_refusal_wins_over_the_status() {
    for (left, outcome, level) in [
        (Outcome::Failed, "failed", "ERROR"),
        (Outcome::Panicked, "panicked", "ERROR"),
        (Outcome::Rejected, "rejected", "INFO"),
        (Outcome::Shed, "shed", "WARN"),
        (Outcome::TimedOut, "timed_out", "WARN"),
    ] {
        let harness = Harness::new();
        harness.spy.respond(move |parts| {
            let problem = Problem::from_status(StatusCode::SERVICE_UNAVAILABLE).outcome(left);
            let refusals = Refusals::new();
            let facts = refusals.facts(Head::from_parts(parts));
            Ok(refusals.refuse::<TestBody>(&facts, &problem).map(|_| TestBody::default()))
        });
        harness.exchange(get("/")).await.unwrap();
        assert_eq!(ending(&harness.access()), (outcome, level));
    }
}

/// The server sends a refusal in place of what the service returned.
#[tokio::test]
async fn a_response_that_the_server_replaces_is_recorded_as_it_was_sent() {
    for fails in [false, true] {
        let harness = Harness::new();
        harness.spy.respond(move |parts| {
            let problem = Problem::from_status(StatusCode::REQUEST_TIMEOUT);
            let sent = Refusals::new().refuse::<TestBody>(&HeadFacts::default(), &problem);
            assert!(Replacement::find(&parts.extensions).unwrap().set(&sent));
            let mut response = Response::new(TestBody::from("the body could not be read"));
            *response.status_mut() = StatusCode::BAD_REQUEST;
            if fails { Err(SpyError::new(1)) } else { Ok(response) }
        });
        let mut request = get("/");
        *request.body_mut() = TestBody::from("x");
        request.extensions_mut().insert(Replacement::default());
        drop(harness.call(request).await);
        let line = harness.access();
        assert_eq!((&line["status"], ending(&line)), (&json!(408), ("rejected", "INFO")));
        let problem = Problem::from_status(StatusCode::REQUEST_TIMEOUT);
        let sent = Refusals::new().refuse::<TestBody>(&HeadFacts::default(), &problem);
        assert_eq!(line["bytes_out"], json!(sent.body().size_hint().exact()));
    }
    // A client that has left gets nothing, and the others their response.
    for set in [true, false] {
        let harness = Harness::new();
        let replacement = Replacement::default();
        let mut request = get("/");
        *request.body_mut() = TestBody::from("x");
        request.extensions_mut().insert(replacement.clone());
        if set {
            let problem = Problem::from_status(StatusCode::REQUEST_TIMEOUT);
            replacement.set(&Refusals::new().refuse::<TestBody>(&HeadFacts::default(), &problem));
            let mut service = harness.service();
            ServiceExt::<Request<TestBody>>::ready(&mut service).await.unwrap();
            drop(service.call(request));
        } else {
            drop(harness.call(request).await);
        }
        let expected = if set { json!(null) } else { json!(200) };
        assert_eq!(harness.access()["status"], expected);
    }
}

#[tokio::test]
async fn a_body_that_a_layer_cuts_after_the_head_was_sent_is_rejected() {
    let harness = Harness::new();
    harness.spy.respond(|parts| {
        let context = RequestContext::find(&parts.extensions).unwrap();
        assert!(context.set_body_outcome(Outcome::Rejected));
        Ok(Response::new(TestBody::from("half")))
    });
    harness.exchange(get("/")).await.unwrap();
    assert_eq!(ending(&harness.access()), ("rejected", "INFO"));
}

#[test]
fn a_field_called_notes_on_any_other_line_is_text_and_a_forged_one_cannot_break_the_line() {
    let harness = Harness::new();
    tracing::info!(notes = r#"{"a":1}"#, "not an access line");
    tracing::info!(target: "hardpoint::access", notes = %r#"{"a":1},"level":"forged"#, "forged");
    let lines = harness.lines();
    assert_eq!(lines[0]["notes"], r#"{"a":1}"#);
    assert_eq!((&lines[1]["level"], lines[1]["notes"].is_string()), (&json!("INFO"), true));
    tracing::info!(target: "hardpoint::access", notes = %"{\n\"a\":1}", "split");
    assert_eq!(harness.lines().len(), 3, "a note cannot split a line");
}

#[tokio::test]
async fn notes_are_escaped_like_any_other_value() {
    let harness = Harness::new();
    let hostile = "a\u{9b}31m\u{202e}\u{2028}\"\\";
    harness.spy.respond(move |parts| {
        let context = RequestContext::find(&parts.extensions).unwrap();
        assert!(context.note("tenant", hostile));
        Ok(Response::new(TestBody::default()))
    });
    harness.exchange(get("/")).await.unwrap();
    let raw = harness.logs.lines().remove(0);
    assert!(raw.is_ascii(), "{raw}");
    assert_eq!(harness.access()["notes"]["tenant"], hostile);
}

#[tokio::test]
async fn an_error_of_the_inner_service_is_failed_and_has_no_status() {
    let harness = Harness::new();
    harness.spy.respond(|_| Err(SpyError::new(4)));
    let error = harness.exchange(get("/")).await.err();
    assert_eq!(error, Some(SpyError::new(4)));
    let line = harness.access();
    assert_eq!(ending(&line), ("failed", "ERROR"));
    assert_eq!((&line["status"], &line["ttfb_ms"]), (&Json::Null, &Json::Null));
}

#[tokio::test]
async fn a_body_that_fails_is_failed_with_the_status_that_was_sent() {
    let harness = Harness::new();
    harness.body(TestBody::from("half").error(SpyError::new(4)).without_size());
    assert!(harness.exchange(get("/")).await.is_err());
    let line = harness.access();
    assert_eq!(ending(&line), ("failed", "ERROR"));
    assert_eq!((&line["status"], &line["bytes_out"]), (&json!(200), &json!(4)));
    assert_eq!(line["error"], "spy error 4");
}

#[tokio::test]
async fn the_text_of_an_error_is_bounded_redacted_and_on_one_line() {
    let long = format!(
        "upstream said: password=hunter2hunter2\nfor alice@example.org {}",
        "\u{e9}".repeat(500)
    );
    let service = RecordLayer::new().layer(service_fn(move |_: Request<TestBody>| {
        let error = std::io::Error::other(long.clone());
        async move { Err::<Response<TestBody>, _>(error) }
    }));
    let harness = Harness::new();
    assert!(service.oneshot(get("/")).await.is_err());
    let error = harness.access()["error"].as_str().unwrap().to_owned();
    assert!(error.starts_with("upstream said: "), "{error}");
    assert!(error.len() <= 300 && !error.contains("alice@"), "{error}");
    assert_eq!(harness.logs.lines().len(), 1);
}

#[tokio::test]
async fn a_stream_is_counted_and_keeps_its_trailers() {
    let harness = Harness::new();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let stream = TestBody::default().data("hel").pending().data("lo!");
    harness.body(stream.trailers(trailers.clone()).without_size());

    let mut body = harness.call(get("/")).await.unwrap().into_body();
    for expected in ["hel", "lo!"] {
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), expected);
        assert_eq!(harness.lines(), Vec::<Json>::new());
        harness.advance(10);
    }
    let last = body.frame().await.unwrap().unwrap();
    assert_eq!(last.into_trailers().unwrap(), trailers);
    // Whoever reads it may not ask for more: the line is there, and not a second time.
    assert_eq!(ending(&harness.access()), ("ok", "INFO"));
    assert!(body.frame().await.is_none());
    drop(body);
    let line = harness.access();
    assert_eq!((&line["bytes_out"], &line["duration_ms"]), (&json!(6), &json!(20.0)));
}

#[tokio::test]
async fn an_answer_without_content_is_whole_though_nobody_reads_it() {
    for (method, answer) in [
        (Method::HEAD, StatusCode::OK),
        (Method::GET, StatusCode::NO_CONTENT),
        (Method::GET, StatusCode::NOT_MODIFIED),
    ] {
        let harness = Harness::new();
        status(&harness, answer);
        let mut request = get("/");
        *request.method_mut() = method.clone();
        drop(harness.call(request).await.unwrap());
        let line = harness.access();
        assert_eq!(ending(&line), ("ok", "INFO"), "{method} {answer}");
        assert_eq!(line["bytes_out"], 0);
    }
    for empty in [TestBody::default(), TestBody::default().without_size()] {
        let harness = Harness::new();
        harness.body(empty);
        let body = harness.call(get("/")).await.unwrap().into_body();
        assert!(body.is_end_stream());
        drop(body);
        assert_eq!(ending(&harness.access()), ("ok", "INFO"));
    }
}

/// Tells neither its size nor its end beforehand.
struct Quiet(Option<&'static [u8]>);

impl Body for Quiet {
    type Data = &'static [u8];
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Infallible>>> {
        Poll::Ready(self.0.take().map(|data| Ok(Frame::data(data))))
    }
}

#[tokio::test]
async fn a_body_that_tells_nothing_is_whole_when_it_has_no_more() {
    let harness = Harness::new();
    let service = RecordLayer::new().layer(service_fn(async |_: Request<TestBody>| {
        Ok::<_, Infallible>(Response::new(Quiet(Some(b"hello"))))
    }));
    let mut body = service.oneshot(get("/")).await.unwrap().into_body();
    assert!(body.frame().await.is_some());
    assert_eq!(harness.lines(), Vec::<Json>::new());
    assert!(body.frame().await.is_none());
    let line = harness.access();
    assert_eq!(ending(&line), ("ok", "INFO"));
    assert_eq!(line["bytes_out"], 5);
}

#[tokio::test]
async fn a_body_of_known_length_is_whole_when_its_last_byte_was_taken() {
    let harness = Harness::new();
    // Its end is not told by `is_end_stream`: another frame, of nothing, is left.
    harness.spy.respond(|_| {
        let body = TestBody::default().data("hello").data("").without_size();
        let mut response = Response::new(body);
        response.headers_mut().insert("content-length", 5.into());
        Ok(response)
    });
    let mut body = harness.call(get("/")).await.unwrap().into_body();
    assert!(body.frame().await.is_some());
    assert!(!body.is_end_stream());
    drop(body);
    assert_eq!(ending(&harness.access()), ("ok", "INFO"));
}

#[tokio::test]
async fn neither_path_nor_query_nor_headers_are_ever_written() {
    let harness = Harness::with(RecordLayer::new(), "trace");
    let mut request = get("/canary-in-path?token=canary-in-query");
    for (name, value) in [
        ("authorization", "Bearer canary-in-header"),
        ("cookie", "session=canary-in-header"),
        ("x-request-id", "canary-in-id"),
    ] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    harness.exchange(request).await.unwrap();
    assert_eq!(harness.access()["outcome"], "ok");
    LeakScanner::new(["canary-in-path", "canary-in-query", "canary-in-header", "canary-in-id"])
        .assert_clean("the log", harness.logs.bytes());
}

#[tokio::test]
async fn a_layer_that_is_off_does_nothing() {
    let harness = Harness::with(RecordLayer::off(), "trace");
    let answer = harness.call(get("/")).await.unwrap();
    assert!(answer.headers().is_empty());
    drop(answer);
    assert_eq!(harness.lines(), Vec::<Json>::new());
    let seen = harness.spy.seen();
    assert!(seen[0].headers.is_empty());
    assert!(RequestContext::find(&seen[0].extensions).is_none());
}

#[tokio::test]
async fn a_filter_above_info_keeps_the_lines_of_failures() {
    let harness = Harness::with(RecordLayer::new(), "warn");
    harness.exchange(get("/")).await.unwrap();
    assert_eq!(harness.lines(), Vec::<Json>::new());
    status(&harness, StatusCode::BAD_GATEWAY);
    harness.exchange(get("/")).await.unwrap();
    assert_eq!(harness.access()["status"], 502);
}
