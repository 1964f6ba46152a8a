//! Faults on purpose, and fallbacks.

use std::{io, time::Duration};

use bytes::Bytes;
use hardpoint_resilience::{
    BoxError, ChaosLayer, CircuitOpen, Classifier, ClientPolicy, FallbackLayer, Jitter,
};
use hardpoint_testkit::{TestBody, contract, spy::Spy};
use http::{Response, StatusCode};
use tokio::time::{Instant, timeout};
use tower::{Layer, ServiceExt};

use crate::support::{Unboxed, get, post, read, start, status};

/// How many of 2,000 calls satisfy `is`.
async fn counted(chaos: ChaosLayer, is: fn(&Result<u16, BoxError>) -> bool) -> usize {
    let (spy, _handle) = Spy::silent();
    let mut client = chaos.layer(spy);
    let mut count = 0;
    for _ in 0..2_000 {
        let call = start(&mut client, get::<TestBody>("/")).await;
        let result = timeout(Duration::from_secs(60), call).await;
        let result = result.unwrap_or_else(|_| Err("it hangs".into()));
        let result = result.map(|response| response.status().as_u16());
        count += usize::from(is(&result));
    }
    count
}

fn a_fifth(count: usize) -> bool {
    (300..500).contains(&count)
}

fn chaos() -> ChaosLayer {
    ChaosLayer::new(Jitter::seeded(11))
}

#[tokio::test(start_paused = true)]
async fn each_fault_has_its_share_of_the_calls() {
    assert_eq!(counted(chaos(), Result::is_ok).await, 2_000);
    let unavailable = chaos().status(0.2, StatusCode::SERVICE_UNAVAILABLE);
    let is_503 =
        |result: &Result<u16, BoxError>| result.as_ref().is_ok_and(|status| *status == 503);
    assert!(a_fifth(counted(unavailable, is_503).await));
    let is_reset = |result: &Result<u16, BoxError>| {
        let error = result.as_ref().err().and_then(|error| error.downcast_ref::<io::Error>());
        error.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
    };
    assert!(a_fifth(counted(chaos().reset(0.2), is_reset).await));
    let hangs = |result: &Result<u16, BoxError>| {
        result.as_ref().is_err_and(|error| error.to_string() == "it hangs")
    };
    assert!(a_fifth(counted(chaos().hang(0.2), hangs).await));
    assert_eq!(counted(chaos().hang(1.0), hangs).await, 2_000);
}

#[tokio::test(start_paused = true)]
async fn delays_are_up_to_their_limit() {
    let limit = Duration::from_millis(100);
    let (spy, _handle) = Spy::silent();
    let mut client = chaos().latency(1.0, limit).layer(spy);
    let started = Instant::now();
    for _ in 0..100 {
        let before = Instant::now();
        start(&mut client, get::<TestBody>("/")).await.await.unwrap();
        assert!(before.elapsed() <= limit + Duration::from_millis(1));
    }
    let whole = started.elapsed();
    assert!((limit * 25..limit * 75).contains(&whole), "{whole:?}");
}

#[tokio::test(start_paused = true)]
async fn a_fallback_takes_the_place_of_failures_and_refusals() {
    let (spy, handle) = Spy::new();
    handle.respond(|head| Ok(status(if head.uri.path() == "/missing" { 404 } else { 500 })));
    let policy = ClientPolicy::internal("prices").build().unwrap();
    let fallback = FallbackLayer::new(|failure| {
        let reason = match (failure.status(), failure.error()) {
            (Some(status), _) => status.as_str().to_owned(),
            (None, Some(error)) if error.is::<CircuitOpen>() => "open".to_owned(),
            _ => return None,
        };
        Some(Response::new(Bytes::from(reason)))
    });
    let client = fallback.layer(policy.layer().layer(spy));
    let call = async |path: &str| {
        let response = client.clone().oneshot(get::<TestBody>(path)).await.unwrap();
        (response.status().as_u16(), read(response.into_body()).await.0)
    };
    assert_eq!(call("/missing").await, (404, Bytes::new()), "an answer");
    assert_eq!(call("/").await, (200, Bytes::from("500")));
    for _ in 0..4 {
        call("/").await;
    }
    assert_eq!(call("/").await, (200, Bytes::from("open")), "the circuit saw the failures");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_without_faults_keeps_the_contract() {
    contract::run(&Unboxed(chaos()), || post::<TestBody>("/"));
    contract::run(&Unboxed(ChaosLayer::off()), || post::<TestBody>("/"));
}

#[tokio::test]
async fn layers_that_are_off_change_nothing() {
    let (spy, handle) = Spy::new();
    handle.respond(|_| Ok(status(500)));
    let chaos = ChaosLayer::off().hang(1.0).reset(1.0).status(1.0, StatusCode::OK);
    let fallback = FallbackLayer::off().classifier(Classifier::new());
    let client = fallback.layer(chaos.latency(1.0, Duration::MAX).layer(spy));
    let response = client.oneshot(get::<TestBody>("/")).await.unwrap();
    assert_eq!((response.status().as_u16(), handle.calls()), (500, 1));
}

#[tokio::test]
async fn a_fallback_that_has_no_answer_leaves_the_failure() {
    let chaos = chaos().reset(1.0);
    let (spy, _handle) = Spy::silent();
    let client = FallbackLayer::new(|_| None).layer(chaos.layer(spy));
    let error = client.oneshot(get::<TestBody>("/")).await.unwrap_err();
    assert!(error.is::<io::Error>());
}
