//! Calls through a closed circuit.

use std::time::Duration;

use failsafe::CircuitBreaker as _;
use hardpoint::core::Time;
use hardpoint_bench_harness::{
    exchange::Pong,
    measure::{Contender, Plan},
    report::{Contest, Goal},
};
use hardpoint_resilience::{Circuit, CircuitBuilder, Class, key};
use tower_layer::Layer;
use tower_resilience_circuitbreaker::{CircuitBreakerLayer, SlidingWindowType};

use super::{ADDED, through};

/// With all triggers on, as by default.
fn builder() -> CircuitBuilder {
    Circuit::builder("bench", Duration::from_secs(1))
}

fn ours() -> Circuit {
    builder().build().expect("the defaults work")
}

#[inline]
fn call(circuit: &Circuit) -> bool {
    let permit = circuit.acquire();
    permit.map(|permit| permit.record(Class::Success)).is_ok()
}

fn all_in_ours() -> Contender<'static> {
    let circuit = ours();
    Contender::new(move || call(&circuit))
}

/// failsafe as its documentation says: failures in a row or the success rate.
fn failsafe() -> Contender<'static> {
    let breaker = failsafe::Config::new().build();
    Contender::new(move || breaker.call(|| Ok::<_, ()>(())).is_ok())
}

/// recloser with its defaults.
fn recloser() -> recloser::Recloser {
    recloser::Recloser::custom().build()
}

pub(super) fn all_in() -> Contest<'static> {
    Contest::new(all_in_ours(), failsafe()).goal(Goal::Value(80.0))
}

pub(super) fn beside_recloser() -> Contest<'static> {
    let peer = recloser();
    let peer = Contender::new(move || peer.call(|| Ok::<_, ()>(())).is_ok());
    Contest::new(all_in_ours(), peer).goal(Goal::Value(80.0))
}

pub(super) fn start_given() -> Contest<'static> {
    // One start for the whole measurement, which must not make the calls slow.
    let circuit = Circuit::builder("bench", Duration::from_hours(1)).build().expect("valid");
    let start = Time::system().now();
    let ours = Contender::new(move || {
        // Not inlined into a constant: the start is a field of the request's context.
        let permit = circuit.acquire_at(std::hint::black_box(start));
        permit.map(|permit| permit.record_at(Class::Success, None, Time::system().now())).is_ok()
    });
    Contest::new(ours, failsafe()).goal(Goal::Value(40.0))
}

pub(super) fn both_given() -> Contest<'static> {
    let (circuit, start) = (ours(), Time::system().now());
    let ours = Contender::new(move || {
        let permit = circuit.acquire_at(std::hint::black_box(start));
        permit.map(|permit| permit.record_at(Class::Success, None, start)).is_ok()
    });
    Contest::new(ours, failsafe()).goal(Goal::Value(40.0))
}

pub(super) fn beside_recloser_on_two() -> Contest<'static> {
    let peer = recloser();
    on_two(move || peer.call(|| Ok::<_, ()>(())).is_ok())
}

pub(super) fn beside_failsafe_on_two() -> Contest<'static> {
    let peer = failsafe::Config::new().build();
    on_two(move || peer.call(|| Ok::<_, ()>(())).is_ok())
}

/// Two threads through one circuit, beside two through one of the peer's.
fn on_two(peer: impl Fn() -> bool + Send + Sync + 'static) -> Contest<'static> {
    let circuit = ours();
    let ours = Contender::on_threads(2, move |_, _| assert!(call(&circuit)));
    // Samples are long beside what it takes to wake two threads, or they would not run together.
    let plan = Plan { rounds: 41, sample: Duration::from_millis(40), ..Plan::default() };
    Contest::new(ours, Contender::on_threads(2, move |_, _| assert!(peer()))).plan(plan)
}

/// Ours with a full window beside ours with a nearly empty one.
pub(super) fn flat() -> Contest<'static> {
    let [full, empty] = [1_000_000, 1_000].map(|calls| {
        // A window that keeps what it is given for the whole measurement.
        let circuit = builder().window(Duration::from_hours(1)).build().expect("valid");
        for _ in 0..calls {
            assert!(call(&circuit));
        }
        Contender::new(move || call(&circuit))
    });
    Contest::new(full, empty).goal(Goal::Ratio(1.1))
}

/// The peer's window by time keeps a record of each call and reads all of them at each call.
pub(super) fn by_time() -> Contest<'static> {
    const CALLS: usize = 10_000;

    let layer = CircuitBreakerLayer::builder()
        .sliding_window_type(SlidingWindowType::TimeBased)
        .sliding_window_duration(Duration::from_hours(1))
        .slow_call_duration_threshold(Duration::from_secs(1))
        .build()
        .expect("valid");
    let (mut ours, mut peer) = (through(ours().layer().layer(Pong)), through(layer.layer(Pong)));
    for contender in [&mut ours, &mut peer] {
        contender.run(CALLS as u64, &mut |calls| calls());
    }
    let plan = Plan { rounds: 21, most: 32, warm_up: Duration::ZERO, ..Plan::prepared() };
    Contest::new(ours, peer).plan(plan)
}

fn peer_layer() -> Contender<'static> {
    let layer = CircuitBreakerLayer::builder()
        .slow_call_duration_threshold(Duration::from_secs(1))
        .build()
        .expect("valid");
    through(layer.layer(Pong))
}

pub(super) fn layer() -> Contest<'static> {
    Contest::new(through(ours().layer().layer(Pong)), peer_layer()).plan(Plan::prepared()).floor(
        ADDED,
        through(Pong),
        Some(Goal::Value(80.0)),
    )
}

pub(super) fn layer_by_host() -> Contest<'static> {
    let circuits = builder().build_keyed(key::host(), 100).expect("valid");
    let request = || {
        let builder = http::Request::builder().uri("http://inventory.example/");
        builder.body(()).expect("a request")
    };
    let mut service = circuits.layer().layer(Pong);
    let ours = Contender::prepared(request, move |request| {
        hardpoint_bench_harness::exchange::exchange(&mut service, request)
    });
    Contest::new(ours, peer_layer()).plan(Plan::prepared())
}
