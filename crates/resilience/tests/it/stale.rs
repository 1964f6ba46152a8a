//! Stale copies.

mod attackers;
mod endings;

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use hardpoint_core::{Event, ManualClock, Telemetry};
use hardpoint_resilience::{
    ClientPolicy, FallbackLayer, StaleCopies, StaleCopiesBuilder, stale::StaleCopy,
};
use hardpoint_testkit::{
    TestBody,
    spy::{Spy, SpyError, SpyHandle},
};
use http::{HeaderMap, Request, Response, StatusCode, header::AGE};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt};

use crate::support::{get, poll_once, read, start, status};

fn builder(clock: &ManualClock) -> StaleCopiesBuilder {
    StaleCopies::builder("rates").time(clock)
}

fn copies() -> StaleCopies {
    builder(&ManualClock::default()).build().unwrap()
}

fn ok(body: impl Into<TestBody>) -> Response<TestBody> {
    Response::new(body.into())
}

fn with(mut response: Response<TestBody>, name: &'static str, value: &str) -> Response<TestBody> {
    response.headers_mut().append(name, value.parse().unwrap());
    response
}

/// A destination and a client of it that keeps copies.
struct Pair {
    copies: StaleCopies,
    spy: Spy,
    destination: SpyHandle,
}

impl Pair {
    fn new(copies: StaleCopies) -> Self {
        let (spy, destination) = Spy::new();
        Self { copies, spy, destination }
    }

    fn answers(&self, answer: impl Fn() -> Response<TestBody> + Send + Sync + 'static) {
        self.destination.respond(move |_| Ok(answer()));
    }

    fn fails(&self) {
        self.answers(|| status(502));
    }

    /// The status, the age and the body of a call, if the caller got them.
    async fn call(&self, request: Request<TestBody>) -> (u16, Option<u64>, Bytes) {
        let response = self.copies.layer().layer(self.spy.clone()).oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let copy = head.extensions.get::<StaleCopy>();
        let age = head.headers.get(AGE).map(|age| age.to_str().unwrap().parse().unwrap());
        assert_eq!(age, copy.map(|copy| copy.age().as_secs()), "both mark a copy");
        (head.status.as_u16(), age, read(body).await.0)
    }

    /// Whether a response is served again after the destination has failed.
    async fn keeps(&self, answer: impl Fn() -> Response<TestBody> + Send + Sync + 'static) -> bool {
        self.copies.clear();
        self.answers(answer);
        let mut client = self.copies.layer().layer(self.spy.clone());
        let response = start(&mut client, get::<TestBody>("/")).await.await.unwrap();
        let _read = response.into_body().collect().await;
        self.fails();
        self.call(get("/")).await.0 == 200
    }
}

#[tokio::test]
async fn the_last_good_response_takes_the_place_of_a_failure() {
    let pair = Pair::new(copies());
    for body in ["one", "two"] {
        pair.copies.clear();
        pair.answers(move || with(ok(body), "content-type", "text/plain"));
        assert_eq!(pair.call(get("/rates?of=eur")).await, (200, None, body.into()));
    }
    for failure in [500, 502, 503, 504, 429, 408] {
        pair.answers(move || status(failure));
        assert_eq!(
            pair.call(get("/rates?of=eur")).await,
            (200, Some(0), "two".into()),
            "{failure}"
        );
    }
    pair.destination.respond(|_| Err(SpyError::new(1)));
    assert_eq!(pair.call(get("/rates?of=eur")).await, (200, Some(0), "two".into()));
    // A rejection is an answer, and another target has no copy.
    pair.answers(|| status(404));
    assert_eq!(pair.call(get("/rates?of=eur")).await.0, 404);
    pair.fails();
    assert_eq!(pair.call(get("/rates?of=usd")).await.0, 502);
    let mut head = get::<TestBody>("/rates?of=eur");
    *head.method_mut() = http::Method::HEAD;
    assert_eq!(pair.call(head).await.0, 502);
}

