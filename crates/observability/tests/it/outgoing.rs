//! The headers that a service passes on when it calls another, including the [cases](crate::w3c) of
//! the W3C's test suite.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use hardpoint_core::{
    ClientResolver, Event, Family, ManualClock, RequestContext, Telemetry, Time, TrustedProxies,
    event::Ending,
};
use hardpoint_observability::{
    OutgoingLayer, RecordLayer,
    outgoing::{AllowedHosts, Outgoing},
};
use hardpoint_testkit::{
    TestBody,
    spy::{Spy, SpyError, SpyHandle},
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

use crate::w3c::{self, PARENT, TRACE, state, trace};

fn outgoing(hosts: &[&str]) -> OutgoingLayer {
    OutgoingLayer::new("inventory", AllowedHosts::new(hosts).unwrap())
}

/// A service that makes `calls` calls to `uri` for each request, and what they carried.
async fn passed_on(
    record: RecordLayer,
    outgoing: OutgoingLayer,
    uri: &'static str,
    calls: usize,
    request: Request<TestBody>,
) -> Vec<HeaderMap> {
    let (spy, handle) = Spy::new();
    let client: Outgoing<Spy> = outgoing.layer(spy);
    let service = record.layer(service_fn(move |request: Request<TestBody>| {
        let client = client.clone();
        async move {
            for _ in 0..calls {
                let context = RequestContext::find(request.extensions()).unwrap();
                let call = Request::get(uri).extension(Arc::clone(context));
                client.clone().oneshot(call.body(TestBody::default()).unwrap()).await?;
            }
            Ok::<_, SpyError>(Response::new(TestBody::default()))
        }
    }));
    service.oneshot(request).await.unwrap();
    handle.seen().into_iter().map(|seen| seen.headers).collect()
}

fn with_headers(headers: &[(&str, &str)]) -> Request<TestBody> {
    let mut request = Request::new(TestBody::default());
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    }
    request
}

async fn called(headers: &[(&str, &str)]) -> HeaderMap {
    let record = RecordLayer::new().accept_ids();
    let uri = "http://inventory/items";
    passed_on(record, outgoing(&["inventory"]), uri, 1, with_headers(headers)).await.remove(0)
}

#[tokio::test]
async fn a_traceparent_is_continued_only_if_it_is_valid() {
    for (test, headers, continued) in w3c::parents() {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (id, parent, flags) = trace(&called(&headers).await);
        assert_eq!(w3c::was_sent(&id), continued, "{test}: {headers:?} {id}");
        assert_ne!(parent, PARENT, "{test}");
        assert_eq!(flags & 1, 1, "{test}");
    }
}

#[tokio::test]
async fn flags_that_have_no_meaning_yet_are_cleared() {
    // propagates_random_flag
    for (given, sent) in w3c::FLAGS {
        let headers = called(&[("traceparent", &format!("00-{TRACE}-{PARENT}-{given}"))]).await;
        assert_eq!(trace(&headers).2, sent, "{given}");
    }
    // An id that this service draws is random, and says so.
    assert_eq!(trace(&called(&[]).await).2, 3);
}

#[tokio::test]
async fn a_tracestate_is_passed_on_whole_or_not_at_all() {
    for (test, lines, expected) in w3c::states() {
        let parent = format!("00-{TRACE}-{PARENT}-00");
        let mut headers = vec![("traceparent", parent.as_str())];
        headers.extend(lines.iter().map(|line| ("tracestate", line.as_str())));
        let sent = called(&headers).await;
        assert_eq!(state(&sent), expected.as_deref(), "tracestate_{test}: {lines:?}");
        assert_eq!(trace(&sent).0, TRACE, "tracestate_{test}");
    }
    // tracestate_included_traceparent_missing, and one beside a traceparent that is not valid
    assert_eq!(state(&called(&[("tracestate", "foo=1")]).await), None);
    assert_eq!(state(&called(&[("traceparent", "00-x"), ("tracestate", "foo=1")]).await), None);
}

