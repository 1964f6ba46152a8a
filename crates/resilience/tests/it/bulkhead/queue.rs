//! Calls that wait for a permit.

use std::pin::pin;

use proptest::{
    prelude::Rng,
    test_runner::{RngAlgorithm, TestRng},
};
use tokio::time::Instant;

use super::*;
use crate::support::poll_once;

const MAX_WAIT: Duration = Duration::from_millis(100);

fn queued(calls: u32) -> ConcurrencyLimit {
    ConcurrencyLimit::builder("search", 1).queue(calls, MAX_WAIT).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn waiting_calls_get_permits_in_the_order_of_arrival() {
    let limit = queued(3);
    let (spy, handle) = Spy::new();
    let mut service = limit.layer().layer(spy);
    let held = limit.try_acquire().unwrap();
    let mut waiting = Vec::new();
    for path in ["/1", "/2", "/3"] {
        waiting.push(Box::pin(start(&mut service, get::<TestBody>(path)).await));
    }
    assert_eq!(limit.snapshot().waiting, 3);
    let full = start(&mut service, get::<TestBody>("/4")).await.await.unwrap_err();
    assert!(!full.downcast::<BulkheadFull>().unwrap().has_waited(), "the queue is full");
    // Polled in the opposite order: their `call`s count.
    for future in waiting.iter_mut().rev() {
        assert!(poll_once(future.as_mut()).is_pending());
    }
    drop(held);
    assert!(limit.try_acquire().is_err(), "a newcomer does not overtake");
    for future in waiting {
        drop(future.await.unwrap());
    }
    let seen: Vec<_> = handle.seen().iter().map(|head| head.uri.path().to_owned()).collect();
    assert_eq!(seen, ["/1", "/2", "/3"]);
    assert_eq!((in_flight(&limit), limit.snapshot().waiting), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_no_longer_than_allowed() {
    let limit = queued(1);
    let (spy, handle) = Spy::new();
    let mut service = limit.layer().layer(spy);
    let _held = limit.try_acquire().unwrap();
    let begin = Instant::now();
    let error = start(&mut service, get::<TestBody>("/")).await.await.unwrap_err();
    let waited = begin.elapsed();
    assert!(waited >= MAX_WAIT && waited <= MAX_WAIT * 2, "{waited:?}");
    let full = error.downcast::<BulkheadFull>().unwrap();
    assert!(full.has_waited());
    assert_eq!(full.to_string(), "no permit of the concurrency limit `search` became free in time");
    assert_eq!((handle.calls(), limit.snapshot().waiting), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_call_that_is_dropped_leaves_the_queue() {
    let limit = queued(2);
    let (spy, handle) = Spy::new();
    let mut service = limit.layer().layer(spy);
    let held = limit.try_acquire().unwrap();
    let mut first = Box::pin(start(&mut service, get::<TestBody>("/1")).await);
    let second = start(&mut service, get::<TestBody>("/2")).await;
    assert!(poll_once(first.as_mut()).is_pending());
    // The permit comes to the first, which is dropped before it is polled again.
    drop(held);
    drop(first);
    let unread = second.await.unwrap();
    assert_eq!(handle.seen()[0].uri.path(), "/2");
    assert_eq!((in_flight(&limit), limit.snapshot().waiting), (1, 0));
    drop(unread);
    assert_eq!(in_flight(&limit), 0);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_call_is_woken_by_the_end_of_a_body() {
    let limit = queued(1);
    let (spy, _) = answering(TestBody::from("hello"));
    let mut service = limit.layer().layer(spy);
    let first = start(&mut service, get::<TestBody>("/")).await.await.unwrap();
    let second = tokio::spawn(start(&mut service, get::<TestBody>("/")).await);
    tokio::task::yield_now().await;
    assert!(!second.is_finished());
    crate::support::read(first.into_body()).await;
    assert!(second.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_limit_without_tower_waits_too() {
    let limit = queued(1);
    let held = limit.acquire().await.unwrap();
    let mut waiting = pin!(limit.acquire());
    assert!(poll_once(waiting.as_mut()).is_pending());
    assert!(!limit.acquire().await.unwrap_err().has_waited(), "the queue is full");
    drop(held);
    let permit = waiting.await.unwrap();
    assert_eq!(permit.limit().name(), "search");
    assert!(limit.acquire().await.unwrap_err().has_waited());
    drop(permit);
    assert_eq!((in_flight(&limit), limit.snapshot().waiting), (0, 0));
}

/// Futures that are dropped at any point: before a poll, while they wait, with a permit that has just
/// come, while the inner service works, and with an unread body.
#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_random_drops_leak_no_permit() {
    let limit = ConcurrencyLimit::builder("search", 3).queue(3, MAX_WAIT).build().unwrap();
    let (spy, handle) = Spy::silent();
    let mut service = limit.layer().layer(spy);
    let mut numbers = TestRng::deterministic_rng(RngAlgorithm::XorShift);
    let mut draw = move |bound: u32| numbers.next_u32() % bound;
    let (mut held, mut dropped, mut waited) = (Vec::new(), 0, 0);
    while dropped < 100_000 {
        if draw(2) == 0 {
            handle.hold();
        } else {
            handle.release();
        }
        if held.len() < 10 {
            held.push(Box::pin(start(&mut service, get::<()>("/")).await));
            waited += limit.snapshot().waiting.min(1);
        }
        let place = draw(u32::try_from(held.len()).unwrap()) as usize;
        // Twice, so that some calls finish; a finished one is dropped with its body.
        if poll_once(held[place].as_mut()).is_ready() || draw(2) == 0 {
            drop(held.swap_remove(place));
            dropped += 1;
        }
        let snapshot = limit.snapshot();
        assert!(snapshot.in_flight <= 3 && snapshot.waiting <= 3, "{snapshot:?}");
    }
    drop(held);
    println!("{dropped} futures dropped, {waited} times with calls waiting");
    assert!(waited > 1_000);
    let snapshot = limit.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.waiting), (0, 0));
}
