//! A call through a whole client policy, and through retries that the call does not need.

use std::time::Duration;

use bytes::Bytes;
use hardpoint_bench_harness::{
    exchange::{Pong, exchange},
    measure::{Contender, Plan},
    report::{Contest, Goal},
};
use hardpoint_resilience::{ClientPolicy, RetryBudget, RetryLayer};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use tokio::runtime::{Builder, Runtime};
use tower_layer::Layer;
use tower_resilience_bulkhead::BulkheadLayer;
use tower_resilience_circuitbreaker::CircuitBreakerLayer;
use tower_resilience_retry::{RetryBudgetBuilder, RetryLayer as PeerRetryLayer};
use tower_resilience_timelimiter::TimeLimiterLayer;
use tower_service::Service;

use super::ADDED;

/// A request that may be sent twice, with a body that can be sent twice.
type Get = Request<Empty<Bytes>>;

const SECOND: Duration = Duration::from_secs(1);

/// Calls a service. Its timers need a runtime, although none of them fires.
fn through<S, B>(mut service: S) -> Contender<'static>
where
    S: Service<Get, Response = Response<B>> + 'static,
    S::Error: std::fmt::Debug,
    B: http_body::Body,
{
    let runtime = runtime();
    let contender = Contender::prepared(
        || Request::new(Empty::new()),
        move |request| assert_eq!(exchange(&mut service, request), StatusCode::OK),
    );
    contender.within(move |run| {
        let _entered = runtime.enter();
        run();
    })
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// Deadline, retry with a budget, circuit breaker, bulkhead and the attempt's timeout, beside
/// tower-resilience's five layers of the same kinds in the same order.
pub(super) fn whole() -> Contest<'static> {
    let ours = ClientPolicy::internal("bench").build().expect("the defaults work");
    let attempt = TimeLimiterLayer::builder().timeout_duration(SECOND).build();
    let bulkhead = BulkheadLayer::builder().max_concurrent_calls(100).build().expect("valid");
    let circuit = CircuitBreakerLayer::builder()
        .slow_call_duration_threshold(SECOND / 2)
        .build()
        .expect("valid");
    let budget = RetryBudgetBuilder::new().token_bucket().build().expect("valid");
    let retry = PeerRetryLayer::exponential_backoff().budget(budget).build();
    let deadline = TimeLimiterLayer::builder().timeout_duration(5 * SECOND).build();
    let peer = circuit.layer(bulkhead.layer(attempt.layer(Pong)));
    let peer = deadline.layer(retry.layer(peer));
    contest(through(ours.layer().layer(Pong)), through(peer)).goal(Goal::Ratio(0.4)).floor(
        ADDED,
        through(Pong),
        Some(Goal::Value(250.0)),
    )
}

/// The same policy with an empty budget: no retry can follow, so the policy keeps nothing for one.
pub(super) fn whole_without_a_budget() -> Contest<'static> {
    let empty = RetryBudget::ratio(0.0).reserve_per_second(0);
    let policy = ClientPolicy::internal("bench").retry(|retry| retry.budget(&empty));
    let ours = policy.build().expect("valid");
    let full = ClientPolicy::internal("bench").build().expect("the defaults work");
    contest(through(ours.layer().layer(Pong)), through(full.layer().layer(Pong)))
}

/// A policy whose calls have one attempt only.
pub(super) fn nothing_to_retry() -> Contest<'static> {
    let ours = RetryLayer::builder().attempts(1).build().expect("valid");
    let peer = PeerRetryLayer::builder().max_attempts(1).build();
    contest(through(ours.layer(Pong)), through(peer.layer(Pong))).floor(
        ADDED,
        through(Pong),
        Some(Goal::Value(10.0)),
    )
}

/// A retry may follow, so both sides keep the request.
pub(super) fn ready_to_retry() -> Contest<'static> {
    let ours = RetryLayer::builder().build().expect("the defaults work");
    let peer = PeerRetryLayer::exponential_backoff().build();
    contest(through(ours.layer(Pong)), through(peer.layer(Pong))).floor(ADDED, through(Pong), None)
}

fn contest(ours: Contender<'static>, peer: Contender<'static>) -> Contest<'static> {
    Contest::new(ours, peer).plan(Plan::prepared())
}
