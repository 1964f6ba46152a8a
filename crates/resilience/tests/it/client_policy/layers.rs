//! A policy beside the layers that it consists of, stacked by hand: nobody can tell them apart.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use hardpoint_core::Time;
use hardpoint_resilience::{
    Backoff, BoxError, Circuit, CircuitSnapshot, ClientPolicy, ConcurrencyLimit,
    ConcurrencySnapshot, Deadline, DeadlineHeader, Jitter, RetryBudget, RetryLayer, Spread,
    TimeoutLayer, retry::ReplayBody,
};
use hardpoint_testkit::{TestBody, clock::TokioClock};
use http::{HeaderMap, Method, Request, Response};
use proptest::{collection::vec, option, prelude::*};
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{get, status};

const fn millis(time: u64) -> Duration {
    Duration::from_millis(time)
}

const DEADLINE: Duration = millis(4_000);
const ATTEMPT: Duration = millis(700);
const BACKOFF: Duration = millis(500);
const SLOW: Duration = millis(400);
const PERMITS: u32 = 2;

/// How the destination treats an attempt, after a time.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Hang,
    Reset(Duration),
    Status(u16, Duration),
}

#[derive(Clone, Debug)]
struct Call {
    start: Duration,
    answers: Vec<Answer>,
    /// How long its caller waits for it.
    patience: Option<Duration>,
    /// The time to the deadline of the request that it belongs to.
    left: Option<Duration>,
    idempotent: bool,
}

/// An attempt as the destination sees it.
#[derive(Clone, Debug, PartialEq)]
struct Attempt {
    at: Duration,
    call: usize,
    headers: HeaderMap,
}

/// What anyone can see.
#[derive(Debug, PartialEq)]
struct Seen {
    attempts: Vec<Attempt>,
    /// When each call ended, and with what. `None` if its caller gave it up.
    results: Vec<(Duration, Option<String>)>,
    circuit: CircuitSnapshot,
    limit: ConcurrencySnapshot,
    budget: u64,
}

fn answer() -> impl Strategy<Value = Answer> {
    let time = (1..1_000_u64).prop_map(millis);
    prop_oneof![
        1 => Just(Answer::Hang),
        1 => time.clone().prop_map(Answer::Reset),
        4 => (prop_oneof![Just(200), Just(404), Just(429), Just(503)], time)
            .prop_map(|(code, time)| Answer::Status(code, time)),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let time = |most| (0..most).prop_map(millis);
    (
        time(1_200_u64),
        vec(answer(), 3),
        option::weighted(0.2, time(3_000)),
        option::weighted(0.2, time(3_000)),
        prop::bool::weighted(0.8),
    )
        .prop_map(|(start, answers, patience, left, idempotent)| Call {
            start,
            answers,
            patience,
            left,
            idempotent,
        })
}

/// Plays the calls against the policy or against the layers.
fn play(calls: &[Call], queue: bool, fused: bool) -> Seen {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (time, jitter) = (Time::custom(TokioClock::new()), Jitter::seeded(7));
        let budget = RetryBudget::ratio(0.5).reserve_per_second(1);
        let backoff = Backoff::exponential(BACKOFF, BACKOFF).spread(Spread::None);
        let destination = Destination::new(calls);
        let receiver = destination.clone();
        let inner = service_fn(move |request| receiver.clone().answer(request));
        if fused {
            let retry_budget = budget.clone();
            let mut policy = ClientPolicy::internal("inventory")
                .deadline(DEADLINE)
                .attempt_timeout(ATTEMPT)
                .slow_after(SLOW)
                .max_concurrent(PERMITS)
                .retry(move |retry| retry.backoff(backoff).budget(&retry_budget))
                .circuit(|circuit| circuit.consecutive_failures(4))
                .time(time.clone())
                .jitter(jitter);
            if queue {
                policy = policy.bulkhead(|limit| limit.queue(2, millis(600)));
            }
            let policy = policy.build().unwrap();
            let (circuit, limit) = (policy.circuit().unwrap(), policy.limit().unwrap());
            let client = policy.layer().layer(inner);
            observe(&destination, client, &time, circuit, limit, &budget).await
        } else {
            let retry = RetryLayer::builder().name("inventory").backoff(backoff).budget(&budget);
            let retry = retry.time(time.clone()).jitter(jitter.clone()).build().unwrap();
            let circuit = Circuit::builder("inventory", SLOW).consecutive_failures(4);
            let circuit = circuit.time(time.clone()).jitter(jitter).build().unwrap();
            let mut limit = ConcurrencyLimit::builder("inventory", PERMITS);
            if queue {
                limit = limit.queue(2, millis(600));
            }
            let limit = limit.build().unwrap();
            let deadline = TimeoutLayer::new(DEADLINE).unwrap().time(time.clone());
            let attempt = TimeoutLayer::new(ATTEMPT).unwrap().time(time.clone());
            let attempt = attempt.propagate(DeadlineHeader::grpc(), millis(10));
            let client = circuit.layer().layer(limit.layer().layer(attempt.layer(inner)));
            let client = deadline.layer(retry.layer(client));
            observe(&destination, client, &time, &circuit, &limit, &budget).await
        }
    })
}

