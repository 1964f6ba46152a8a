//! Credentials that expire.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hardpoint_core::Time;
use hardpoint_resilience::{BoxError, RefreshFailed, RefreshOn401Layer, retry::ReplayBody};
use hardpoint_testkit::{TestBody, clock::TokioClock, spy::Spy};
use http::{HeaderValue, Request, Response, header::AUTHORIZATION};
use tokio::{sync::Barrier, task::JoinSet};
use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneService};

use crate::support::{get, poll_once, read, start, status};

/// A destination that accepts one token, and counts calls.
#[derive(Clone, Default)]
struct Api {
    accepted: Arc<Mutex<String>>,
    calls: Arc<AtomicUsize>,
    bodies: Arc<Mutex<Vec<bytes::Bytes>>>,
}

impl Api {
    fn accept(&self, token: &str) {
        *self.accepted.lock().unwrap() = token.to_owned();
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    fn service(
        &self,
        layer: &RefreshOn401Layer,
    ) -> BoxCloneService<Request<TestBody>, Response<TestBody>, BoxError> {
        let api = self.clone();
        let inner = service_fn(move |request: Request<ReplayBody<TestBody>>| {
            let api = api.clone();
            async move {
                api.calls.fetch_add(1, Ordering::Relaxed);
                let (head, body) = request.into_parts();
                let body = read(body).await.0;
                api.bodies.lock().unwrap().push(body);
                let valid = head.headers[AUTHORIZATION] == *api.accepted.lock().unwrap();
                Ok::<_, std::io::Error>(status(if valid { 200 } else { 401 }))
            }
        });
        BoxCloneService::new(layer.layer(inner))
    }
}

/// Issues `t1`, `t2`, .., each after a tick of the clock, and counts.
fn layer() -> (RefreshOn401Layer, Arc<AtomicUsize>) {
    let issued = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&issued);
    let layer = RefreshOn401Layer::new(move || {
        let number = counter.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            HeaderValue::try_from(format!("t{number}"))
        }
    });
    (layer.time(Time::custom(TokioClock::new())), issued)
}

async fn after_the_interval() {
    tokio::time::sleep(Duration::from_secs(2)).await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_refused_calls_refresh_once_and_are_sent_again_once() {
    let (layer, issued) = layer();
    let api = Api::default();
    let client = api.service(&layer);
    api.accept("t1");
    assert_eq!(client.clone().oneshot(get("/")).await.unwrap().status(), 200);
    after_the_interval().await;
    api.accept("t2");
    let together = Arc::new(Barrier::new(100));
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let (client, together) = (client.clone(), Arc::clone(&together));
        calls.spawn(async move {
            together.wait().await;
            client.oneshot(get("/")).await.unwrap().status().as_u16()
        });
    }
    let statuses = calls.join_all().await;
    assert_eq!(statuses, [200; 100]);
    assert_eq!((issued.load(Ordering::Relaxed), api.calls()), (2, 1 + 200));
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_refuses_everything_gets_two_calls_and_no_loop() {
    let (layer, issued) = layer();
    let api = Api::default();
    let client = api.service(&layer);
    after_the_interval().await;
    assert_eq!(client.clone().oneshot(get("/")).await.unwrap().status(), 401);
    // The first credential was fetched just now: it is not replaced at once.
    assert_eq!((issued.load(Ordering::Relaxed), api.calls()), (1, 1));
    after_the_interval().await;
    assert_eq!(client.clone().oneshot(get("/")).await.unwrap().status(), 401);
    assert_eq!((issued.load(Ordering::Relaxed), api.calls()), (2, 3));
    for _ in 0..50 {
        assert_eq!(client.clone().oneshot(get("/")).await.unwrap().status(), 401);
    }
    assert_eq!((issued.load(Ordering::Relaxed), api.calls()), (2, 53), "no refresh for each call");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_returns_the_refusal_to_all_that_waited() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&attempts);
    let layer = RefreshOn401Layer::new(move || {
        let first = counter.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            if first { Ok(HeaderValue::from_static("t1")) } else { Err("the issuer is down") }
        }
    });
    let layer = layer.min_interval(Duration::ZERO).time(Time::custom(TokioClock::new()));
    let api = Api::default();
    let client = api.service(&layer);
    api.accept("t1");
    client.clone().oneshot(get("/")).await.unwrap();
    api.accept("t2");
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let client = client.clone();
        calls.spawn(async move { client.oneshot(get("/")).await.unwrap().status().as_u16() });
    }
    assert_eq!(calls.join_all().await, [401; 100]);
    assert_eq!(attempts.load(Ordering::Relaxed), 2, "they do not fail one after the other");
}

