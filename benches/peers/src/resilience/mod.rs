//! The policies of outgoing calls beside tower, tower-resilience, failsafe and recloser.

mod breaker;
mod bulkhead;
mod policy;

use hardpoint_bench_harness::{exchange::exchange, measure::Contender};
use http::{Request, Response, StatusCode};
use tower_service::Service;

use crate::Named;

/// What is left of a call without the inner service.
const ADDED: &str = "added by the layer";

/// Calls through a service, with requests made ahead.
fn through<S, B>(mut service: S) -> Contender<'static>
where
    S: Service<Request<()>, Response = Response<B>> + 'static,
    S::Error: std::fmt::Debug,
    B: http_body::Body,
{
    Contender::prepared(
        || Request::new(()),
        move |request| assert_eq!(exchange(&mut service, request), StatusCode::OK),
    )
}

pub(crate) fn contests() -> Vec<Named> {
    vec![
        ("breaker, closed, slow calls timed / failsafe", breaker::all_in),
        ("breaker, closed, slow calls timed / recloser (times nothing)", breaker::beside_recloser),
        ("breaker, closed, the call's start given / failsafe", breaker::start_given),
        ("breaker, closed, both times given / failsafe", breaker::both_given),
        ("breaker, closed, 2 threads / recloser", breaker::beside_recloser_on_two),
        ("breaker, 1 M calls in the window / 1,000 calls", breaker::flat),
        ("breaker, 10,000 calls in the window / tower-resilience, by time", breaker::by_time),
        ("breaker layer, closed, slow calls timed / tower-resilience", breaker::layer),
        ("breaker layer by host / tower-resilience (has none)", breaker::layer_by_host),
        ("bulkhead permit / tokio's semaphore", bulkhead::permit),
        ("bulkhead layer / tower ConcurrencyLimit", bulkhead::beside_tower),
        ("bulkhead layer / tower-resilience", bulkhead::beside_tower_resilience),
        ("retry, none can follow / tower-resilience", policy::nothing_to_retry),
        ("retry, one may follow / tower-resilience", policy::ready_to_retry),
        ("client policy / the same five layers of tower-resilience", policy::whole),
        ("client policy, no retry can follow / one may follow", policy::whole_without_a_budget),
    ]
}

/// What the [guard](crate::guard) measures.
pub(crate) fn guarded() -> Vec<Named> {
    vec![
        ("breaker, closed / failsafe", breaker::all_in),
        ("breaker, closed, 2 threads / failsafe", breaker::beside_failsafe_on_two),
    ]
}