/// Makes the calls.
async fn observe<S, B>(
    destination: &Destination,
    client: S,
    time: &Time,
    circuit: &Circuit,
    limit: &ConcurrencyLimit,
    budget: &RetryBudget,
) -> Seen
where
    S: Service<Request<TestBody>, Response = Response<B>, Error = BoxError>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    let begin = destination.begin;
    let calls = destination.calls.iter().enumerate().map(|(number, call)| {
        let (call, client, time) = (call.clone(), client.clone(), time.clone());
        tokio::spawn(async move {
            sleep(call.start).await;
            let mut request: Request<TestBody> = get(&format!("/{number}"));
            if !call.idempotent {
                *request.method_mut() = Method::POST;
            }
            if let Some(left) = call.left {
                let deadline = Deadline::at(time.now().saturating_add(left));
                request.extensions_mut().insert(deadline);
            }
            let response = timeout(call.patience.unwrap_or(Duration::MAX), client.oneshot(request));
            let result = response.await.ok().map(|result| match result {
                Ok(response) => response.status().to_string(),
                Err(error) => error.to_string(),
            });
            (begin.elapsed(), result)
        })
    });
    let calls: Vec<_> = calls.collect();
    let mut results = Vec::new();
    for call in calls {
        results.push(call.await.unwrap());
    }
    let (circuit, limit) = (circuit.snapshot(), limit.snapshot());
    let attempts = destination.attempts.lock().unwrap().clone();
    Seen { attempts, results, circuit, limit, budget: budget.stored() }
}

/// Answers each call as it says, and records what it gets.
#[derive(Clone)]
struct Destination {
    calls: Arc<[Call]>,
    attempts: Arc<Mutex<Vec<Attempt>>>,
    begin: Instant,
}

impl Destination {
    fn new(calls: &[Call]) -> Self {
        Self { calls: calls.into(), attempts: Arc::default(), begin: Instant::now() }
    }

    async fn answer(
        self,
        request: Request<ReplayBody<TestBody>>,
    ) -> Result<Response<TestBody>, io::Error> {
        let call: usize = request.uri().path()[1..].parse().unwrap();
        let (at, headers) = (self.begin.elapsed(), request.headers().clone());
        let before = {
            let mut attempts = self.attempts.lock().unwrap();
            let before = attempts.iter().filter(|attempt| attempt.call == call).count();
            attempts.push(Attempt { at, call, headers });
            before
        };
        match self.calls[call].answers[before] {
            Answer::Hang => std::future::pending().await,
            Answer::Reset(after) => {
                sleep(after).await;
                Err(io::ErrorKind::ConnectionReset.into())
            }
            Answer::Status(code, after) => {
                sleep(after).await;
                Ok(status(code))
            }
        }
    }
}

/// Whether two calls could change something in the same millisecond: which of them comes first is
/// then up to the runtime.
fn collide(calls: &[Call], seen: &Seen) -> bool {
    let mut owners: HashMap<u128, usize> = HashMap::new();
    let mut collided = false;
    let mut mark = |at: Duration, call| {
        collided |= *owners.entry(at.as_millis()).or_insert(call) != call;
    };
    for (number, call) in calls.iter().enumerate() {
        mark(call.start, number);
        mark(call.start + DEADLINE, number);
        for time in [call.patience, call.left].into_iter().flatten() {
            mark(call.start + time, number);
        }
        let attempts = seen.attempts.iter().filter(|attempt| attempt.call == number);
        for (attempt, answer) in attempts.zip(&call.answers) {
            // Not when it came: a call that ended may have made room for it.
            let ends = match answer {
                Answer::Reset(after) | Answer::Status(_, after) => ATTEMPT.min(*after),
                Answer::Hang => ATTEMPT,
            };
            mark(attempt.at + ends, number);
            mark(attempt.at + ends + BACKOFF, number);
        }
    }
    for (number, (at, _)) in seen.results.iter().enumerate() {
        mark(*at, number);
    }
    collided
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn a_policy_is_the_layers_that_it_consists_of(calls in vec(call(), 2..10), queue: bool) {
        let layers = play(&calls, queue, false);
        prop_assume!(!collide(&calls, &layers));
        let policy = play(&calls, queue, true);
        prop_assert_eq!(policy, layers);
    }
}
