//! The bulkhead.

mod queue;

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use hardpoint_core::{Event, Key, Telemetry, event::CallRefused};
use hardpoint_resilience::{BulkheadFull, BulkheadLayer, Class, Classifier, ConcurrencyLimit, key};
use hardpoint_testkit::{
    TestBody,
    spy::{Spy, SpyError, SpyHandle},
};
use http::{HeaderMap, Request, Response};
use http_body::Body;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{get, start, status};

fn limit(permits: u32) -> ConcurrencyLimit {
    ConcurrencyLimit::builder("search", permits).build().unwrap()
}

/// A spy that answers with this body.
fn answering(body: TestBody) -> (Spy, SpyHandle) {
    let (spy, handle) = Spy::new();
    handle.respond(move |_| Ok(Response::new(body.clone())));
    (spy, handle)
}

fn in_flight(limit: &ConcurrencyLimit) -> u32 {
    limit.snapshot().in_flight
}

#[tokio::test]
async fn calls_beyond_the_limit_are_refused_at_once() {
    let limit = limit(2);
    let (spy, handle) = Spy::new();
    handle.hold();
    let mut service = limit.layer().layer(spy);
    let first = start(&mut service, get::<TestBody>("/")).await;
    let _second = start(&mut service, get::<TestBody>("/")).await;
    let error = start(&mut service, get::<TestBody>("/")).await.await.unwrap_err();
    let full = error.downcast_ref::<BulkheadFull>().unwrap();
    assert_eq!(full.to_string(), "the concurrency limit `search` is reached");
    assert_eq!((full.limit(), full.has_waited()), ("search", false));
    assert_eq!(Classifier::new().classify_error(&*error), Class::Shed);
    assert_eq!(handle.calls(), 2);
    drop(first);
    assert_eq!(in_flight(&limit), 1);
    let third = start(&mut service, get::<TestBody>("/")).await;
    handle.release();
    assert!(third.await.is_ok());
    assert_eq!(limit.snapshot().refused, 1);
}

#[tokio::test]
async fn a_permit_is_held_to_the_end_of_the_body() {
    let trailers = || HeaderMap::from_iter([("x-end".parse().unwrap(), "1".parse().unwrap())]);
    for (body, frames) in [
        (TestBody::from("hello"), 1),
        (TestBody::default().data("hel").pending().data("lo"), 2),
        (TestBody::from("hello").trailers(trailers()), 2),
        (TestBody::from("hello").error(SpyError::new(1)), 2),
    ] {
        let limit = limit(1);
        let (spy, _) = answering(body);
        let response = limit.layer().layer(spy).oneshot(get::<TestBody>("/")).await.unwrap();
        let mut body = std::pin::pin!(response.into_body());
        for frame in 0..frames {
            assert_eq!(in_flight(&limit), 1, "before frame {frame}");
            let frame = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
            assert!(frame.is_some());
        }
        assert_eq!(in_flight(&limit), 0, "after the last frame");
    }
}

#[tokio::test]
async fn a_body_that_is_empty_or_dropped_returns_its_permit() {
    let limit = limit(1);
    let (spy, _) = answering(TestBody::default());
    let empty = limit.layer().layer(spy).oneshot(get::<TestBody>("/")).await.unwrap();
    assert_eq!(in_flight(&limit), 0);
    drop(empty);
    let (spy, _) = answering(TestBody::from("hello"));
    let unread = limit.layer().layer(spy).oneshot(get::<TestBody>("/")).await.unwrap();
    assert_eq!(in_flight(&limit), 1);
    drop(unread);
    assert_eq!(in_flight(&limit), 0);
}

#[tokio::test]
async fn a_failed_call_returns_its_permit() {
    let limit = limit(1);
    let (spy, handle) = Spy::new();
    handle.respond(|_| Err(SpyError::new(7)));
    let error = limit.layer().layer(spy).oneshot(get::<TestBody>("/")).await.unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&SpyError::new(7)));
    assert_eq!(in_flight(&limit), 0);
}

#[tokio::test]
async fn a_service_that_is_ready_holds_no_permit() {
    let limit = limit(1);
    let (spy, _) = Spy::new();
    let mut idle = limit.layer().layer(spy.clone());
    let mut other = limit.layer().layer(spy);
    assert!(ServiceExt::<Request<TestBody>>::ready(&mut idle).await.is_ok());
    assert!(start(&mut other, get::<TestBody>("/")).await.await.is_ok());
}

