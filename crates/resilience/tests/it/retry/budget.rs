//! The budget.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hardpoint_resilience::{Class, Classifier, RetryBudget, retry::ReplayBody};
use hardpoint_testkit::{TestBody, spy::Spy};
use http::Request;
use tower::{Layer, ServiceExt};

use super::{answering, builder, call};
use crate::support::{get, poll_once, start, status};

/// A budget of exactly `retries`.
fn budget_of(retries: u32) -> RetryBudget {
    let budget = RetryBudget::ratio(1.0).reserve_per_second(0).burst(retries);
    for _ in 0..retries {
        budget.deposit();
    }
    budget
}

#[tokio::test(start_paused = true)]
async fn an_outage_costs_the_ratio_of_the_calls() {
    for ratio in [0.05, 0.1, 0.2, 0.33, 0.6, 1.0, 2.0] {
        let budget = RetryBudget::ratio(ratio).reserve_per_second(0);
        let layer = builder().budget(&budget).build().unwrap();
        let (spy, handle) = Spy::new();
        handle.respond(|_| Ok(status(500)));
        let mut client = layer.layer(spy);
        for _ in 0..2_000 {
            start(&mut client, get::<TestBody>("/")).await.await.unwrap();
        }
        let retries = (handle.calls() - 2_000) as f64 / 2_000.0;
        println!("ratio {ratio}: {retries} retries a call");
        assert!((retries - ratio).abs() < 0.01, "{ratio}: {retries}");
    }
}

#[tokio::test(start_paused = true)]
async fn layers_for_one_destination_share_a_budget() {
    // Room for three retries. Each call deposits one into a budget that is full.
    let budget = budget_of(3);
    for (calls, left) in [(3, 1), (3, 0), (2, 0)] {
        let (spy, handle) = answering(&[500, 500, 500]);
        call(&builder().budget(&budget).build().unwrap(), spy, get("/")).await;
        assert_eq!((handle.calls(), budget.stored()), (calls, left));
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_paid_before_the_delay_and_returned_if_dropped() {
    let budget = budget_of(1);
    let layer = builder().budget(&budget).build().unwrap();
    let (spy, handle) = answering(&[500]);
    let mut client = layer.layer(spy);
    {
        let mut future = pin!(start(&mut client, get::<TestBody>("/")).await);
        assert!(poll_once(future.as_mut()).is_pending(), "it waits for the retry");
        assert_eq!(budget.stored(), 0, "others cannot spend it as well");
    }
    assert_eq!((budget.stored(), handle.calls()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_was_sent_is_spent() {
    let budget = budget_of(1);
    let layer = builder().budget(&budget).build().unwrap();
    let (spy, handle) = answering(&[500]);
    let mut client = layer.layer(spy);
    {
        let mut future = pin!(start(&mut client, get::<TestBody>("/")).await);
        assert!(poll_once(future.as_mut()).is_pending());
        handle.hold();
        let timeout = tokio::time::timeout(Duration::from_secs(1), future.as_mut()).await;
        assert!(timeout.is_err(), "the retry hangs");
    }
    assert_eq!((budget.stored(), handle.calls()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_was_shed_here_is_returned() {
    let budget = budget_of(1);
    let shed = Classifier::new().response(|status, _| (status == 418).then_some(Class::Shed));
    let layer = builder().budget(&budget).classifier(shed).build().unwrap();
    let (spy, handle) = answering(&[500, 418]);
    assert_eq!(call(&layer, spy, get("/")).await, 418);
    assert_eq!((budget.stored(), handle.calls()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_cloned_where_no_retry_can_follow() {
    #[derive(Debug)]
    struct Counted(Arc<AtomicUsize>);
    impl Clone for Counted {
        fn clone(&self) -> Self {
            self.0.fetch_add(1, Ordering::Relaxed);
            Self(Arc::clone(&self.0))
        }
    }

    let empty = RetryBudget::ratio(0.0).reserve_per_second(0);
    for (layer, clones) in [
        (builder().build().unwrap(), 2),
        (builder().attempts(2).build().unwrap(), 1),
        (builder().attempts(1).build().unwrap(), 0),
        (builder().budget(&empty).build().unwrap(), 0),
    ] {
        let clone_count = Arc::new(AtomicUsize::new(0));
        let counted = Counted(Arc::clone(&clone_count));
        let request: Request<TestBody> =
            Request::get("/").extension(counted).body(TestBody::default()).unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let client = tower::service_fn(move |_: Request<ReplayBody<TestBody>>| {
            let code = if calls.fetch_add(1, Ordering::Relaxed) == 0 { 500 } else { 200 };
            async move { Ok::<_, std::io::Error>(status::<TestBody>(code)) }
        });
        layer.layer(client).oneshot(request).await.unwrap();
        assert_eq!(clone_count.load(Ordering::Relaxed), clones);
    }
}
