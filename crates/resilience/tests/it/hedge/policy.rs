//! Hedges in a client policy.

use std::time::Duration;

use hardpoint_core::Time;
use hardpoint_resilience::{ClientPolicy, ClientPolicyBuilder, RetryBudget, key};
use hardpoint_testkit::{TestBody, clock::TokioClock};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use super::{Destination, Log, after, ms};
use crate::support::get;

fn builder() -> ClientPolicyBuilder {
    ClientPolicy::internal("search")
        .time(Time::custom(TokioClock::new()))
        .retry(|retry| retry.budget(&RetryBudget::unlimited()))
        .hedge(|hedge| hedge.min_calls(20))
}

/// The status of a call to `url`, and its time.
async fn call(policy: &ClientPolicy, destination: &Destination, url: &str) -> (u16, u128) {
    let client = policy.layer().layer(destination.client());
    let started = Instant::now();
    let response = client.oneshot(get::<TestBody>(url)).await.unwrap();
    (response.status().as_u16(), started.elapsed().as_millis())
}

/// A destination that the policy has called twenty times.
async fn known_to(policy: &ClientPolicy) -> Destination {
    let destination = Destination::default();
    destination.play(&[after(10, 200)]);
    for _ in 0..20 {
        assert_eq!(call(policy, &destination, "http://a.example/").await, (200, 10));
    }
    destination
}

#[tokio::test(start_paused = true)]
async fn a_slow_attempt_has_a_hedge_paid_by_the_budget_of_the_retries() {
    let (budget, log) = (RetryBudget::ratio(0.1).reserve_per_second(0), Log::default());
    let shared = budget.clone();
    let policy = builder()
        .retry(move |retry| retry.budget(&shared))
        .telemetry(&log.telemetry())
        .build()
        .unwrap();
    let destination = known_to(&policy).await;
    assert_eq!(budget.stored(), 2, "a tenth of twenty calls, deposited once");
    for (stored, took) in [(1, 21), (0, 21), (0, 900)] {
        destination.play(&[after(900, 200), after(10, 200)]);
        assert_eq!(call(&policy, &destination, "http://a.example/").await, (200, took));
        assert_eq!(budget.stored(), stored);
    }
    assert_eq!(log.take(), ["hedge"; 2]);
    assert!(policy.hedge_delay().is_some_and(|delay| delay >= ms(10)));
}

#[tokio::test(start_paused = true)]
async fn hedging_is_off_unless_it_is_asked_for() {
    let time = Time::custom(TokioClock::new());
    let policy = ClientPolicy::internal("search").time(time).build().unwrap();
    let destination = Destination::default();
    destination.play(&[after(10, 200)]);
    for _ in 0..200 {
        call(&policy, &destination, "http://a.example/").await;
    }
    destination.play(&[after(900, 200)]);
    assert_eq!(call(&policy, &destination, "http://a.example/").await, (200, 900));
    assert_eq!((destination.calls(), policy.hedge_delay()), (1, None));
}

#[tokio::test(start_paused = true)]
async fn a_policy_without_retries_can_hedge() {
    let log = Log::default();
    let policy = builder().without_retry().telemetry(&log.telemetry()).build().unwrap();
    let destination = known_to(&policy).await;
    destination.play(&[after(900, 200), after(10, 200)]);
    assert_eq!(call(&policy, &destination, "http://a.example/").await, (200, 21));
    assert_eq!(log.take(), ["hedge"]);
}

#[tokio::test(start_paused = true)]
async fn both_attempts_pass_the_circuit_and_hold_a_permit() {
    let log = Log::default();
    let policy = builder().max_concurrent(1).telemetry(&log.telemetry()).build().unwrap();
    let destination = known_to(&policy).await;
    destination.play(&[after(100, 200), after(10, 200)]);
    assert_eq!(call(&policy, &destination, "http://a.example/").await, (200, 100));
    assert_eq!((destination.calls(), log.take()), (1, vec!["shed"]), "the first has the permit");

    let policy = builder().max_concurrent(2).build().unwrap();
    let destination = known_to(&policy).await;
    let before = policy.circuit().unwrap().snapshot();
    destination.play(&[after(100, 500), after(200, 200)]);
    assert_eq!(call(&policy, &destination, "http://a.example/").await.0, 200);
    let circuit = policy.circuit().unwrap().snapshot();
    assert_eq!((circuit.calls - before.calls, circuit.failed), (2, 1));
    assert_eq!(policy.limit().unwrap().snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_has_one_hedge_however_often_it_is_retried() {
    let policy = builder().without_circuit().build().unwrap();
    let destination = known_to(&policy).await;
    destination.play(&[after(100, 500)]);
    assert_eq!(call(&policy, &destination, "http://a.example/").await.0, 500);
    let numbers = [None, Some("2"), Some("2"), Some("3")].map(|number| number.map(str::to_owned));
    assert_eq!(destination.numbers(), numbers);

    let external = ClientPolicy::external_api("search").hedge(|hedge| hedge.min_calls(20));
    let external = external.time(Time::custom(TokioClock::new())).build().unwrap();
    let destination = known_to(&external).await;
    destination.play(&[after(900, 200), after(10, 200)]);
    assert_eq!(call(&external, &destination, "http://a.example/").await, (200, 21));
    assert_eq!(destination.numbers(), [None, None], "nothing that the request does not contain");
}

#[tokio::test(start_paused = true)]
async fn each_host_has_durations_and_a_budget() {
    let budget = RetryBudget::ratio(0.1).reserve_per_second(0);
    let policy =
        builder().retry(move |retry| retry.budget(&budget)).by(key::host(), 10).build().unwrap();
    let destination = known_to(&policy).await;
    for (host, took) in [("b", 900), ("a", 21), ("a", 21), ("a", 900)] {
        destination.play(&[after(900, 200), after(10, 200)]);
        let url = format!("http://{host}.example/");
        assert_eq!(call(&policy, &destination, &url).await, (200, took), "{host}");
    }
    assert_eq!(policy.hedge_delay(), None, "one for each host");
}

#[test]
fn a_hedge_that_is_never_due_is_a_mistake() {
    let policy = ClientPolicy::internal("search").attempt_timeout(ms(100));
    let policy = policy.hedge(|hedge| hedge.floor(ms(100)).percentile(2.0));
    let error = policy.build().unwrap_err();
    println!("{error}");
    let settings: Vec<_> = error.mistakes().iter().map(|mistake| mistake.setting()).collect();
    assert_eq!(settings, ["hedge.percentile", "hedge.floor"]);
    // The default ceiling makes room for a floor.
    let policy = ClientPolicy::internal("search").attempt_timeout(Duration::from_secs(1));
    assert!(policy.hedge(|hedge| hedge.floor(ms(800))).build().is_ok());
}