#[tokio::test]
async fn each_call_is_a_parent_of_its_own_in_the_same_trace() {
    // multiple_requests_with_valid_traceparent, _without_traceparent, _with_illegal_traceparent
    let valid = format!("00-{TRACE}-{PARENT}-01");
    for headers in
        [vec![("traceparent", valid.as_str())], vec![], vec![("traceparent", "00-0-0-01")]]
    {
        let record = RecordLayer::new().accept_ids();
        let uri = "http://inventory/items";
        let calls =
            passed_on(record, outgoing(&["inventory"]), uri, 3, with_headers(&headers)).await;
        let mut parents: Vec<_> = calls.iter().map(|call| trace(call).1).collect();
        parents.sort();
        parents.dedup();
        assert_eq!(parents.len(), 3);
        assert!(calls.iter().all(|call| trace(call).0 == trace(&calls[0]).0));
    }
}

#[tokio::test]
async fn ids_go_to_allowed_hosts_only() {
    for (uri, allowed) in [
        ("http://inventory/items", true),
        ("https://inventory:8443/", true),
        ("http://INVENTORY/", true),
        ("http://a.internal/", true),
        ("http://internal/", false),
        ("http://inventory.evil.example/", false),
        ("http://[::1]:80/", true),
        ("/no-host", false),
    ] {
        let record = RecordLayer::new().accept_ids();
        let layer = outgoing(&["inventory", "*.internal", "::1"]).amazon_trace_id();
        let sent = passed_on(record, layer, uri, 1, with_headers(&[("x-request-id", "r-1")])).await;
        let names = ["traceparent", "x-request-id", "x-amzn-trace-id"];
        let count = names.iter().filter(|name| sent[0].contains_key(**name)).count();
        assert_eq!(count, if allowed { 3 } else { 0 }, "{uri}: {sent:?}");
        assert!(!allowed || sent[0]["x-request-id"] == "r-1", "{uri}");
    }
}

#[tokio::test]
async fn headers_that_were_copied_from_a_request_whose_ids_were_not_accepted_are_removed() {
    let (spy, handle) = Spy::new();
    let mut call = with_headers(&[
        ("traceparent", "00-x"),
        ("tracestate", "a=1"),
        ("baggage", "a=1"),
        ("x-request-id", "a"),
        ("x-amzn-trace-id", "a"),
    ]);
    *call.uri_mut() = "http://inventory/".parse().unwrap();
    let _context = RequestContext::ensure(call.extensions_mut(), &Time::system());
    outgoing(&["inventory"]).layer(spy).oneshot(call).await.unwrap();
    assert!(handle.seen()[0].headers.is_empty(), "{:?}", handle.seen()[0].headers);
}

#[tokio::test]
async fn only_named_baggage_of_a_trusted_caller_is_accepted_and_passed_on() {
    let line = "tenant=acme,user=alice,plan=gold;p=1";
    for (peer, keys, expected) in [
        ("10.0.0.1", vec!["tenant", "plan"], Some("tenant=acme,plan=gold;p=1")),
        ("10.0.0.1", vec![], None),
        ("203.0.113.9", vec!["tenant"], None),
    ] {
        let mut request = with_headers(&[("baggage", line)]);
        let trusted = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
        let client = ClientResolver::new(trusted, Family::XForwarded)
            .resolve(Some(peer.parse().unwrap()), request.headers());
        RequestContext::ensure(request.extensions_mut(), &Time::system()).set_client(client);
        let record = RecordLayer::new().baggage(keys.clone());
        let uri = "http://inventory/";
        let sent = passed_on(record, outgoing(&["inventory"]), uri, 1, request).await;
        let baggage = sent[0].get("baggage").map(|value| value.to_str().unwrap());
        assert_eq!(baggage, expected, "{peer} {keys:?}");
    }
}

