//! What hedges cost.

use std::{pin::pin, time::Duration};

use hardpoint_resilience::{Jitter, RetryBudget, retry::ReplayBody};
use hardpoint_testkit::TestBody;
use tower::Layer;

use super::{Destination, Log, SHED, after, builder, ms};
use crate::support::{get, start};

/// A budget of exactly `hedges`, into which nothing else is paid.
fn budget_of(hedges: u32) -> RetryBudget {
    let budget = RetryBudget::ratio(1.0).burst(hedges);
    (0..hedges).for_each(|_| budget.deposit());
    budget
}

#[tokio::test(start_paused = true)]
async fn no_hedge_is_sent_without_a_budget_not_even_from_the_reserve() {
    let (budget, log) = (budget_of(2), Log::default());
    let layer = builder().retry_budget(&budget).telemetry(&log.telemetry()).build().unwrap();
    let destination = Destination::known_to(&layer).await;
    for (calls, stored) in [(2, 1), (2, 0), (1, 0), (1, 0)] {
        destination.play(&[after(50, 200)]);
        assert_eq!(destination.call(&layer, get("/")).await, (200, 50));
        assert_eq!((destination.calls(), budget.stored()), (calls, stored));
    }
    assert_eq!(log.take(), ["first"; 2]);
    assert!(!budget.is_empty(hardpoint_core::Mono::ZERO), "the reserve is left to retries");
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_empty_when_the_hedge_is_due_is_reported() {
    let (budget, log) = (budget_of(1), Log::default());
    let layer = builder().retry_budget(&budget).telemetry(&log.telemetry()).build().unwrap();
    let destination = Destination::known_to(&layer).await;
    destination.play(&[after(50, 200)]);
    let (one, two) =
        tokio::join!(destination.call(&layer, get("/")), destination.call(&layer, get("/")));
    assert_eq!((one, two, destination.calls()), ((200, 50), (200, 50), 3));
    assert_eq!(log.take(), ["budget", "first"]);
}

#[tokio::test(start_paused = true)]
async fn each_call_earns_its_part_of_a_hedge() {
    let budget = RetryBudget::ratio(0.25).reserve_per_second(0);
    let layer = builder().budget(&budget).build().unwrap();
    let destination = Destination::known_to(&layer).await;
    assert_eq!(budget.stored(), 5, "a quarter of twenty calls");
    destination.play(&[after(50, 200)]);
    destination.call(&layer, get("/")).await;
    assert_eq!(budget.stored(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_that_was_shed_here_is_returned() {
    let budget = budget_of(1);
    let layer = builder().retry_budget(&budget).build().unwrap();
    let destination = Destination::known_to(&layer).await;
    destination.play(&[after(50, 200), after(1, SHED)]);
    assert_eq!(destination.call(&layer, get("/")).await, (200, 50));
    assert_eq!((destination.calls(), budget.stored()), (2, 1));
}

/// Attempts of random lengths, dropped at random times: the budget has paid for exactly the hedges
/// that reached the destination, and nothing goes on.
#[tokio::test(start_paused = true)]
async fn twenty_thousand_random_drops_cost_exactly_what_was_sent() {
    const CALLS: u32 = 20_000;

    let (budget, log) = (budget_of(CALLS), Log::default());
    // Due early, however long the calls take.
    let layer = builder().ceiling(ms(12)).retry_budget(&budget);
    let layer = layer.telemetry(&log.telemetry()).build().unwrap();
    let destination = Destination::known_to(&layer).await;
    let random = Jitter::seeded(7);
    let (mut sent, mut cancelled, mut reported) = (0, 0, Vec::new());
    for _ in 0..CALLS {
        let [first, hedge, patience] = [(); 3].map(|()| random.up_to(ms(40)));
        let status = |of: Duration| if of.as_micros().is_multiple_of(3) { 500 } else { 200 };
        let attempt = |of: Duration| super::Attempt { after: of, ..after(0, status(of)) };
        destination.play(&[attempt(first), attempt(hedge)]);
        let mut client = layer.layer(destination.client::<ReplayBody<TestBody>>());
        let ended = {
            let future = pin!(start(&mut client, get::<TestBody>("/")).await);
            tokio::time::timeout(patience, future).await.is_ok()
        };
        let hedged = destination.calls() == 2;
        sent += u32::from(hedged);
        cancelled += u32::from(hedged && !ended);
        reported.extend(log.take());
    }
    println!("{sent} of {CALLS} calls were hedged, {cancelled} of them dropped");
    assert_eq!(budget.stored(), u64::from(CALLS - sent));
    assert!(sent > CALLS / 20 && cancelled > CALLS / 100, "{sent}, {cancelled}");
    assert_eq!(reported.len(), sent as usize);
    assert_eq!(
        reported.iter().filter(|result| **result == "cancelled").count(),
        cancelled as usize
    );
    for result in ["first", "hedge", "failed"] {
        assert!(reported.contains(&result), "{result} of random calls");
    }
}