#[tokio::test]
async fn each_host_has_its_own_permits() {
    let limits = ConcurrencyLimit::builder("hosts", 1).build_keyed(key::host(), 2).unwrap();
    let (spy, handle) = Spy::new();
    handle.hold();
    let mut service = limits.layer().layer(spy);
    let to = |uri: &str| Request::get(uri).body(TestBody::default()).unwrap();
    let first = start(&mut service, to("http://a.example/")).await;
    let _second = start(&mut service, to("http://b.example/")).await;
    let refused = start(&mut service, to("http://a.example/")).await.await;
    assert!(refused.unwrap_err().is::<BulkheadFull>());
    let a = limits.find(&Key::borrowed(b"a.example")).unwrap();
    assert_eq!((in_flight(&a), limits.len()), (1, 2));
    // Both are in use: a third host shares the permits of late-comers.
    let _third = start(&mut service, to("http://c.example/")).await;
    assert_eq!(in_flight(limits.shared()), 1);
    drop(first);
    let _fourth = start(&mut service, to("http://d.example/")).await;
    assert!(limits.find(&Key::borrowed(b"a.example")).is_none(), "it made room");
    let mut busy = 0;
    limits.for_each(|_, limit| busy += in_flight(limit));
    assert_eq!(busy, 2);
    assert!(!format!("{limits:?}").contains("example"));
}

#[tokio::test]
async fn refusals_are_reported() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let telemetry = Telemetry::new(move |event: &Event<'_>| {
        if let Event::CallRefused(CallRefused { policy, guard, .. }) = event {
            log.lock().unwrap().push(format!("{policy} {}", guard.as_str()));
        }
    });
    let limit = limit(1);
    let (spy, _) = Spy::new();
    let mut service = limit.layer().telemetry(&telemetry).layer(spy);
    let _held = limit.try_acquire().unwrap();
    assert!(start(&mut service, get::<TestBody>("/")).await.await.is_err());
    assert_eq!(*seen.lock().unwrap(), ["search bulkhead"]);
}

#[tokio::test]
async fn the_layer_that_is_off_bounds_nothing() {
    let (spy, handle) = Spy::new();
    handle.hold();
    let mut service = BulkheadLayer::off().layer(spy);
    let mut calls = Vec::new();
    for _ in 0..100 {
        calls.push(start(&mut service, get::<TestBody>("/")).await);
    }
    assert_eq!(handle.counts().in_flight, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_more_calls_than_permits_are_in_flight_under_64_tasks() {
    const PERMITS: u32 = 5;

    let limit = ConcurrencyLimit::builder("search", PERMITS)
        .queue(20, Duration::from_hours(1))
        .build()
        .unwrap();
    let (inside, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (now, peak) = (Arc::clone(&inside), Arc::clone(&most));
    let inner = service_fn(move |_request: Request<TestBody>| {
        let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
        async move {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, Infallible>(status::<TestBody>(200))
        }
    });
    let service = limit.layer().layer(inner);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let service = service.clone();
        tasks.spawn(async move {
            let mut passed = 0_u64;
            for _ in 0..300 {
                passed += u64::from(service.clone().oneshot(get::<TestBody>("/")).await.is_ok());
            }
            passed
        });
    }
    let passed: u64 = tasks.join_all().await.into_iter().sum();
    let snapshot = limit.snapshot();
    assert_eq!(passed + snapshot.refused, 64 * 300);
    assert_eq!((snapshot.in_flight, snapshot.waiting), (0, 0));
    let most = most.load(Ordering::SeqCst);
    println!("{passed} calls of 64 tasks passed, at most {most} of {PERMITS} in flight");
    assert!(most <= PERMITS && passed >= 300);
}

#[test]
fn settings_that_never_work_are_refused_together() {
    let builder = ConcurrencyLimit::builder("", 0).queue(0, Duration::ZERO);
    let error = builder.build().unwrap_err();
    let found: Vec<_> = error.mistakes().iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "`bulkhead.name` has 0 bytes; write a name of 1 to 64 bytes",
            "`bulkhead.permits` is 0, so every call is refused; write at least 1",
            "`bulkhead.queue` has room for 0 calls; write 1 to 100000, or leave the queue out",
            "`bulkhead.queue` waits for 0ns; write a wait of up to an hour, such as 100 ms, or \
             leave the queue out",
        ]
    );
    let keyed = ConcurrencyLimit::builder("search", 1).build_keyed(key::host(), 20_000);
    let error = keyed.unwrap_err().to_string();
    assert_eq!(error, "`bulkhead.max_keys` is 20000; write 1 to 10000");
}
