//! Allocations on the accept path.

use std::time::Duration;

use hardpoint_core::ManualClock;
use hardpoint_resilience::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, Class, ClientPolicy, ClientPolicyLayer,
    ConcurrencyLimit, DeadlineLayer, HedgeLayer, RetryBudget, RetryLayer, StaleCopies, StaleLayer,
    TimeoutLayer, key,
};
use hardpoint_testkit::{TestBody, contract};

use crate::support::{Unboxed, get, post};

#[test]
fn a_call_that_cannot_be_retried_allocates_nothing() {
    let empty = RetryBudget::ratio(0.0).reserve_per_second(0);
    let layer = RetryLayer::builder().budget(&empty).build().unwrap();
    contract::allocations("retry, budget empty", &Unboxed(layer), || get::<TestBody>("/"))
        .assert_layer(0);
    let layer = RetryLayer::builder().attempts(1).build().unwrap();
    contract::allocations("retry, one attempt", &Unboxed(layer), || get::<TestBody>("/"))
        .assert_layer(0);
    contract::allocations("retry, off", &Unboxed(RetryLayer::off()), || get::<TestBody>("/"))
        .assert_layer(0);
}

#[test]
fn a_call_that_can_be_retried_clones_its_head() {
    let layer = RetryLayer::builder().build().unwrap();
    // The measured request has no header, and its path is not allocated. The layer clones only the
    // room that the measurement reserves in the header map, and the context.
    let measured =
        contract::allocations("retry, prepared", &Unboxed(layer.clone()), || get::<TestBody>("/"));
    measured.assert_layer(4);
    // A body adds its recording.
    let body = || post::<TestBody>("/").map(|_| TestBody::from("hello"));
    contract::allocations("retry, with a body", &Unboxed(layer), body).assert_layer(6);
}

#[test]
fn a_call_that_cannot_be_hedged_allocates_nothing() {
    let empty = RetryBudget::ratio(0.0);
    let learning = HedgeLayer::builder().build().unwrap();
    let broke = HedgeLayer::builder().min_calls(20).budget(&empty).build().unwrap();
    for (name, layer) in [("hedge, learning", learning), ("hedge, budget empty", broke)] {
        // The layer learns from the measured calls.
        for _ in 0..5 {
            contract::allocations(name, &Unboxed(layer.clone()), || post::<TestBody>("/"))
                .assert_layer(0);
            contract::allocations(name, &Unboxed(layer.clone()), || get::<TestBody>("/"))
                .assert_layer(0);
            if name == "hedge, learning" {
                break;
            }
        }
    }
    contract::allocations("hedge, off", &Unboxed(HedgeLayer::off()), || get::<TestBody>("/"))
        .assert_layer(0);
}

#[tokio::test]
async fn a_call_that_can_be_hedged_clones_its_head() {
    let unlimited = RetryBudget::unlimited();
    let layer = HedgeLayer::builder().min_calls(20).budget(&unlimited).build().unwrap();
    let measure = || {
        let layer = Unboxed(layer.clone());
        contract::allocations("hedge, prepared", &layer, || get::<TestBody>("/"))
    };
    while layer.delay().is_none() {
        let _learned = measure();
    }
    // The clone of the head, as for a retry, and the state of the second attempt.
    measure().assert_layer(5);
}

#[test]
fn a_request_without_copies_allocates_nothing() {
    // Time does not pass: the first response is always recent enough.
    let clock = ManualClock::default();
    let copies = StaleCopies::builder("rates").time(&clock).build().unwrap();
    contract::allocations("stale copies, POST", &Unboxed(copies.layer()), || post::<TestBody>("/"))
        .assert_layer(0);
    contract::allocations("stale copies, off", &Unboxed(StaleLayer::off()), || {
        get::<TestBody>("/")
    })
    .assert_layer(0);
    // The key. The response is not recorded again.
    contract::allocations("stale copies, kept", &Unboxed(copies.layer()), || get::<TestBody>("/"))
        .assert_layer(1);
}

#[test]
fn a_timeout_allocates_its_extension() {
    let layer = TimeoutLayer::new(Duration::from_secs(1)).unwrap();
    // The deadline in the request's extensions, which a retry reads.
    contract::allocations("timeout", &Unboxed(layer), || get::<TestBody>("/")).assert_layer(1);
}

#[test]
fn a_deadline_allocates_only_the_context() {
    let layer = DeadlineLayer::new(Duration::from_secs(1)).unwrap();
    contract::allocations("deadline", &layer, || get::<TestBody>("/")).assert_layer(0);
}

#[test]
fn a_call_through_a_closed_circuit_allocates_nothing() {
    let builder = || Circuit::builder("inventory", Duration::from_secs(1));
    let circuit = builder().build().unwrap();
    let by_host = builder().build_keyed(key::host(), 10).unwrap();
    for (name, layer) in [
        ("circuit breaker", circuit.layer()),
        ("circuit breaker by host", by_host.layer()),
        ("circuit breaker, off", CircuitBreakerLayer::off()),
    ] {
        let request = || get::<TestBody>("http://inventory.example/");
        contract::allocations(name, &Unboxed(layer), request).assert_layer(0);
    }
    let call = || circuit.acquire().map(|permit| permit.record(Class::Success)).is_ok();
    assert_eq!(contract::allocations_in(|| assert!(call())), 0);
}

#[test]
fn a_call_through_a_bulkhead_with_room_allocates_nothing() {
    let builder = || ConcurrencyLimit::builder("search", 10).queue(5, Duration::from_secs(1));
    let limit = builder().build().unwrap();
    let by_host = builder().build_keyed(key::host(), 10).unwrap();
    for (name, layer) in [
        ("bulkhead", limit.layer()),
        ("bulkhead by host", by_host.layer()),
        ("bulkhead, off", BulkheadLayer::off()),
    ] {
        let request = || get::<TestBody>("http://inventory.example/");
        contract::allocations(name, &Unboxed(layer), request).assert_layer(0);
    }
    assert_eq!(contract::allocations_in(|| limit.try_acquire().is_ok()), 0);
}

#[test]
fn a_whole_policy_allocates_what_its_parts_do() {
    let policy = ClientPolicy::external_api("payments").build().unwrap();
    // The clone of the head: the deadline is in no extension.
    contract::allocations("client policy", &Unboxed(policy.layer()), || get::<TestBody>("/"))
        .assert_layer(4);
    // One that hedges boxes each attempt, also while it learns.
    let policy = ClientPolicy::external_api("payments").hedge(|hedge| hedge).build().unwrap();
    contract::allocations("client policy, hedging", &Unboxed(policy.layer()), || {
        get::<TestBody>("/")
    })
    .assert_layer(5);
    contract::allocations("client policy, off", &Unboxed(ClientPolicyLayer::off()), || {
        get::<TestBody>("/")
    })
    .assert_layer(0);
}
