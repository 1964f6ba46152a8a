//! A circuit for each key.

use hardpoint_core::{Head, Key, KeyMissing};
use hardpoint_resilience::{Circuits, key};

use super::*;
use crate::support::start;

fn by_host(clock: &ManualClock, max_keys: usize) -> Circuits {
    builder(clock).build_keyed(key::host(), max_keys).unwrap()
}

fn to(uri: &str) -> Request<TestBody> {
    Request::get(uri).body(TestBody::default()).unwrap()
}

/// A client for which hosts whose names begin with `down` answer 502.
fn hosts(circuits: &Circuits) -> impl AsyncFn(&str) -> bool {
    let (spy, handle) = Spy::new();
    handle.respond(|head| {
        let down = head.uri.host().is_some_and(|host| host.starts_with("down"));
        Ok(status(if down { 502 } else { 200 }))
    });
    let service = circuits.layer().layer(spy);
    async move |uri: &str| service.clone().oneshot(to(uri)).await.is_ok()
}

fn host(name: &'static str) -> Key<'static> {
    Key::borrowed(name.as_bytes())
}

#[tokio::test]
async fn each_host_has_its_own_circuit() {
    let circuits = by_host(&ManualClock::default(), 10);
    let passes = hosts(&circuits);
    for _ in 0..3 {
        assert!(passes("http://down.example/a").await);
        assert!(passes("http://up.example/").await);
    }
    assert!(!passes("http://down.example/b").await);
    assert!(!passes("http://DOWN.example/c").await, "case does not matter");
    assert!(passes("http://down.example:8080/").await, "another port");
    assert!(passes("http://up.example/").await);
    assert_eq!(circuits.len(), 3);
    let states = |name| circuits.find(&host(name)).map(|circuit| circuit.state());
    assert_eq!(states("down.example"), Some(CircuitState::Open));
    assert_eq!(states("up.example"), Some(CircuitState::Closed));
    assert_eq!(states("never.example"), None);
    let mut open = 0;
    circuits.for_each(|_, circuit| open += usize::from(circuit.state() == CircuitState::Open));
    assert_eq!(open, 1);
}

#[tokio::test]
async fn a_handle_of_a_key_steers_its_circuit() {
    let circuits = by_host(&ManualClock::default(), 10);
    let passes = hosts(&circuits);
    assert!(passes("http://up.example/").await);
    circuits.find(&host("up.example")).unwrap().force_open();
    assert!(!passes("http://up.example/").await);
    assert!(passes("http://also-up.example/").await);
}

#[tokio::test]
async fn idle_circuits_make_room_and_open_ones_do_not() {
    let clock = ManualClock::default();
    let circuits = by_host(&clock, 2);
    let passes = hosts(&circuits);
    for _ in 0..3 {
        assert!(passes("http://down.example/").await);
    }
    assert!(passes("http://a.example/").await);
    // Both are in use: the third host shares the circuit of late-comers.
    assert!(passes("http://b.example/").await);
    assert_eq!((circuits.len(), circuits.shared().snapshot().calls), (2, 1));
    // A window later `a` is idle. `down` is open, or was and waits for a trial: it stays.
    clock.advance(Duration::from_secs(11));
    assert!(passes("http://c.example/").await);
    assert!(circuits.find(&host("a.example")).is_none());
    assert!(circuits.find(&host("c.example")).is_some());
    assert_eq!(circuits.find(&host("down.example")).unwrap().state(), CircuitState::Open);
}

#[tokio::test]
async fn a_circuit_with_a_call_in_flight_does_not_make_room() {
    let clock = ManualClock::default();
    let circuits = by_host(&clock, 1);
    let (spy, handle) = Spy::new();
    handle.hold();
    let mut service = circuits.layer().layer(spy);
    let hanging = start(&mut service, to("http://hangs.example/")).await;
    clock.advance(Duration::from_secs(60));
    let late = start(&mut service, to("http://late.example/")).await;
    assert!(circuits.find(&host("late.example")).is_none());
    drop(hanging);
    let snapshot = circuits.find(&host("hangs.example")).unwrap().snapshot();
    assert_eq!((snapshot.calls, snapshot.failed), (1, 1), "it hung");
    // Its window has passed, and no call is in flight.
    clock.advance(Duration::from_secs(60));
    drop((late, start(&mut service, to("http://late.example/")).await));
    assert!(circuits.find(&host("late.example")).is_some());
    assert_eq!(circuits.len(), 1);
}

#[tokio::test]
async fn the_number_of_circuits_is_bounded() {
    let clock = ManualClock::default();
    let circuits = by_host(&clock, 5);
    let passes = hosts(&circuits);
    for number in 0..200 {
        assert!(passes(&format!("http://h{number}.example/")).await);
        clock.advance(Duration::from_secs(1));
        assert!(circuits.len() <= 5);
    }
}

#[tokio::test]
async fn calls_without_a_key_share_a_circuit() {
    fn tenant(_head: Head<'_>) -> Result<Key<'_>, KeyMissing> {
        Err(KeyMissing::new("tenant"))
    }

    let clock = ManualClock::default();
    let circuits = builder(&clock).build_keyed(tenant, 5).unwrap();
    let (spy, _) = answering(500, &[]);
    let mut service = circuits.layer().layer(spy);
    for _ in 0..3 {
        assert!(call(&mut service).await.is_ok());
    }
    assert!(call(&mut service).await.is_err());
    assert!(circuits.is_empty());
    assert_eq!(circuits.shared().state(), CircuitState::Open);
    assert_eq!(circuits.name(), "inventory");
}

#[tokio::test]
async fn keys_do_not_appear_in_debug() {
    let circuits = by_host(&ManualClock::default(), 5);
    let (spy, _) = Spy::new();
    assert!(circuits.layer().layer(spy).oneshot(to("http://canary.example/")).await.is_ok());
    assert_eq!(circuits.len(), 1);
    let shown = format!("{circuits:?} {:?}", circuits.layer());
    assert!(!shown.contains("canary"), "{shown}");
}

/// Many threads meet many new keys at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_has_one_circuit_whoever_meets_it_first() {
    let clock = ManualClock::default();
    let circuits = builder(&clock).consecutive_failures(1_000_000).failure_rate(None);
    let circuits = circuits.slow_rate(None).build_keyed(key::host(), 50).unwrap();
    let (spy, _) = answering(500, &[]);
    let service = circuits.layer().layer(spy);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let service = service.clone();
        tasks.spawn(async move {
            for number in 0..50 {
                let uri = format!("http://h{number}.example/");
                assert!(service.clone().oneshot(to(&uri)).await.is_ok());
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(circuits.len(), 50);
    circuits.for_each(|_, circuit| assert_eq!(circuit.snapshot().calls, 8, "{circuit:?}"));
}
