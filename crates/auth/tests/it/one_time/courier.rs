//! Delivery off the path of requests.

use std::sync::atomic::{AtomicU32, Ordering};

use hardpoint_auth::one_time::{Courier, Delivery, DeliveryError, DeliveryFuture, Message};
use hardpoint_core::event::DeliveryResult;
use tokio::sync::Notify;

use super::*;

/// A delivery that fails so many times, and waits until it may begin.
#[derive(Clone, Default)]
struct Scripted {
    failures: Arc<AtomicU32>,
    is_permanent: bool,
    hangs: Option<Arc<Notify>>,
    delivered: Arc<Mutex<Vec<String>>>,
}

impl Delivery for Scripted {
    fn deliver<'a>(&'a self, message: &'a Message) -> DeliveryFuture<'a> {
        Box::pin(async move {
            if let Some(hangs) = &self.hangs {
                hangs.notified().await;
            }
            let left = self.failures.load(Ordering::SeqCst);
            if left > 0 {
                self.failures.store(left - 1, Ordering::SeqCst);
                let failed = match self.is_permanent {
                    true => DeliveryError::permanent,
                    false => DeliveryError::transient,
                };
                return Err(failed("the test"));
            }
            self.delivered.lock().unwrap().push(message.to().to_owned());
            Ok(())
        })
    }
}

fn results() -> (Telemetry, Arc<Mutex<Vec<DeliveryResult>>>) {
    let results = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&results);
    let telemetry = Telemetry::new(move |event: &Event<'_>| {
        if let Event::MessageDelivered(delivered) = event {
            sink.lock().unwrap().push(delivered.result);
        }
    });
    (telemetry, results)
}

fn message(to: &str) -> Message {
    Message::new(to, "canary-subject".to_owned(), Secret::from("canary-token"))
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_repeated_twice_and_a_permanent_one_is_not() {
    for (failures, is_permanent, expected) in [
        (0, false, DeliveryResult::Sent),
        (2, false, DeliveryResult::Sent),
        (3, false, DeliveryResult::Failed),
        (1, true, DeliveryResult::Failed),
    ] {
        let (telemetry, results) = results();
        let delivery =
            Scripted { failures: Arc::new(failures.into()), is_permanent, ..Scripted::default() };
        let courier = Courier::builder(delivery.clone()).telemetry(&telemetry).build();
        courier.submit(async { Some(message("alice@example.org")) }).unwrap();
        courier.submit(async { None }).unwrap();
        courier.flush().await;
        assert_eq!(*results.lock().unwrap(), [expected], "{failures} failures");
        let delivered = delivery.delivered.lock().unwrap().len();
        assert_eq!(delivered, usize::from(expected == DeliveryResult::Sent));
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_hangs_is_given_up() {
    let (telemetry, results) = results();
    let delivery = Scripted { hangs: Some(Arc::default()), ..Scripted::default() };
    let courier = Courier::builder(delivery).telemetry(&telemetry).build();
    courier.submit(async { Some(message("alice@example.org")) }).unwrap();
    courier.flush().await;
    assert_eq!(*results.lock().unwrap(), [DeliveryResult::Failed]);
}

/// Three deliveries of 30 s and their pauses would take 95 s.
#[tokio::test(start_paused = true)]
async fn a_job_ends_within_its_bound_however_often_a_delivery_hangs() {
    let (telemetry, results) = results();
    let delivery = Scripted { hangs: Some(Arc::default()), ..Scripted::default() };
    let courier = Courier::builder(delivery).at_once(1).telemetry(&telemetry).build();
    for _ in 0..2 {
        courier.submit(async { Some(message("alice@example.org")) }).unwrap();
    }
    assert_eq!(courier.remaining(), 2);
    let begin = tokio::time::Instant::now();
    courier.flush().await;
    let elapsed = begin.elapsed().as_secs();
    assert!((90..=91).contains(&elapsed), "one after the other, in 45 s each: {elapsed}");
    assert_eq!(*results.lock().unwrap(), [DeliveryResult::Failed; 2]);
    assert_eq!(courier.remaining(), 0);
}

/// By then the response is written: the work for a known recipient does not delay it.
#[tokio::test(start_paused = true)]
async fn a_job_begins_after_the_response_at_a_moment_that_no_client_can_foresee() {
    let courier = Courier::builder(Scripted::default()).build();
    let mut pauses = Vec::new();
    for _ in 0..50 {
        let begin = tokio::time::Instant::now();
        courier.submit(async { None }).unwrap();
        courier.flush().await;
        pauses.push(begin.elapsed().as_millis());
    }
    assert!(pauses.iter().all(|pause| (100..=301).contains(pause)), "{pauses:?}");
    pauses.sort_unstable();
    pauses.dedup();
    assert!(pauses.len() > 10, "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_hangs_is_given_up() {
    let (telemetry, results) = results();
    let courier = Courier::builder(Scripted::default()).at_once(1).telemetry(&telemetry).build();
    courier.submit(std::future::pending()).unwrap();
    courier.submit(async { Some(message("alice@example.org")) }).unwrap();
    courier.flush().await;
    // Either may begin first.
    let seen = results.lock().unwrap().clone();
    let both = [DeliveryResult::Failed, DeliveryResult::Sent];
    assert!(seen.len() == 2 && both.iter().all(|result| seen.contains(result)), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_waits_takes_no_place() {
    let courier = Courier::builder(Scripted::default()).queue(2).build();
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let held = async move {
        receiver.await.ok()?;
        None
    };
    courier.submit(held).unwrap();
    let mut flush = Box::pin(courier.flush());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(flush.as_mut().poll(&mut context).is_pending());
    courier.submit(async { None }).unwrap();
    sender.send(()).unwrap();
    flush.await;
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_known_and_unknown_recipients_alike() {
    let (telemetry, results) = results();
    let hangs = Arc::new(Notify::new());
    let delivery = Scripted { hangs: Some(Arc::clone(&hangs)), ..Scripted::default() };
    let courier = Courier::builder(delivery).queue(2).at_once(1).telemetry(&telemetry).build();
    for _ in 0..2 {
        courier.submit(async { Some(message("alice@example.org")) }).unwrap();
    }
    let known = courier.submit(async { Some(message("alice@example.org")) });
    let unknown = courier.submit(async { None });
    assert!(matches!(known, Err(OneTimeError::QueueFull)));
    assert!(matches!(unknown, Err(OneTimeError::QueueFull)));
    let finish = async {
        loop {
            hangs.notify_one();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        () = courier.flush() => {}
        () = finish => {}
    }
    let seen = results.lock().unwrap().clone();
    let sent = [
        DeliveryResult::Dropped,
        DeliveryResult::Dropped,
        DeliveryResult::Sent,
        DeliveryResult::Sent,
    ];
    assert_eq!(seen, sent);
}

/// A job that is not done does not delay the answer, whatever it looks up.
#[tokio::test(start_paused = true)]
async fn a_request_does_not_wait_for_its_job() {
    let courier = Courier::builder(Scripted::default()).build();
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    courier
        .submit(async move {
            receiver.await.ok()?;
            Some(message("alice@example.org"))
        })
        .unwrap();
    sender.send(()).unwrap();
    courier.flush().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_panics_leaves_its_place() {
    let courier = Courier::builder(Scripted::default()).queue(1).build();
    courier.submit(async { panic!("on purpose") }).unwrap();
    courier.flush().await;
    courier.submit(async { None }).unwrap();
    courier.flush().await;
}

#[test]
fn a_message_shows_nothing() {
    let shown = format!("{:?}", message("canary-address"));
    assert!(!shown.contains("canary"), "{shown}");
}
