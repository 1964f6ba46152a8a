//! The circuit breaker.

mod bodies;
mod cancellation;
mod keyed;
mod settings;

use std::{
    convert::Infallible,
    error::Error,
    fmt, io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hardpoint_core::{
    Event, ManualClock, Telemetry,
    event::{CallRefused, CircuitChanged, CircuitState},
};
use hardpoint_resilience::{
    BoxError, Circuit, CircuitBreakerLayer, CircuitBuilder, CircuitOpen, Class, Classifier, Jitter,
};
use hardpoint_testkit::{
    TestBody,
    spy::{Spy, SpyHandle},
};
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{get, status};

const SLOW: Duration = Duration::from_secs(1);

/// Trips after three failures in a row, and passes one trial call.
fn builder(clock: &ManualClock) -> CircuitBuilder {
    Circuit::builder("inventory", SLOW)
        .consecutive_failures(3)
        .trial_calls(1)
        .time(clock)
        .jitter(Jitter::seeded(7))
}

fn circuit(clock: &ManualClock) -> Circuit {
    builder(clock).build().unwrap()
}

/// A spy that answers with this status and these header fields.
fn answering(code: u16, headers: &'static [(&'static str, &'static str)]) -> (Spy, SpyHandle) {
    let (spy, handle) = Spy::new();
    handle.respond(move |_| {
        let mut response = status(code);
        for (name, value) in headers {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        Ok(response)
    });
    (spy, handle)
}

/// The status of a response, or whether the circuit refused the call.
async fn call<S, B>(service: &mut S) -> Result<u16, CircuitOpen>
where
    S: Service<Request<TestBody>, Response = Response<B>, Error = BoxError>,
{
    match service.ready().await.unwrap().call(get::<TestBody>("/")).await {
        Ok(response) => Ok(response.status().as_u16()),
        Err(error) => Err(*error.downcast().unwrap()),
    }
}

/// Opens a closed circuit.
fn open(circuit: &Circuit) {
    for _ in 0..100 {
        match circuit.acquire() {
            Ok(permit) => permit.record(Class::Failed),
            Err(_) => return,
        }
    }
    panic!("100 failures do not open the circuit");
}

#[tokio::test]
async fn failures_of_every_kind_open_the_circuit_and_answers_do_not() {
    for (code, opens) in [
        (500, true),
        (502, true),
        (503, true),
        (504, true),
        (408, true),
        (200, false),
        (304, false),
        (400, false),
        (404, false),
        (429, false), // in a row; in the rate it counts
        (501, false),
    ] {
        let circuit = circuit(&ManualClock::default());
        let (spy, handle) = answering(code, &[]);
        let mut service = circuit.layer().layer(spy);
        for _ in 0..3 {
            assert_eq!(call(&mut service).await.unwrap(), code);
        }
        assert_eq!(call(&mut service).await.is_err(), opens, "{code}");
        assert_eq!(handle.calls(), if opens { 3 } else { 4 }, "{code}");
    }
}

#[tokio::test]
async fn throttled_calls_open_the_circuit_by_their_rate() {
    let circuit = circuit(&ManualClock::default());
    let (spy, _) = answering(429, &[]);
    let mut service = circuit.layer().layer(spy);
    let mut calls = 0;
    while call(&mut service).await.is_ok() {
        calls += 1;
    }
    assert_eq!(calls, 20, "the least number of calls for a rate");
}

/// A client that fails with this kind of error.
fn failing(
    kind: io::ErrorKind,
) -> impl Service<Request<TestBody>, Response = Response<TestBody>, Error = io::Error> + Clone {
    service_fn(move |_request: Request<TestBody>| async move {
        Err::<Response<TestBody>, _>(io::Error::from(kind))
    })
}

#[tokio::test]
async fn errors_open_the_circuit_and_keep_their_type() {
    for kind in [io::ErrorKind::ConnectionRefused, io::ErrorKind::ConnectionReset] {
        let circuit = circuit(&ManualClock::default());
        let mut service = circuit.layer().layer(failing(kind));
        for _ in 0..3 {
            let error =
                service.ready().await.unwrap().call(get::<TestBody>("/")).await.unwrap_err();
            assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), kind);
        }
        assert_eq!(circuit.state(), CircuitState::Open);
    }
}

