use std::time::Duration;

use bytes::Bytes;
use hardpoint::{
    core::ManualClock,
    resilience::{
        Circuit, Class, ClientPolicy, ConcurrencyLimit, HedgeLayer, RetryBudget, RetryLayer,
    },
};
use hardpoint_bench_harness::exchange::{Pong, exchange};
use http::{Request, StatusCode};
use http_body_util::Empty;
use tower_layer::Layer;

use super::Scenario;

fn circuit() -> Circuit {
    let builder = Circuit::builder("inventory", Duration::from_secs(1));
    builder.time(ManualClock::default()).build().expect("the defaults work")
}

/// A call through a closed circuit, without a request.
#[must_use]
pub fn breaker_call() -> Scenario {
    let circuit = circuit();
    Scenario::new(
        || (),
        move |()| circuit.acquire().expect("the circuit is closed").record(Class::Success),
    )
}

/// A call through a closed circuit, through the layer.
#[must_use]
pub fn breaker_closed() -> Scenario {
    let mut service = circuit().layer().layer(Pong);
    Scenario::new(
        || Request::new(()),
        move |request| assert_eq!(exchange(&mut service, request), StatusCode::OK),
    )
}

/// A call that an open circuit refuses.
#[must_use]
pub fn breaker_refuse() -> Scenario {
    let circuit = circuit();
    for _ in 0..5 {
        circuit.acquire().expect("the circuit is closed").record(Class::Failed);
    }
    Scenario::new(|| (), move |()| assert!(circuit.acquire().is_err()))
}

/// A call that finds a permit, through the layer.
#[must_use]
pub fn bulkhead_permit() -> Scenario {
    let limit = ConcurrencyLimit::builder("search", 10).build().expect("valid");
    let mut service = limit.layer().layer(Pong);
    Scenario::new(
        || Request::new(()),
        move |request| assert_eq!(exchange(&mut service, request), StatusCode::OK),
    )
}

/// A call through a retry that cannot retry it.
#[must_use]
pub fn retry_one_attempt() -> Scenario {
    let retry = RetryLayer::builder().attempts(1).time(ManualClock::default());
    let mut service = retry.build().expect("valid").layer(Pong);
    Scenario::new(
        || Request::new(Empty::<Bytes>::new()),
        move |request| assert_eq!(exchange(&mut service, request), StatusCode::OK),
    )
}

/// A call whose duration a hedge layer records.
#[must_use]
pub fn hedge_learning() -> Scenario {
    let hedge = HedgeLayer::builder().time(ManualClock::default());
    let mut service = hedge.build().expect("valid").layer(Pong);
    Scenario::new(
        || Request::new(Empty::<Bytes>::new()),
        move |request| assert_eq!(exchange(&mut service, request), StatusCode::OK),
    )
}

/// A call through a whole client policy, which could retry it.
#[must_use]
pub fn client_policy() -> Scenario {
    let earned = RetryBudget::default();
    (0..20).for_each(|_| earned.deposit());
    let policy = ClientPolicy::internal("inventory").time(ManualClock::default());
    let policy = policy.retry(|retry| retry.budget(&earned)).build().expect("valid");
    let mut service = policy.layer().layer(Pong);
    Scenario::new(
        || Request::new(Empty::<Bytes>::new()),
        move |request| assert_eq!(exchange(&mut service, request), StatusCode::OK),
    )
}
