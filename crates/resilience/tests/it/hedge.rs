//! Hedges.

mod bodies;
mod budget;
mod policy;
mod tail;

use std::{
    io,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hardpoint_core::{Event, RequestContext, Telemetry, Time, event::CallHedged};
use hardpoint_resilience::{
    Backoff, BoxError, Class, Classifier, Deadline, HedgeBuilder, HedgeLayer, Jitter, RetryBudget,
    RetryLayer, Spread, retry::ReplayBody,
};
use hardpoint_testkit::{TestBody, clock::TokioClock};
use http::{HeaderMap, Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{get, poll_once, post, start, status};

/// A status that the tests classify as refused by a policy of this process.
const SHED: u16 = 418;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn builder() -> HedgeBuilder {
    let shed = Classifier::new().response(|status, _| (status == SHED).then_some(Class::Shed));
    HedgeLayer::builder()
        .min_calls(20)
        .budget(&RetryBudget::unlimited())
        .classifier(shed)
        .time(Time::custom(TokioClock::new()))
}

/// How one attempt ends.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    after: Duration,
    status: u16,
    retry_after: Option<u32>,
}

const fn after(millis: u64, status: u16) -> Attempt {
    Attempt { after: ms(millis), status, retry_after: None }
}

/// A destination whose attempts end as a test scripts them. The last one repeats.
#[derive(Clone, Default)]
struct Destination {
    script: Arc<Mutex<Vec<Attempt>>>,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    in_flight: Arc<AtomicUsize>,
}

/// One attempt in flight.
struct Token(Arc<AtomicUsize>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Destination {
    /// One that has answered twenty requests through the layer, each after 10 ms.
    async fn known_to(layer: &HedgeLayer) -> Self {
        let destination = Self::default();
        destination.play(&[after(10, 200)]);
        for _ in 0..20 {
            destination.call(layer, get("/")).await;
        }
        let delay = layer.delay().unwrap();
        assert!((10..=11).contains(&delay.as_millis()), "{delay:?}");
        destination
    }

    fn play(&self, script: &[Attempt]) {
        *self.script.lock().unwrap() = script.to_vec();
        self.seen.lock().unwrap().clear();
    }

    fn calls(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The attempts that have neither ended nor been dropped.
    fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The numbers that the attempts carried.
    fn numbers(&self) -> Vec<Option<String>> {
        let number = |headers: &HeaderMap| {
            headers.get("x-retry-attempt").map(|value| value.to_str().unwrap().to_owned())
        };
        self.seen.lock().unwrap().iter().map(number).collect()
    }

    /// Its client, for bodies of any type.
    fn client<B: Body + Send + 'static>(
        &self,
    ) -> impl Service<
        Request<B>,
        Response = Response<TestBody>,
        Error = io::Error,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static {
        let this = self.clone();
        service_fn(move |request: Request<B>| {
            let attempt = {
                let mut seen = this.seen.lock().unwrap();
                let script = this.script.lock().unwrap();
                let attempt = script[seen.len().min(script.len() - 1)];
                seen.push(request.headers().clone());
                attempt
            };
            this.in_flight.fetch_add(1, Ordering::Relaxed);
            let in_flight = Token(Arc::clone(&this.in_flight));
            async move {
                tokio::time::sleep(attempt.after).await;
                drop(in_flight);
                let mut response = status::<TestBody>(attempt.status);
                if let Some(seconds) = attempt.retry_after {
                    response.headers_mut().insert("retry-after", seconds.into());
                }
                Ok(response)
            }
        })
    }

    /// The status of a call, and how long it took.
    async fn call(&self, layer: &HedgeLayer, request: Request<TestBody>) -> (u16, u128) {
        let client = layer.layer(self.client::<ReplayBody<TestBody>>());
        let started = Instant::now();
        let response = client.oneshot(request).await.unwrap();
        (response.status().as_u16(), started.elapsed().as_millis())
    }
}

/// The results of the hedges.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn telemetry(&self) -> Telemetry {
        let log = Arc::clone(&self.0);
        Telemetry::new(move |event: &Event<'_>| {
            if let Event::CallHedged(CallHedged { policy, result, .. }) = event {
                assert!(*policy == "hedge" || *policy == "search");
                log.lock().unwrap().push(result.as_str());
            }
        })
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_is_returned_and_a_failure_waits_for_the_other_attempt() {
    let log = Log::default();
    let layer = builder().telemetry(&log.telemetry()).build().unwrap();
    let destination = Destination::known_to(&layer).await;
    let asking =
        |millis, status, seconds| Attempt { retry_after: Some(seconds), ..after(millis, status) };
    // The hedge is due after 10.5 ms, and tokio's timer fires at 11.
    for (first, hedge, expected, took, report) in [
        (after(5, 200), None, 200, 5, None),
        (after(5, 500), None, 500, 5, None),
        (after(5, SHED), None, SHED, 5, None),
        (after(30, 200), Some(after(50, 200)), 200, 30, Some("first")),
        (after(30, 404), Some(after(50, 200)), 404, 30, Some("first")),
        (after(900, 200), Some(after(10, 200)), 200, 21, Some("hedge")),
        (after(900, 200), Some(after(10, 404)), 404, 21, Some("hedge")),
        (after(20, 500), Some(after(30, 200)), 200, 41, Some("hedge")),
        (after(60, 200), Some(after(5, 500)), 200, 60, Some("first")),
        (after(60, 502), Some(after(5, 500)), 500, 60, Some("failed")),
        (after(20, 500), Some(after(30, 503)), 500, 41, Some("failed")),
        (after(20, 500), Some(asking(30, 503, 1)), 503, 41, Some("failed")),
        (asking(20, 503, 9), Some(asking(30, 503, 1)), 503, 41, Some("failed")),
        (after(60, 200), Some(after(5, SHED)), 200, 60, Some("shed")),
        (after(60, 500), Some(after(5, SHED)), 500, 60, Some("shed")),
        (after(20, 500), Some(after(30, SHED)), 500, 41, Some("shed")),
    ] {
        destination.play(&[first, hedge.unwrap_or(first)]);
        let case = format!("{first:?}, then {hedge:?}");
        assert_eq!(destination.call(&layer, get("/")).await, (expected, took), "{case}");
        assert_eq!(destination.calls(), 1 + usize::from(hedge.is_some()), "{case}");
        assert_eq!(log.take(), Vec::from_iter(report), "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_failure_that_asks_for_a_longer_delay_is_returned() {
    let layer = builder().build().unwrap();
    let destination = Destination::known_to(&layer).await;
    for (earlier, later) in [(1, 9), (9, 1)] {
        let attempt =
            |millis, seconds| Attempt { retry_after: Some(seconds), ..after(millis, 503) };
        destination.play(&[attempt(20, earlier), attempt(30, later)]);
        let client = layer.layer(destination.client::<ReplayBody<TestBody>>());
        let response = client.oneshot(get::<TestBody>("/")).await.unwrap();
        assert_eq!(response.headers()["retry-after"], "9");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_is_a_failure_like_any_other() {
    let layer = builder().build().unwrap();
    Destination::known_to(&layer).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let client = service_fn(move |_: Request<ReplayBody<TestBody>>| {
        let first = counter.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            tokio::time::sleep(ms(20)).await;
            if first { Err(io::Error::other("reset")) } else { Ok(status::<TestBody>(200)) }
        }
    });
    let response = layer.layer(client).oneshot(get::<TestBody>("/")).await.unwrap();
    assert_eq!((response.status().as_u16(), calls.load(Ordering::Relaxed)), (200, 2));
}

#[tokio::test(start_paused = true)]
async fn the_loser_is_dropped_when_the_winner_answers() {
    let layer = builder().build().unwrap();
    let destination = Destination::known_to(&layer).await;
    for (first, hedge) in [(30, 50), (900, 10)] {
        destination.play(&[after(first, 200), after(hedge, 200)]);
        let mut client = layer.layer(destination.client::<ReplayBody<TestBody>>());
        // Kept after it is ready, as a caller may.
        let mut future = pin!(start(&mut client, get::<TestBody>("/")).await);
        future.as_mut().await.unwrap();
        assert_eq!((destination.calls(), destination.in_flight()), (2, 0), "{first}, {hedge}");
    }
}

/// They would have taken longer than the percentile: leaving them out would lower it.
#[tokio::test(start_paused = true)]
async fn attempts_that_were_given_up_lengthen_the_delay() {
    for (patience, attempts) in
        [(ms(500), [after(900, 200), after(10, 200)]), (ms(30), [after(900, 200); 2])]
    {
        let layer = builder().build().unwrap();
        let destination = Destination::known_to(&layer).await;
        for _ in 0..12 {
            destination.play(&attempts);
            let _gave_up = tokio::time::timeout(patience, destination.call(&layer, get("/"))).await;
            assert_eq!(destination.calls(), 2);
        }
        let delay = layer.delay().unwrap();
        assert!(delay >= ms(20), "{patience:?}: {delay:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_call_is_hedged_before_enough_durations_are_known() {
    let layer = builder().min_calls(50).build().unwrap();
    let destination = Destination::default();
    destination.play(&[after(10, 200)]);
    for calls in 0..50 {
        assert_eq!(layer.delay(), None, "after {calls} calls");
        destination.call(&layer, get("/")).await;
    }
    // Failures and POSTs show nothing about how long an answer takes.
    let other = builder().build().unwrap();
    destination.play(&[after(10, 500)]);
    for _ in 0..50 {
        destination.call(&other, get("/")).await;
        destination.call(&other, post("/")).await;
    }
    assert_eq!(other.delay(), None);
    destination.play(&[after(2_000, 200)]);
    assert_eq!(destination.call(&layer, get("/")).await.0, 200);
    assert_eq!(destination.calls(), 2, "hedged");
    destination.play(&[after(2_000, 200)]);
    assert_eq!(destination.call(&other, get("/")).await, (200, 2_000));
    assert_eq!(destination.calls(), 1, "not hedged");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_may_not_be_in_flight_twice_is_sent_once() {
    let layer = builder().repeatable(|head| head.uri.path() == "/search").build().unwrap();
    let destination = Destination::known_to(&layer).await;
    let keyed = || Request::post("/").header("idempotency-key", "a").body(TestBody::default());
    for (request, calls) in [
        (post("/"), 1),
        (Request::patch("/").body(TestBody::default()).unwrap(), 1),
        (post("/search"), 2),
        (Request::head("/").body(TestBody::default()).unwrap(), 2),
        // They may be repeated, but not beside a first attempt that may take effect later.
        (keyed().unwrap(), 1),
        (Request::put("/").body(TestBody::default()).unwrap(), 1),
        (Request::delete("/").body(TestBody::default()).unwrap(), 1),
    ] {
        destination.play(&[after(100, 200)]);
        let method = request.method().clone();
        destination.call(&layer, request).await;
        assert_eq!(destination.calls(), calls, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_not_hedged() {
    let layer = builder().build().unwrap();
    let destination = Destination::known_to(&layer).await;
    destination.play(&[after(30, 500)]);
    let backoff = Backoff::exponential(ms(1), ms(1)).spread(Spread::None);
    let retry = RetryLayer::builder()
        .backoff(backoff)
        .budget(&RetryBudget::unlimited())
        .jitter(Jitter::seeded(1));
    for (header, numbers) in [
        (Some("x-retry-attempt".parse().unwrap()), [None, Some("2"), Some("2"), Some("3")]),
        // Without the header the retry's attempts are known by other means.
        (None, [None, Some("2"), None, None]),
    ] {
        destination.play(&[after(30, 500)]);
        let retry = retry.clone().attempt_header(header).build().unwrap();
        let client = retry.layer(layer.layer(destination.client()));
        let response = client.oneshot(get::<TestBody>("/")).await.unwrap();
        assert_eq!(response.status(), 500);
        // Three attempts, the first of which has a hedge.
        assert_eq!(destination.numbers(), numbers.map(|number| number.map(str::to_owned)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_caller_retries_is_not_hedged() {
    let time = Time::custom(TokioClock::new());
    let layer = builder().time(time.clone()).build().unwrap();
    let destination = Destination::known_to(&layer).await;
    for (attempt, numbers) in
        [(1, vec![None, Some("2".to_owned())]), (2, vec![Some("2".to_owned())])]
    {
        destination.play(&[after(30, 200)]);
        let mut request: Request<TestBody> = get("/");
        RequestContext::ensure(request.extensions_mut(), &time).set_attempt(attempt);
        destination.call(&layer, request).await;
        assert_eq!(destination.numbers(), numbers);
    }
}

#[tokio::test(start_paused = true)]
async fn no_hedge_is_due_after_the_deadline() {
    let time = Time::custom(TokioClock::new());
    let layer = builder().time(time.clone()).build().unwrap();
    let destination = Destination::known_to(&layer).await;
    for (left, calls) in [(10, 1), (20, 2)] {
        destination.play(&[after(100, 200)]);
        let mut request: Request<TestBody> = get("/");
        request.extensions_mut().insert(Deadline::at(time.now().saturating_add(ms(left))));
        destination.call(&layer, request).await;
        assert_eq!(destination.calls(), calls, "{left} ms");
    }
}

/// A hedge whose instance of the service is not ready waits for it, and costs nothing meanwhile.
#[tokio::test(start_paused = true)]
async fn a_hedge_waits_until_its_service_is_ready() {
    use hardpoint_testkit::spy::Spy;

    let budget = RetryBudget::ratio(1.0).reserve_per_second(0).burst(3);
    (0..3).for_each(|_| budget.deposit());
    let log = Log::default();
    let layer = builder().retry_budget(&budget).telemetry(&log.telemetry()).build().unwrap();
    Destination::known_to(&layer).await;

    let (spy, handle) = Spy::with_permits(1);
    handle.hold();
    let mut client = layer.layer(spy);
    let mut future = pin!(start(&mut client, get::<TestBody>("/")).await);
    assert!(poll_once(future.as_mut()).is_pending());
    tokio::time::sleep(ms(50)).await;
    assert!(poll_once(future.as_mut()).is_pending(), "the only permit is in use");
    assert_eq!((handle.calls(), budget.stored()), (1, 2), "paid in advance");
    handle.release();
    assert!(poll_once(future.as_mut()).is_ready());
    assert_eq!((handle.calls(), budget.stored()), (1, 3), "not sent, and returned");
    assert_eq!(log.take(), Vec::<&str>::new());
}

#[test]
fn settings_that_can_never_work_are_refused() {
    let mistakes = |builder: HedgeBuilder| {
        let error = builder.build().map(drop).unwrap_err();
        println!("{error}");
        error.mistakes().iter().map(|mistake| mistake.setting()).collect::<Vec<_>>()
    };
    assert_eq!(mistakes(builder().percentile(0.2)), ["hedge.percentile"]);
    assert_eq!(mistakes(builder().percentile(f64::NAN)), ["hedge.percentile"]);
    assert_eq!(mistakes(builder().floor(ms(50)).ceiling(ms(20))), ["hedge.ceiling"]);
    assert_eq!(mistakes(builder().ceiling(Duration::MAX)), ["hedge.ceiling"]);
    assert_eq!(mistakes(builder().percentile(0.99)), ["hedge.min_calls"], "20 calls");
    assert_eq!(mistakes(builder().budget(&RetryBudget::ratio(99.0))), ["hedge.budget"]);
    assert!(HedgeLayer::builder().percentile(0.999).build().is_ok(), "it needs more calls itself");
    let all = builder().percentile(1.0).ceiling(ms(0)).by(hardpoint_resilience::key::host(), 0);
    assert_eq!(mistakes(all), ["hedge.percentile", "hedge.ceiling", "hedge.max_keys"]);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_service_is_returned_unchanged() {
    #[derive(Debug, PartialEq)]
    struct Own(u8);
    impl std::fmt::Display for Own {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("own")
        }
    }
    impl std::error::Error for Own {}

    let layer = builder().build().unwrap();
    Destination::known_to(&layer).await;
    let client = service_fn(async |_: Request<ReplayBody<TestBody>>| {
        tokio::time::sleep(ms(30)).await;
        Err::<Response<TestBody>, _>(Own(7))
    });
    let error: BoxError = layer.layer(client).oneshot(get::<TestBody>("/")).await.unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Own(7)));
}
