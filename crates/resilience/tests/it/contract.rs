//! The laws of every layer.

use std::time::Duration;

use hardpoint_core::{Peer, TrustedProxies};
use hardpoint_resilience::{
    BulkheadLayer, Circuit, CircuitBreaker, CircuitBreakerLayer, Circuits, ClientPolicy,
    ClientPolicyLayer, ConcurrencyLimit, ConcurrencyLimits, DeadlineLayer, FallbackLayer,
    HedgeLayer, RefreshOn401Layer, RetryLayer, StaleCopies, StaleLayer, TimeoutLayer, hedge::Hedge,
    key,
};
use hardpoint_testkit::{TestBody, contract};
use http::Request;

use crate::support::{Unboxed, get, post};

const LONG: Duration = Duration::from_secs(3_600);

fn trusted() -> TrustedProxies {
    TrustedProxies::new(["10.0.0.0/8"]).unwrap()
}

fn from_caller(timeout: &str) -> Request<TestBody> {
    let caller = Peer::new(([10, 0, 0, 1], 443).into());
    let request = Request::get("/").header("grpc-timeout", timeout).extension(caller);
    request.body(TestBody::default()).unwrap()
}

/// The checks block a thread and leave timers to another.
#[tokio::test(flavor = "multi_thread")]
async fn every_layer_keeps_the_contract() {
    let retry = Unboxed(RetryLayer::builder().build().unwrap());
    contract::run(&retry, || post::<TestBody>("/"));
    contract::run(&Unboxed(RetryLayer::off()), || post::<TestBody>("/"));

    let policy = ClientPolicy::internal("inventory");
    let policy = policy.circuit(|circuit| circuit.consecutive_failures(1_000).failure_rate(None));
    contract::run(&Unboxed(policy.build().unwrap().layer()), || post::<TestBody>("/"));
    contract::run(&Unboxed(ClientPolicyLayer::off()), || post::<TestBody>("/"));

    let timeout = Unboxed(TimeoutLayer::new(LONG).unwrap());
    contract::run(&timeout, || post::<TestBody>("/"));
    contract::run(&Unboxed(TimeoutLayer::off()), || post::<TestBody>("/"));

    let deadline = DeadlineLayer::new(LONG).unwrap().trusted_callers(trusted());
    contract::run(&deadline, || from_caller("1H"));
    contract::run(&DeadlineLayer::off(), || from_caller("1H"));

    let hedge = Unboxed(HedgeLayer::builder().build().unwrap());
    contract::run(&hedge, || post::<TestBody>("/"));
    contract::run(&hedge, || get::<TestBody>("/"));
    contract::run(&Unboxed(HedgeLayer::off()), || get::<TestBody>("/"));
    contract::assert_auto_traits::<Hedge<()>>();

    let copies = StaleCopies::builder("rates").build().unwrap();
    contract::run(&Unboxed(copies.layer()), || post::<TestBody>("/"));
    contract::run(&Unboxed(StaleLayer::off()), || get::<TestBody>("/"));
    for number in 0..3 {
        // A target for each, since a copy would hide the failures of the suite.
        let layer = Unboxed(StaleCopies::builder("rates").build().unwrap().layer());
        let request = move || get::<TestBody>(&format!("/{number}"));
        match number {
            0 => contract::errors_are_preserved(&layer, request),
            1 => contract::trailers_and_size_hint_survive(&layer, request),
            _ => contract::dropping_the_future_returns_permits(&layer, request),
        }
    }

    contract::run(&Unboxed(FallbackLayer::new(|_| None)), || post::<TestBody>("/"));
    contract::run(&Unboxed(FallbackLayer::off()), || post::<TestBody>("/"));
    contract::run(&Unboxed(RefreshOn401Layer::off()), || post::<TestBody>("/"));
}

#[test]
fn a_passed_deadline_is_refused_like_any_other_refusal() {
    let layer = DeadlineLayer::new(LONG).unwrap().trusted_callers(trusted());
    contract::refusals_are_responses(&layer, || from_caller("0m"));
}

/// Each failure of the suite counts: the circuit passes more of them than there are.
#[test]
fn the_circuit_breaker_keeps_the_contract() {
    let builder = || Circuit::builder("inventory", LONG).consecutive_failures(1_000);
    let circuit = builder().failure_rate(None).build().unwrap();
    contract::run(&Unboxed(circuit.layer()), || post::<TestBody>("/"));
    let by_host = builder().failure_rate(None).build_keyed(key::host(), 5).unwrap();
    contract::run(&Unboxed(by_host.layer()), || post::<TestBody>("/"));
    contract::run(&Unboxed(CircuitBreakerLayer::off()), || post::<TestBody>("/"));
    contract::assert_auto_traits::<CircuitBreaker<()>>();
    contract::assert_auto_traits::<Circuits>();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bulkhead_keeps_the_contract() {
    let limit = ConcurrencyLimit::builder("search", 1_000).build().unwrap();
    contract::run(&Unboxed(limit.layer()), || post::<TestBody>("/"));
    let by_host = ConcurrencyLimit::builder("search", 1_000).queue(1, LONG);
    let by_host = by_host.build_keyed(key::host(), 5).unwrap();
    contract::run(&Unboxed(by_host.layer()), || post::<TestBody>("/"));
    contract::run(&Unboxed(BulkheadLayer::off()), || post::<TestBody>("/"));
    contract::assert_auto_traits::<ConcurrencyLimits>();
}

/// One permit: each call of the suite needs the permit of the one before.
#[tokio::test(flavor = "multi_thread")]
async fn a_bulkhead_with_one_permit_keeps_the_contract() {
    let limit = ConcurrencyLimit::builder("search", 1).queue(10, LONG).build().unwrap();
    let layer = Unboxed(limit.layer());
    contract::wakers_are_kept(&layer, || post::<TestBody>("/"));
    contract::dropping_the_future_returns_permits(&layer, || post::<TestBody>("/"));
    contract::errors_are_preserved(&layer, || post::<TestBody>("/"));
    assert_eq!(limit.snapshot().in_flight, 0);
}