#[tokio::test]
async fn calls_that_an_inner_policy_refused_are_ignored() {
    let clock = ManualClock::default();
    let inner = circuit(&clock);
    inner.force_open();
    let outer = circuit(&clock);
    let (spy, _) = Spy::new();
    let mut service = outer.layer().layer(inner.layer().layer(spy));
    for _ in 0..10 {
        let refused = call(&mut service).await.unwrap_err();
        assert_eq!(refused.circuit(), "inventory");
        assert_eq!(refused.retry_after(), None, "an operator opened it");
    }
    assert_eq!(outer.state(), CircuitState::Closed);
    assert_eq!(outer.snapshot().calls, 0);
}

#[tokio::test]
async fn a_classifier_of_the_user_decides() {
    let classifier = Classifier::new()
        .response(|code, _| (code == http::StatusCode::NOT_FOUND).then_some(Class::Failed));
    let clock = ManualClock::default();
    let circuit = builder(&clock).classifier(classifier).build().unwrap();
    let (spy, _) = answering(404, &[]);
    let mut service = circuit.layer().layer(spy);
    for _ in 0..3 {
        assert!(call(&mut service).await.is_ok());
    }
    assert!(call(&mut service).await.is_err());
}

#[tokio::test]
async fn the_circuit_opens_tries_and_closes_and_reports_each_change() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let telemetry = Telemetry::new(move |event: &Event<'_>| {
        log.lock().unwrap().push(match event {
            Event::CircuitChanged(CircuitChanged { circuit, state, .. }) => {
                format!("{circuit} {}", state.as_str())
            }
            Event::CallRefused(CallRefused { policy, guard, .. }) => {
                format!("{policy} refused by {}", guard.as_str())
            }
            other => format!("{other:?}"),
        });
    });
    let clock = ManualClock::default();
    let circuit = circuit(&clock);
    let (spy, handle) = answering(503, &[]);
    let mut service = circuit.layer().telemetry(&telemetry).layer(spy);
    for _ in 0..3 {
        assert!(call(&mut service).await.is_ok());
    }
    let refused = call(&mut service).await.unwrap_err();
    let wait = refused.retry_after().unwrap();
    assert!(wait >= Duration::from_millis(800) && wait <= Duration::from_secs(1), "{wait:?}");
    assert_eq!(refused.to_string(), "the circuit `inventory` is open");

    clock.advance(wait);
    handle.respond(|_| Ok(status(200)));
    assert!(call(&mut service).await.is_ok());
    assert_eq!(circuit.state(), CircuitState::Closed);
    let expected = [
        "inventory open",
        "inventory refused by circuit_breaker",
        "inventory half_open",
        "inventory closed",
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn retry_after_lengthens_the_wait_and_is_bounded() {
    let hints: [(&'static [(&str, &str)], _, _); 7] = [
        (&[("retry-after", "30")], 30, 36),
        (&[("retry-after", "Fri, 15 Jan 2027 08:00:30 GMT")], 30, 36),
        (&[("grpc-retry-pushback-ms", "30000")], 30, 36),
        (&[("retry-after", "31536000")], 300, 360),
        // The past, garbage, and a refusal of retries ask for no time.
        (&[("retry-after", "Thu, 14 Jan 2027 08:00:00 GMT")], 0, 1),
        (&[("retry-after", "soon")], 0, 1),
        (&[("grpc-retry-pushback-ms", "-1")], 0, 1),
    ];
    for (headers, least, most) in hints {
        let clock = ManualClock::default();
        let circuit = circuit(&clock);
        let (spy, _) = answering(503, headers);
        let mut service = circuit.layer().layer(spy);
        for _ in 0..3 {
            assert!(call(&mut service).await.is_ok());
        }
        let wait = call(&mut service).await.unwrap_err().retry_after().unwrap();
        let bounds = Duration::from_secs(least)..=Duration::from_secs(most);
        assert!(bounds.contains(&wait), "{headers:?}: {wait:?}");
    }
}

#[tokio::test]
async fn an_open_circuit_is_ready() {
    let circuit = circuit(&ManualClock::default());
    circuit.force_open();
    let (spy, handle) = Spy::new();
    let mut service = circuit.layer().layer(spy);
    assert!(ServiceExt::<Request<TestBody>>::ready(&mut service).await.is_ok());
    assert!(call(&mut service).await.is_err());
    assert_eq!(handle.calls(), 0);
}

#[tokio::test]
async fn layers_of_one_circuit_share_it_and_other_circuits_do_not() {
    let clock = ManualClock::default();
    let circuit = circuit(&clock);
    open(&circuit);
    let (spy, _) = Spy::new();
    assert!(call(&mut circuit.layer().layer(spy.clone())).await.is_err());
    assert!(call(&mut circuit.layer().clone().layer(spy.clone())).await.is_err());
    let twin = builder(&clock).build().unwrap();
    assert!(call(&mut twin.layer().layer(spy.clone())).await.is_ok());
    assert!(call(&mut CircuitBreakerLayer::off().layer(spy)).await.is_ok());
}

#[test]
fn a_snapshot_shows_the_window() {
    let clock = ManualClock::default();
    let circuit = circuit(&clock);
    for class in [Class::Success, Class::Failed, Class::Throttled, Class::Rejected, Class::Failed] {
        circuit.acquire().unwrap().record(class);
    }
    let slow = circuit.acquire().unwrap();
    clock.advance(SLOW);
    slow.record(Class::Failed);
    let snapshot = circuit.snapshot();
    assert_eq!((snapshot.calls, snapshot.failed, snapshot.slow), (6, 4, 1));
    assert_eq!((snapshot.consecutive_failures, snapshot.state), (2, CircuitState::Closed));
    clock.advance(Duration::from_secs(10));
    assert_eq!(circuit.snapshot().calls, 0);
    assert_eq!(circuit.snapshot().consecutive_failures, 2, "a row has no time");
    circuit.acquire().unwrap().record(Class::Failed);
    assert!(circuit.snapshot().open_for > Some(Duration::from_millis(799)));
    assert!(circuit.acquire().is_err());
    assert_eq!(circuit.snapshot().refused, 1);
}

#[test]
fn an_operator_steers_the_circuit() {
    let circuit = circuit(&ManualClock::default());
    circuit.force_open();
    assert_eq!(circuit.acquire().unwrap_err().retry_after(), None);
    circuit.disable();
    for _ in 0..10 {
        circuit.acquire().unwrap().record(Class::Failed);
    }
    assert_eq!(circuit.state(), CircuitState::Disabled);
    circuit.reset();
    assert_eq!(circuit.state(), CircuitState::Closed);
    open(&circuit);
    circuit.reset();
    assert!(circuit.acquire().is_ok());
}

/// 64 tasks on several threads meet a half-open circuit again and again. failsafe and recloser pass
/// all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_half_open_circuit_passes_no_more_than_its_trial_calls_under_64_tasks() {
    const TRIALS: usize = 3;
    const ROUNDS: usize = 200;

    let clock = ManualClock::default();
    let open_for = (Duration::from_millis(1), Duration::from_millis(1));
    let circuit = builder(&clock).trial_calls(3).open_for(open_for.0, open_for.1).build().unwrap();
    let (inside, most, total) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let counters = Arc::new((inside, most, total));
    let in_flight = Arc::clone(&counters);
    let inner = service_fn(move |_request: Request<TestBody>| {
        let counters = Arc::clone(&in_flight);
        async move {
            let (inside, most, total) = &*counters;
            let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            total.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            inside.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, Infallible>(status::<TestBody>(500))
        }
    });
    let service = circuit.layer().layer(inner);
    open(&circuit);
    for _ in 0..ROUNDS {
        clock.advance(open_for.0);
        let before = counters.2.load(Ordering::SeqCst);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let mut service = service.clone();
            tasks.spawn(async move { call(&mut service).await.is_ok() });
        }
        let passed = tasks.join_all().await.into_iter().filter(|passed| *passed).count();
        assert!((1..=TRIALS).contains(&passed), "{passed} passed");
        assert_eq!(counters.2.load(Ordering::SeqCst) - before, passed);
        assert_eq!(circuit.state(), CircuitState::Open, "the trial failed");
    }
    let most = counters.1.load(Ordering::SeqCst);
    println!("trial calls in flight under 64 tasks, {ROUNDS} rounds: at most {most} of {TRIALS}");
    assert!(most <= TRIALS);
}

/// An error whose source is the one that matters.
#[derive(Debug)]
struct Wrapped(BoxError);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client failed")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

#[test]
fn a_refusal_is_known_behind_any_error() {
    let circuit = circuit(&ManualClock::default());
    circuit.force_open();
    let refused = Wrapped(circuit.acquire().unwrap_err().into());
    assert_eq!(Classifier::new().classify_error(&refused), Class::Shed);
}

/// A response that is a whole message of a user's own body type.
#[tokio::test]
async fn any_body_works() {
    let circuit = circuit(&ManualClock::default());
    let client = service_fn(async |_request: Request<TestBody>| {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
    });
    let response = circuit.layer().layer(client).oneshot(get::<TestBody>("/")).await.unwrap();
    let (data, trailers) = crate::support::read(response.into_body()).await;
    assert_eq!((&*data, trailers), (&b"hello"[..], None::<HeaderMap>));
}
