//! Dropped calls.

use std::pin::pin;

use hardpoint_core::Time;
use hardpoint_testkit::clock::TokioClock;
use proptest::{
    prelude::Rng,
    test_runner::{RngAlgorithm, TestRng},
};

use super::*;
use crate::support::{poll_once, start};

/// A destination that hangs, called through a breaker with an outer time-out. Neither
/// tower-resilience nor failsafe nor recloser sees it: they record nothing when a future is dropped.
#[tokio::test(start_paused = true)]
async fn calls_that_hang_until_an_outer_timeout_open_the_circuit() {
    for timeout in [SLOW, SLOW * 3] {
        let circuit = Circuit::builder("inventory", SLOW)
            .time(Time::custom(TokioClock::new()))
            .build()
            .unwrap();
        let (spy, handle) = Spy::new();
        handle.hold();
        let service = circuit.layer().layer(spy);
        let mut hung = 0;
        while circuit.state() == CircuitState::Closed {
            let call = service.clone().oneshot(get::<TestBody>("/"));
            assert!(tokio::time::timeout(timeout, call).await.is_err());
            hung += 1;
            assert!(hung < 100, "the circuit does not see hung calls");
        }
        println!("hung calls dropped by an outer time-out of {timeout:?} until the trip: {hung}");
        assert_eq!(hung, 5);
        assert_eq!(handle.counts().cancelled, 5);
    }
}

#[tokio::test]
async fn calls_that_are_dropped_early_show_nothing() {
    let clock = ManualClock::default();
    let circuit = circuit(&clock);
    let (spy, handle) = Spy::new();
    handle.hold();
    let mut service = circuit.layer().layer(spy);
    for _ in 0..20 {
        let mut future = pin!(start(&mut service, get::<TestBody>("/")).await);
        assert!(poll_once(future.as_mut()).is_pending());
        clock.advance(SLOW - Duration::from_nanos(1));
    }
    assert_eq!((circuit.state(), circuit.snapshot().calls), (CircuitState::Closed, 0));
}

#[tokio::test]
async fn a_dropped_trial_returns_its_permit() {
    let clock = ManualClock::default();
    let circuit = circuit(&clock);
    open(&circuit);
    clock.advance(SLOW);
    let (spy, handle) = Spy::new();
    handle.hold();
    let mut service = circuit.layer().layer(spy);
    for _ in 0..10 {
        let dropped = start(&mut service, get::<TestBody>("/")).await;
        assert!(circuit.acquire().is_err(), "the only trial call is in flight");
        drop(dropped);
        assert_eq!(circuit.state(), CircuitState::HalfOpen);
    }
    handle.release();
    assert!(call(&mut service).await.is_ok());
    assert_eq!(circuit.state(), CircuitState::Closed);
}

#[tokio::test]
async fn a_trial_that_hangs_and_is_dropped_opens_the_circuit_again() {
    let clock = ManualClock::default();
    let circuit = circuit(&clock);
    open(&circuit);
    clock.advance(SLOW);
    let trial = circuit.acquire().unwrap();
    assert!(trial.is_trial());
    clock.advance(SLOW);
    drop(trial);
    assert_eq!(circuit.state(), CircuitState::Open);
}

#[tokio::test]
async fn a_panic_returns_the_permit() {
    let clock = ManualClock::default();
    let circuit = circuit(&clock);
    open(&circuit);
    clock.advance(SLOW);
    let service = circuit.layer().layer(service_fn(|_request: Request<TestBody>| async {
        std::future::ready(()).await;
        if true {
            panic!("a bug of the client");
        }
        Ok::<_, Infallible>(status::<TestBody>(200))
    }));
    let result = tokio::spawn(service.oneshot(get::<TestBody>("/"))).await;
    assert!(result.unwrap_err().is_panic());
    assert!(circuit.acquire().is_ok(), "the trial's permit came back");
}

/// Futures that are dropped after any number of polls, at any time, in any state of the circuit.
#[tokio::test]
async fn a_million_random_drops_leak_no_permit() {
    let clock = ManualClock::default();
    let open_for = Duration::from_millis(5);
    let circuit = builder(&clock).trial_calls(2).open_for(open_for, open_for).build().unwrap();
    let (spy, handle) = Spy::silent();
    handle.hold();
    let mut service = circuit.layer().layer(spy);
    let mut numbers = TestRng::deterministic_rng(RngAlgorithm::XorShift);
    let mut draw = move |bound: u32| numbers.next_u32() % bound;
    let (mut dropped, mut refused, mut hung) = (0_u32, 0, 0);
    while dropped < 1_000_000 {
        let mut held = Vec::new();
        for _ in 0..=draw(4) {
            let mut future = Box::pin(start(&mut service, get::<()>("/")).await);
            let ready = (0..draw(3)).find_map(|_| match poll_once(future.as_mut()) {
                std::task::Poll::Ready(result) => Some(result.is_err()),
                std::task::Poll::Pending => None,
            });
            refused += u32::from(ready == Some(true));
            held.push(future);
        }
        if draw(50) == 0 {
            clock.advance(SLOW);
            hung += 1;
        }
        clock.advance(Duration::from_millis(draw(3).into()));
        while !held.is_empty() {
            drop(held.swap_remove(draw(u32::try_from(held.len()).unwrap()) as usize));
            dropped += 1;
        }
    }
    println!("{dropped} futures dropped, {refused} of them refused, {hung} times hung");
    assert!(refused > 1_000 && hung > 1_000, "all states were met");
    assert_eq!(handle.counts().in_flight, 0);
    // From every state: after a wait, both trial calls are free, and the circuit closes.
    clock.advance(SLOW);
    handle.release();
    for _ in 0..2 {
        assert!(start(&mut service, get::<()>("/")).await.await.is_ok());
    }
    assert_eq!(circuit.state(), CircuitState::Closed);
}
