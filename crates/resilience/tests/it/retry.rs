//! Retries.

mod bodies;
mod budget;
mod grpc;
mod hints;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hardpoint_core::{RequestContext, Time};
use hardpoint_resilience::{
    BoxError, Class, Deadline, Jitter, RetryBudget, RetryBuilder, RetryLayer, RetryTable,
    RetryWhen, retry::ReplayBody,
};
use hardpoint_testkit::{
    TestBody,
    clock::TokioClock,
    spy::{Spy, SpyHandle},
};
use http::{Request, Response};
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{get, post, start, status};

/// A policy whose delays follow the paused clock and are the same in each run.
fn builder() -> RetryBuilder {
    RetryLayer::builder()
        .budget(&RetryBudget::unlimited())
        .jitter(Jitter::seeded(7))
        .time(Time::custom(TokioClock::new()))
}

/// A spy that answers with these statuses in order, and then 200.
fn answering(codes: &'static [u16]) -> (Spy, SpyHandle) {
    let (spy, handle) = Spy::new();
    let calls = AtomicUsize::new(0);
    handle.respond(move |_| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        Ok(status(codes.get(call).copied().unwrap_or(200)))
    });
    (spy, handle)
}

async fn call(layer: &RetryLayer, spy: Spy, request: Request<TestBody>) -> u16 {
    layer.layer(spy).oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_passes_is_hidden() {
    for code in [429, 500, 502, 503, 504, 408] {
        let codes: &[u16] = Vec::leak(vec![code, code]);
        let (spy, handle) = answering(codes);
        assert_eq!(call(&builder().build().unwrap(), spy, get("/")).await, 200);
        assert_eq!(handle.calls(), 3, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_failure_is_returned() {
    let (spy, handle) = answering(&[500, 502, 504, 200]);
    assert_eq!(call(&builder().build().unwrap(), spy, get("/")).await, 504);
    assert_eq!(handle.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_not_retried() {
    for code in [200, 302, 400, 401, 404, 409, 501, 505] {
        let codes: &[u16] = Vec::leak(vec![code]);
        let (spy, handle) = answering(codes);
        assert_eq!(call(&builder().build().unwrap(), spy, get("/")).await, code);
        assert_eq!(handle.calls(), 1, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_repeatable_requests_are_sent_twice() {
    let layer = builder().repeatable(|head| head.uri.path() == "/search").build().unwrap();
    for (method, path, key, calls) in [
        ("GET", "/", None, 2),
        ("HEAD", "/", None, 2),
        ("OPTIONS", "/", None, 2),
        ("PUT", "/", None, 2),
        ("DELETE", "/", None, 2),
        ("POST", "/", None, 1),
        ("PATCH", "/", None, 1),
        ("POST", "/", Some("order-7"), 2),
        ("POST", "/", Some(""), 1),
        ("POST", "/search", None, 2),
    ] {
        let (spy, handle) = answering(&[502]);
        let mut request: Request<TestBody> = get(path);
        *request.method_mut() = method.parse().unwrap();
        if let Some(key) = key {
            request.headers_mut().insert("idempotency-key", key.parse().unwrap());
        }
        call(&layer, spy, request).await;
        assert_eq!(handle.calls(), calls, "{method} {path} {key:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_destination_never_saw_is_sent_again() {
    let calls = Arc::new(AtomicUsize::new(0));
    for (kind, expected) in
        [(io::ErrorKind::ConnectionRefused, 3), (io::ErrorKind::ConnectionReset, 1)]
    {
        calls.store(0, Ordering::Relaxed);
        let counter = Arc::clone(&calls);
        let client = service_fn(move |_: Request<ReplayBody<TestBody>>| {
            counter.fetch_add(1, Ordering::Relaxed);
            async move { Err::<Response<TestBody>, _>(io::Error::from(kind)) }
        });
        let client = builder().build().unwrap().layer(client);
        let error = client.oneshot(post("/")).await.unwrap_err();
        assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), kind);
        assert_eq!(calls.load(Ordering::Relaxed), expected, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_table_decides() {
    let table = RetryTable::default()
        .with(Class::Throttled, RetryWhen::Never)
        .with(Class::Failed, RetryWhen::Always);
    let layer = builder().table(table).build().unwrap();
    let (spy, handle) = answering(&[429]);
    assert_eq!((call(&layer, spy, get("/")).await, handle.calls()), (429, 1));
    let (spy, handle) = answering(&[500]);
    assert_eq!((call(&layer, spy, post("/")).await, handle.calls()), (200, 2));
}

#[tokio::test(start_paused = true)]
async fn a_retry_carries_its_number() {
    let (spy, handle) = answering(&[500, 500]);
    call(&builder().build().unwrap(), spy, get("/")).await;
    let attempts: Vec<_> =
        handle.seen().iter().map(|head| head.headers.get("x-retry-attempt").cloned()).collect();
    assert_eq!(attempts, [None, Some(2.into()), Some(3.into())]);

    let (spy, handle) = answering(&[500]);
    call(&builder().attempt_header(None).build().unwrap(), spy, get("/")).await;
    assert!(handle.seen().iter().all(|head| head.headers.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn an_inner_hop_does_not_retry() {
    for (attempt, calls) in [(None, 2), (Some(1), 2), (Some(2), 1)] {
        let (spy, handle) = answering(&[500]);
        let mut request = get("/");
        let context = RequestContext::ensure(request.extensions_mut(), &Time::system());
        if let Some(attempt) = attempt {
            context.set_attempt(attempt);
        }
        call(&builder().build().unwrap(), spy, request).await;
        assert_eq!(handle.calls(), calls, "{attempt:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_retry_begins_after_the_deadline() {
    let time = Time::custom(TokioClock::new());
    let retry = RetryLayer::external_api().time(time.clone()).attempts(50).build().unwrap();
    for remaining in [0, 1, 300, 2_000] {
        let (spy, handle) = answering(&[500; 50]);
        let deadline = time.now().saturating_add(Duration::from_millis(remaining));
        let mut request = get("/");
        request.extensions_mut().insert(Deadline::at(deadline));
        let started = Instant::now();
        assert_eq!(call(&retry, spy, request).await, 500);
        assert!(handle.calls() >= 1);
        assert!(started.elapsed() < Duration::from_millis(remaining.max(1)), "{remaining}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_ready_instance_makes_the_first_attempt_and_a_ready_clone_the_others() {
    let (spy, handle) = answering(&[500, 500]);
    let mut client = builder().build().unwrap().layer(spy);
    for _ in 0..3 {
        start(&mut client, get::<TestBody>("/")).await.await.unwrap();
    }
    assert_eq!((handle.violations(), handle.calls()), (Vec::new(), 5));
}

#[tokio::test]
async fn a_layer_that_is_off_forwards() {
    let (spy, handle) = answering(&[500]);
    assert_eq!((call(&RetryLayer::off(), spy, get("/")).await, handle.calls()), (500, 1));
}

#[test]
fn all_mistakes_are_reported_at_once() {
    use hardpoint_resilience::Backoff;

    let backwards = Backoff::exponential(Duration::from_secs(9), Duration::from_secs(1));
    let budget = RetryBudget::ratio(f64::NAN);
    let error = builder().attempts(0).backoff(backwards).budget(&budget).build().unwrap_err();
    let settings: Vec<_> = error.mistakes().iter().map(|mistake| mistake.setting()).collect();
    assert_eq!(settings, ["retry.attempts", "retry.backoff", "retry.budget"]);
    let _boxed: BoxError = error.into();
}
