//! All policies together.

mod layers;

use std::{
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use hardpoint_core::{
    Event, Mono, RequestContext, Telemetry, Time,
    event::{CallRetried, CircuitState, RetryStop},
};
use hardpoint_resilience::{
    Backoff, BulkheadFull, CircuitOpen, ClientPolicy, ClientPolicyBuilder, ClientPolicyLayer,
    Deadline, Jitter, RetryBudget, Spread, TimedOut, key, retry::ReplayBody,
};
use hardpoint_testkit::{TestBody, clock::TokioClock, spy::Spy};
use http::{Request, Response};
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{get, poll_once, start, status};

const SECOND: Duration = Duration::from_secs(1);

/// A policy on the paused clock, whose delays are all one second.
fn builder() -> ClientPolicyBuilder {
    let constant = Backoff::exponential(SECOND, SECOND).spread(Spread::None);
    ClientPolicy::internal("inventory")
        .time(Time::custom(TokioClock::new()))
        .jitter(Jitter::seeded(1))
        .retry(move |retry| retry.backoff(constant).budget(&RetryBudget::unlimited()))
        // Longer than the delays.
        .circuit(|circuit| circuit.open_for(60 * SECOND, 60 * SECOND))
}

#[tokio::test(start_paused = true)]
async fn the_circuit_counts_each_attempt_and_refuses_retries() {
    let policy = builder().build().unwrap();
    let (spy, handle) = Spy::new();
    handle.respond(|_| Ok(status(502)));
    let client = policy.layer().layer(spy);
    let response = client.clone().oneshot(get::<TestBody>("/")).await.unwrap();
    assert_eq!((response.status().as_u16(), handle.calls()), (502, 3));
    // The fifth failure in a row is the second attempt of this call. Its third is refused.
    let error = client.clone().oneshot(get::<TestBody>("/")).await.unwrap_err();
    assert!(error.is::<CircuitOpen>(), "{error:?}");
    assert_eq!(handle.calls(), 5);
    assert_eq!(policy.circuit().unwrap().state(), CircuitState::Open);
    // A call that the circuit refuses is not retried.
    let started = Instant::now();
    let error = client.oneshot(get::<TestBody>("/")).await.unwrap_err();
    assert!(error.is::<CircuitOpen>() && started.elapsed() < Duration::from_millis(2));
}

#[tokio::test(start_paused = true)]
async fn the_circuit_sees_the_timeouts_of_attempts() {
    let policy = builder().attempt_timeout(SECOND).deadline(60 * SECOND).build().unwrap();
    let hanging = service_fn(|_: Request<ReplayBody<TestBody>>| {
        std::future::pending::<Result<Response<TestBody>, std::io::Error>>()
    });
    let client = policy.layer().layer(hanging);
    let started = Instant::now();
    let error = client.clone().oneshot(get::<TestBody>("/")).await.unwrap_err();
    assert_eq!(error.downcast_ref::<TimedOut>().unwrap().after(), SECOND);
    assert_eq!(started.elapsed().as_secs(), 5, "three attempts and two delays");
    let error = client.oneshot(get::<TestBody>("/")).await.unwrap_err();
    assert!(error.is::<CircuitOpen>(), "five timeouts: {error:?}");
}

/// Callers that arrive with little time left must not take the destination away from all others.
#[tokio::test(start_paused = true)]
async fn callers_with_little_time_left_do_not_open_the_circuit() {
    let time = Time::custom(TokioClock::new());
    let policy = builder().time(time.clone()).attempt_timeout(SECOND).build().unwrap();
    let hanging = service_fn(|_: Request<ReplayBody<TestBody>>| {
        std::future::pending::<Result<Response<TestBody>, std::io::Error>>()
    });
    let client = policy.layer().layer(hanging);
    let call = async |left: Duration| {
        let mut request: Request<TestBody> = get("/");
        request.extensions_mut().insert(Deadline::at(time.now().saturating_add(left)));
        let error = client.clone().oneshot(request).await.unwrap_err();
        assert!(error.is::<TimedOut>() || error.is::<CircuitOpen>(), "{error:?}");
    };
    for left in [0, 1, 20, 100, 400] {
        for _ in 0..10 {
            call(Duration::from_millis(left)).await;
        }
        let circuit = policy.circuit().unwrap().snapshot();
        assert_eq!((circuit.state, circuit.calls), (CircuitState::Closed, 0), "{left} ms");
    }
    // Half of the attempt's time is enough to see that the destination hangs.
    for _ in 0..5 {
        call(Duration::from_millis(600)).await;
    }
    assert_eq!(policy.circuit().unwrap().state(), CircuitState::Open);
}

/// No timer is set for it: this test has no runtime.
#[test]
fn a_call_whose_deadline_has_passed_fails_at_its_first_poll() {
    let (spy, handle) = Spy::new();
    let client = ClientPolicy::internal("inventory").build().unwrap().layer().layer(spy);
    let mut request: Request<TestBody> = get("/");
    request.extensions_mut().insert(Deadline::at(Mono::ZERO));
    let Poll::Ready(Err(error)) = poll_once(pin!(client.oneshot(request))) else {
        panic!("the call has no time");
    };
    assert!(error.is::<TimedOut>(), "{error:?}");
    assert_eq!(handle.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_an_outer_timeout_drops_counts_against_a_hanging_destination() {
    let policy = builder().slow_after(Duration::from_millis(100)).build().unwrap();
    let (spy, handle) = Spy::new();
    handle.hold();
    let client = policy.layer().layer(spy);
    for _ in 0..5 {
        let call = client.clone().oneshot(get::<TestBody>("/"));
        assert!(tokio::time::timeout(SECOND / 2, call).await.is_err());
    }
    assert_eq!(policy.circuit().unwrap().state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn no_call_takes_longer_than_its_deadline() {
    for seconds in [1, 2, 3] {
        let deadline = SECOND * seconds;
        let policy = builder().deadline(deadline).build().unwrap();
        let (spy, handle) = Spy::new();
        handle.respond(|_| Ok(status(500)));
        let started = Instant::now();
        let response = policy.layer().layer(spy).oneshot(get::<TestBody>("/")).await.unwrap();
        assert_eq!(response.status(), 500, "the last failure, not a timeout");
        assert!(started.elapsed() < deadline, "{seconds}: {:?}", started.elapsed());
    }
    // The incoming request's deadline is earlier.
    let time = Time::custom(TokioClock::new());
    let policy = builder().time(time.clone()).build().unwrap();
    let (spy, handle) = Spy::new();
    handle.hold();
    let mut request: Request<TestBody> = get("/");
    let context = RequestContext::ensure(request.extensions_mut(), &time);
    context.set_deadline(time.now().saturating_add(SECOND / 4));
    let started = Instant::now();
    let error = policy.layer().layer(spy).oneshot(request).await.unwrap_err();
    assert!(error.is::<TimedOut>() && started.elapsed() < SECOND / 3, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn no_permit_is_held_during_a_delay() {
    let policy = builder().max_concurrent(1).build().unwrap();
    let (spy, handle) = Spy::new();
    let calls = AtomicUsize::new(0);
    handle.respond(move |_| {
        Ok(status(if calls.fetch_add(1, Ordering::Relaxed) == 0 { 500 } else { 200 }))
    });
    let mut client = policy.layer().layer(spy);
    let mut waiting = pin!(start(&mut client, get::<TestBody>("/")).await);
    assert!(poll_once(waiting.as_mut()).is_pending(), "it waits for its retry");
    let other = client.clone().oneshot(get::<TestBody>("/")).await.unwrap();
    assert_eq!(other.status(), 200);

    handle.hold();
    let mut holding = pin!(start(&mut client, get::<TestBody>("/")).await);
    assert!(poll_once(holding.as_mut()).is_pending(), "it holds the permit");
    let error = client.clone().oneshot(get::<TestBody>("/")).await.unwrap_err();
    assert!(error.is::<BulkheadFull>(), "{error:?}");
    handle.release();
    assert_eq!(holding.await.unwrap().status(), 200);
    assert_eq!(waiting.await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_destination_learns_what_is_left_of_the_attempt() {
    let policy = builder().build().unwrap();
    let (spy, handle) = Spy::new();
    let calls = AtomicUsize::new(0);
    handle.respond(move |_| {
        Ok(status(if calls.fetch_add(1, Ordering::Relaxed) < 2 { 500 } else { 200 }))
    });
    policy.layer().layer(spy).oneshot(get::<TestBody>("/")).await.unwrap();
    let sent: Vec<_> = handle
        .seen()
        .iter()
        .map(|head| {
            let field =
                |name| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
            (field("grpc-timeout").unwrap(), field("x-retry-attempt"))
        })
        .collect();
    let expected =
        [None, Some("2"), Some("3")].map(|attempt| ("990m".to_owned(), attempt.map(str::to_owned)));
    assert_eq!(sent, expected);

    let external = ClientPolicy::external_api("payments").build().unwrap();
    let (spy, handle) = Spy::new();
    external.layer().layer(spy).oneshot(get::<TestBody>("/")).await.unwrap();
    assert!(handle.seen()[0].headers.is_empty(), "nothing that the request does not contain");
}

/// Each attempt gets the part of the call's time that earlier attempts and delays have left.
#[tokio::test(start_paused = true)]
async fn later_attempts_learn_that_less_is_left() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&sent);
    let destination = service_fn(move |request: Request<ReplayBody<TestBody>>| {
        let timeout = request.headers()["grpc-timeout"].to_str().unwrap().to_owned();
        log.lock().unwrap().push(timeout);
        async {
            tokio::time::sleep(SECOND * 7 / 10).await;
            Ok::<_, std::io::Error>(status::<TestBody>(500))
        }
    });
    let policy = builder().deadline(SECOND * 4).build().unwrap();
    let client = policy.layer().layer(destination.clone());
    let error = client.oneshot(get::<TestBody>("/")).await.unwrap_err();
    assert!(error.is::<TimedOut>(), "{error:?}");
    // The delays are a second each: the third attempt begins after 3.4 s.
    assert_eq!(*sent.lock().unwrap(), ["990m", "990m", "590m"]);

    sent.lock().unwrap().clear();
    let hedged = builder().deadline(SECOND).attempt_timeout(SECOND).without_circuit();
    let hedged = hedged.hedge(|hedge| hedge.min_calls(20).ceiling(SECOND * 3 / 10));
    let policy = hedged.build().unwrap();
    let quick = service_fn(async |_: Request<ReplayBody<TestBody>>| {
        tokio::time::sleep(SECOND * 3 / 10).await;
        Ok::<_, std::io::Error>(status::<TestBody>(200))
    });
    for _ in 0..20 {
        policy.layer().layer(quick).oneshot(get::<TestBody>("/")).await.unwrap();
    }
    let _failed = policy.layer().layer(destination).oneshot(get::<TestBody>("/")).await;
    assert_eq!(*sent.lock().unwrap(), ["990m", "690m"], "the hedge begins after 300 ms");
}

#[tokio::test(start_paused = true)]
async fn each_host_has_a_circuit_permits_and_a_budget() {
    let policy = builder()
        .retry(|retry| retry.budget(&RetryBudget::ratio(0.1).reserve_per_second(0)))
        .max_concurrent(1)
        .by(key::host(), 10)
        .build()
        .unwrap();
    assert!(policy.circuit().is_none() && policy.limit().is_none());
    let (spy, handle) = Spy::new();
    let client = policy.layer().layer(spy);
    handle.respond(|head| {
        Ok(status(if head.uri.host() == Some("down.example") { 500 } else { 200 }))
    });
    let call = |url: &str| client.clone().oneshot(get::<TestBody>(url));

    for _ in 0..20 {
        assert_eq!(call("http://up.example/").await.unwrap().status(), 200);
    }
    // The calls to one host earned no retries for another.
    for calls in 21..=25 {
        assert_eq!(call("http://down.example/").await.unwrap().status(), 500);
        assert_eq!(handle.calls(), calls);
    }
    assert!(call("http://down.example/").await.unwrap_err().is::<CircuitOpen>());
    assert_eq!(call("http://up.example/").await.unwrap().status(), 200);
    assert_eq!(policy.circuits().unwrap().len(), 2);
    assert_eq!(policy.limits().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn retries_and_refusals_are_reported() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let telemetry = Telemetry::new(move |event: &Event<'_>| {
        let line = match event {
            Event::CallRetried(CallRetried { policy, attempt, result, .. }) => {
                format!("{policy}: attempt {attempt}: {:?}", result.map_err(RetryStop::as_str))
            }
            other => format!("{other:?}").split('(').next().unwrap_or_default().to_owned(),
        };
        log.lock().unwrap().push(line);
    });
    let policy = builder().telemetry(&telemetry).build().unwrap();
    let (spy, handle) = Spy::new();
    handle.respond(|_| Ok(status(500)));
    let client = policy.layer().layer(spy);
    for _ in 0..2 {
        let _failed = client.clone().oneshot(get::<TestBody>("/")).await;
    }
    let seen = seen.lock().unwrap();
    assert_eq!(
        seen[..3],
        [
            "inventory: attempt 1: Ok(())",
            "inventory: attempt 2: Ok(())",
            "inventory: attempt 3: Err(\"attempts\")"
        ]
    );
    assert_eq!(
        seen[3..],
        [
            "inventory: attempt 1: Ok(())",
            "CircuitChanged",
            "inventory: attempt 2: Ok(())",
            "CallRefused",
        ]
    );
}

#[test]
fn the_mistakes_of_all_parts_are_reported_at_once() {
    let error = ClientPolicy::internal("")
        .deadline(SECOND)
        .attempt_timeout(2 * SECOND)
        .retry(|retry| retry.attempts(0))
        .circuit(|circuit| circuit.trial_calls(0))
        .max_concurrent(0)
        .by(key::host(), 0)
        .build()
        .unwrap_err();
    println!("{error}");
    let settings: Vec<_> = error.mistakes().iter().map(|mistake| mistake.setting()).collect();
    for setting in [
        "client.deadline",
        "retry.attempts",
        "circuit.name",
        "circuit.trial_calls",
        "bulkhead.permits",
        "client.max_keys",
    ] {
        assert!(settings.contains(&setting), "{setting} of {settings:?}");
    }
    assert!(
        error.to_string().contains("`client.deadline` is 1s, shorter than the 2s of one attempt")
    );
    let zero = ClientPolicy::internal("a").deadline(Duration::ZERO).build().unwrap_err();
    assert_eq!(zero.mistakes()[0].setting(), "client.deadline");
}

#[tokio::test]
async fn parts_can_be_left_out() {
    let bare = ClientPolicy::internal("a").without_retry().without_circuit().without_bulkhead();
    let policy = bare.build().unwrap();
    assert!(policy.circuit().is_none() && policy.limit().is_none() && policy.limits().is_none());
    for layer in [policy.layer(), ClientPolicyLayer::off()] {
        let (spy, handle) = Spy::new();
        handle.respond(|_| Ok(status(500)));
        let client = layer.layer(spy);
        for _ in 0..20 {
            let response = client.clone().oneshot(get::<TestBody>("/")).await.unwrap();
            assert_eq!(response.status(), 500);
        }
        assert_eq!(handle.calls(), 20);
    }
}