#[tokio::test]
async fn amazons_header_is_read_and_written_by_setting() {
    let root = "Root=1-12345678-901234567890123456789012";
    for (is_set, given, continued) in [
        (true, format!("{root};Parent={PARENT};Sampled=0"), true),
        (true, format!("Self=1-67891234-124567890bcdef012345678;{root}"), true),
        (true, "Root=1-0-0".to_owned(), false),
        (false, format!("{root};Sampled=1"), false),
    ] {
        let mut record = RecordLayer::new().accept_ids();
        if is_set {
            record = record.amazon_trace_id();
        }
        let layer = outgoing(&["inventory"]).amazon_trace_id();
        let request = with_headers(&[("x-amzn-trace-id", &given)]);
        let sent = passed_on(record, layer, "http://inventory/", 1, request).await.remove(0);
        let (id, parent, flags) = trace(&sent);
        assert_eq!(id == TRACE, continued, "{given}");
        let (seconds, rest) = id.split_at(8);
        let written = format!("Root=1-{seconds}-{rest};Parent={parent};Sampled={}", flags & 1);
        assert_eq!(sent["x-amzn-trace-id"], written.as_str(), "{given}");
    }
}

/// A client whose calls are observed.
fn observed(spy: Spy, clock: &ManualClock) -> (Outgoing<Spy>, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let telemetry = Telemetry::new(move |event: &Event<'_>| {
        if let Event::CallEnded(call) = event {
            let ending = if call.ending == Ending::Ok { "ok" } else { call.ending.as_str() };
            let (name, method) = (call.destination, call.method);
            let told_now =
                format!("{name} {method} {:?} {ending} {:?}", call.status, call.duration);
            told.lock().unwrap().push(told_now);
        }
    });
    let layer = outgoing(&["inventory"]).telemetry(&telemetry).time(clock);
    (layer.layer(spy), seen)
}

async fn call(client: &Outgoing<Spy>, method: &str) {
    let request = Request::builder().method(method).uri("http://inventory/");
    let _ended = client.clone().oneshot(request.body(TestBody::default()).unwrap()).await;
}

#[tokio::test]
async fn each_call_is_reported_once_however_it_ends() {
    let (spy, handle): (Spy, SpyHandle) = Spy::new();
    let clock = ManualClock::default();
    let (client, seen) = observed(spy, &clock);
    for status in [200, 404, 503] {
        handle.respond(move |_| {
            let mut response = Response::new(TestBody::default());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            Ok(response)
        });
        call(&client, "GET").await;
    }
    handle.respond(|_| Err(SpyError::new(1)));
    call(&client, "BREW").await;
    {
        let request = Request::get("http://inventory/").body(TestBody::default()).unwrap();
        let dropped = client.clone().oneshot(request);
        let mut dropped = Box::pin(dropped);
        handle.hold();
        assert!(futures_poll(dropped.as_mut()).await.is_pending());
        clock.advance(Duration::from_millis(30));
    }
    assert_eq!(
        *seen.lock().unwrap(),
        [
            "inventory GET Some(200) ok 0ns",
            "inventory GET Some(404) failed 0ns",
            "inventory GET Some(503) failed 0ns",
            "inventory _OTHER None failed 0ns",
            "inventory GET None cancelled 30ms",
        ]
    );
}

/// Polls once.
async fn futures_poll<F: Future + Unpin>(mut future: F) -> std::task::Poll<F::Output> {
    std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut future).poll(cx)))
        .await
}

#[tokio::test]
async fn a_correlation_id_is_passed_on_to_allowed_hosts_and_else_the_application_s_header_stays() {
    let record = || RecordLayer::new().accept_ids();
    let sent = || with_headers(&[("x-correlation-id", "order-7")]);
    for (record, uri, expected) in [
        (record().correlation_id(), "http://inventory/items", Some("order-7")),
        (record().correlation_id(), "http://elsewhere/items", None),
        (record(), "http://inventory/items", None),
    ] {
        let headers = passed_on(record, outgoing(&["inventory"]), uri, 1, sent()).await.remove(0);
        let found = headers.get("x-correlation-id").map(|id| id.to_str().unwrap());
        assert_eq!(found, expected, "{uri}");
    }
}