/// A destination may refuse a request whose body the client still sends.
#[tokio::test(start_paused = true)]
async fn a_refusal_that_is_returned_leaves_its_body_alone() {
    let fetched = AtomicUsize::new(0);
    let layer = RefreshOn401Layer::new(move || {
        let first = fetched.fetch_add(1, Ordering::Relaxed) == 0;
        async move { if first { Ok(HeaderValue::from_static("t1")) } else { Err("no issuer") } }
    });
    let layer = layer.min_interval(Duration::ZERO).time(Time::custom(TokioClock::new()));
    let sending = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&sending);
    let mut client = layer.layer(service_fn(move |request: Request<ReplayBody<TestBody>>| {
        *slot.lock().unwrap() = Some(request.into_body());
        async { Ok::<_, std::io::Error>(status::<TestBody>(401)) }
    }));
    let body = TestBody::from("whole");
    let request = Request::post("/").body(body).unwrap();
    let response = client.ready().await.unwrap().call(request).await.unwrap();
    assert_eq!(response.status(), 401);
    let body = sending.lock().unwrap().take().unwrap();
    assert_eq!(read(body).await.0, "whole");
}

#[tokio::test(start_paused = true)]
async fn without_a_first_credential_calls_fail_and_nothing_is_sent() {
    let layer = RefreshOn401Layer::new(async || Err::<HeaderValue, _>("the issuer is down"));
    let api = Api::default();
    let client = api.service(&layer);
    let error = client.clone().oneshot(get("/")).await.unwrap_err();
    let failed = error.downcast_ref::<RefreshFailed>().unwrap();
    assert!(!failed.is_too_soon());
    assert_eq!(std::error::Error::source(failed).unwrap().to_string(), "the issuer is down");
    let error = client.oneshot(get("/")).await.unwrap_err();
    assert!(error.downcast_ref::<RefreshFailed>().unwrap().is_too_soon());
    assert_eq!(api.calls(), 0);

    let hanging = RefreshOn401Layer::new(std::future::pending::<Result<HeaderValue, BoxError>>);
    let client = api.service(&hanging);
    assert!(client.oneshot(get("/")).await.unwrap_err().is::<RefreshFailed>());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_refresh_is_taken_over() {
    let (layer, issued) = layer();
    let api = Api::default();
    api.accept("t3");
    let mut client = api.service(&layer);
    {
        let mut dropped = pin!(start(&mut client, get::<TestBody>("/")).await);
        assert!(poll_once(dropped.as_mut()).is_pending(), "it fetches");
    }
    assert_eq!(client.ready().await.unwrap().call(get("/")).await.unwrap().status(), 401);
    after_the_interval().await;
    assert_eq!(client.ready().await.unwrap().call(get("/")).await.unwrap().status(), 200);
    assert_eq!(issued.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn bodies_are_sent_again_up_to_the_limit() {
    let (layer, issued) = layer();
    let layer = layer.replay_limit(1_000);
    let api = Api::default();
    let client = api.service(&layer);
    api.accept("t1");
    client.clone().oneshot(get("/")).await.unwrap();
    for (length, expected, sent) in [(900, 200, 2), (1_100, 401, 1)] {
        after_the_interval().await;
        api.accept(&format!("t{}", issued.load(Ordering::Relaxed) + 1));
        api.bodies.lock().unwrap().clear();
        let body = TestBody::default().data(vec![1; length]);
        let response = client.clone().oneshot(Request::post("/").body(body).unwrap()).await;
        assert_eq!(response.unwrap().status(), expected);
        let lengths: Vec<_> = api.bodies.lock().unwrap().iter().map(bytes::Bytes::len).collect();
        assert_eq!(lengths, vec![length; sent]);
    }
    // The call that could not be sent again still refreshed.
    assert_eq!(client.oneshot(get("/")).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_request_with_its_own_credential_is_left_alone() {
    let (layer, issued) = layer();
    let api = Api::default();
    let request = Request::get("/").header(AUTHORIZATION, "own").body(TestBody::default()).unwrap();
    assert_eq!(api.service(&layer).oneshot(request).await.unwrap().status(), 401);
    assert_eq!((issued.load(Ordering::Relaxed), api.calls()), (0, 1));
}

#[tokio::test]
async fn a_layer_that_is_off_adds_no_credential() {
    let (spy, handle) = Spy::new();
    handle.respond(|_| Ok(status(401)));
    let layer = RefreshOn401Layer::off().timeout(Duration::ZERO).replay_limit(0);
    let response = layer.layer(spy).oneshot(get::<TestBody>("/")).await.unwrap();
    assert_eq!((response.status().as_u16(), handle.calls()), (401, 1));
    assert!(!handle.seen()[0].headers.contains_key(AUTHORIZATION));
}