#[tokio::test]
async fn a_copy_shows_its_age_and_expires() {
    let clock = ManualClock::default();
    let pair = Pair::new(builder(&clock).max_age(Duration::from_secs(100)).build().unwrap());
    pair.answers(|| with(ok("old"), "age", "30"));
    let response = pair.copies.layer().layer(pair.spy.clone());
    let response = response.oneshot(get::<TestBody>("/")).await.unwrap();
    assert_eq!(response.headers()[AGE], "30", "an age that a cache gave it");
    read(response.into_body()).await;
    pair.fails();
    clock.advance(Duration::from_millis(12_900));
    assert_eq!(pair.call(get("/")).await, (200, Some(42), "old".into()));
    clock.advance(Duration::from_millis(57_099));
    assert_eq!(pair.call(get("/")).await.0, 200);
    clock.advance(Duration::from_millis(1));
    assert_eq!(pair.call(get("/")).await.0, 502, "100 seconds old");
}

#[tokio::test]
async fn a_request_can_ask_for_a_fresher_copy() {
    let clock = ManualClock::default();
    let pair = Pair::new(builder(&clock).build().unwrap());
    pair.answers(|| ok("old"));
    pair.call(get("/")).await;
    pair.fails();
    clock.advance(Duration::from_secs(60));
    for (control, expected) in [
        ("max-age=60", 200),
        ("max-age=59", 502),
        ("max-age=0", 502),
        ("stale-if-error=60", 200),
        ("stale-if-error=0", 502),
        ("max-age=30, stale-if-error=30", 200),
    ] {
        let mut request = get::<TestBody>("/");
        request.headers_mut().insert("cache-control", control.parse().unwrap());
        assert_eq!(pair.call(request).await.0, expected, "{control}");
    }
}

#[tokio::test]
async fn a_copy_is_replaced_once_a_second() {
    let clock = ManualClock::default();
    let pair = Pair::new(builder(&clock).build().unwrap());
    for (body, after, kept) in [("1", 0, "1"), ("2", 999, "1"), ("3", 1, "3")] {
        clock.advance(Duration::from_millis(after));
        pair.answers(move || ok(body));
        assert_eq!(pair.call(get("/")).await.2, body);
        pair.fails();
        assert_eq!(pair.call(get("/")).await.2, kept);
    }
}

#[tokio::test]
async fn only_whole_responses_that_may_be_kept_are() {
    let pair = Pair::new(builder(&ManualClock::default()).max_body(10).build().unwrap());
    let body = TestBody::default;
    let trailers = || {
        let mut trailers = HeaderMap::new();
        trailers.insert("checksum", "a".parse().unwrap());
        trailers
    };
    assert!(pair.keeps(|| ok("0123456789")).await);
    assert!(pair.keeps(move || ok(body().data("01234").pending().data("56789"))).await);
    assert!(pair.keeps(move || ok(body().data("01234").without_size())).await);
    assert!(pair.keeps(|| ok("")).await);
    assert!(pair.keeps(|| with(ok("12345"), "content-length", "5")).await);
    assert!(pair.keeps(|| with(ok(""), "vary", "accept, Origin")).await);

    assert!(!pair.keeps(|| ok("0123456789a")).await, "too long");
    assert!(!pair.keeps(move || ok(body().data("0123456789a").without_size())).await);
    assert!(!pair.keeps(move || ok(body().data("01").error(SpyError::new(1)))).await, "broken");
    assert!(!pair.keeps(move || ok(body().data("01").trailers(trailers()))).await);
    assert!(!pair.keeps(|| with(ok("1234"), "content-length", "5")).await, "short");
    assert!(!pair.keeps(|| with(ok("1234"), "cache-control", "no-store")).await);
    assert!(!pair.keeps(|| with(ok("1234"), "cache-control", "private")).await);
    assert!(!pair.keeps(|| with(ok("1234"), "set-cookie", "a=b")).await);
    assert!(!pair.keeps(|| with(ok("1234"), "vary", "x-user")).await);
    for code in [201, 203, 206, 301, 404] {
        assert!(!pair.keeps(move || status(code)).await, "{code}");
    }
    assert!(pair.copies.is_empty());
}

#[tokio::test]
async fn recording_delays_no_frame_and_a_dropped_body_is_not_kept() {
    let pair = Pair::new(copies());
    pair.answers(|| ok(TestBody::default().data("one").pending().data("two")));
    let mut client = pair.copies.layer().layer(pair.spy.clone());
    let response = start(&mut client, get::<TestBody>("/")).await.await.unwrap();
    let mut body = response.into_body();
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "one", "before the rest has come");
    assert!(poll_once(std::pin::pin!(body.frame())).is_pending());
    drop(body);
    assert!(pair.copies.is_empty());
}

/// Frames and header values of a client share a buffer with the rest of its connection.
#[tokio::test]
async fn a_copy_has_memory_of_its_own() {
    let buffer = Bytes::from(vec![b'a'; 1 << 20]);
    let field = http::HeaderValue::from_maybe_shared(buffer.slice(..5)).unwrap();
    let part = buffer.slice(5..10);
    let copies = copies();
    let client = tower::service_fn(|_: Request<TestBody>| {
        let mut response = ok(TestBody::default().data(part.clone()));
        response.headers_mut().insert("x-own", field.clone());
        async { Ok::<_, io::Error>(response) }
    });
    let mut client = copies.layer().layer(client);
    let response = start(&mut client, get::<TestBody>("/")).await.await.unwrap();
    read(response.into_body()).await;
    drop(client);
    assert_eq!(copies.len(), 1);
    assert!(copies.bytes() < 1_024, "{}", copies.bytes());
    drop((part, field));
    assert!(buffer.is_unique(), "the copy shares the buffer");
}

#[tokio::test]
async fn what_was_looked_for_is_reported() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let telemetry = Telemetry::new(move |event: &Event<'_>| {
        if let Event::StaleCopySought(event) = event {
            log.lock().unwrap().push(format!("{}: {}", event.copies, event.result.as_str()));
        }
    });
    let clock = ManualClock::default();
    let pair = Pair::new(builder(&clock).telemetry(&telemetry).build().unwrap());
    pair.fails();
    pair.call(get("/")).await;
    // Requests without copies have nothing to report.
    pair.call(crate::support::post("/")).await;
    pair.answers(|| ok("a"));
    pair.call(get("/")).await;
    pair.fails();
    pair.call(get("/")).await;
    clock.advance(Duration::from_hours(1));
    pair.call(get("/")).await;
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(seen, ["rates: absent", "rates: served", "rates: expired"]);
}

/// The places of the three layers: a copy while the circuit is open, the constant without one.
#[tokio::test(start_paused = true)]
async fn copies_are_served_while_the_circuit_is_open() {
    let pair = Pair::new(copies());
    let policy = ClientPolicy::internal("rates").without_retry().build().unwrap();
    let fallback = FallbackLayer::new(|_| Some(Response::new(Bytes::from_static(b"constant"))));
    let client = policy.layer().layer(pair.spy.clone());
    let client = fallback.layer(pair.copies.layer().layer(client));
    let call = async |path: &str| {
        let response = client.clone().oneshot(get::<TestBody>(path)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        read(response.into_body()).await.0
    };
    pair.answers(|| ok("fresh"));
    assert_eq!(call("/a").await, "fresh");
    pair.fails();
    for _ in 0..10 {
        assert_eq!(call("/a").await, "fresh");
    }
    assert_eq!(pair.destination.calls(), 6, "the circuit has opened after five failures");
    assert_eq!(call("/b").await, "constant");
}

#[test]
fn settings_that_can_never_work_are_refused() {
    let error = StaleCopies::builder("")
        .max_age(Duration::ZERO)
        .max_bytes(1_000)
        .max_entries(0)
        .build()
        .unwrap_err();
    println!("{error}");
    let settings: Vec<_> = error.mistakes().iter().map(|mistake| mistake.setting()).collect();
    assert_eq!(settings, ["stale.name", "stale.max_age", "stale.max_bytes", "stale.max_entries"]);
    let builder = StaleCopies::builder("a").max_body(usize::MAX).max_age(Duration::MAX);
    assert_eq!(builder.build().unwrap_err().mistakes().len(), 2);
}
