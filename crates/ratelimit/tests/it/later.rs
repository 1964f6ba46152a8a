//! A store that answers later, or not at all.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use hardpoint_core::{Answer, Event, Key, ManualClock};
use hardpoint_ratelimit::{
    Batch, Digest, Draft, Either, Headers, MemoryStore, Mode, OnFailure, Quota, RateLimiter, Store,
    StoreError, StoreErrorKind, Verdicts,
};
use hardpoint_testkit::TestBody;
use http::{Request, StatusCode, header::RETRY_AFTER};
use tower::{Layer, Service, ServiceExt};

use super::{from, per_tenant, read};

/// Buckets in memory behind an await, as a remote store has them.
#[derive(Clone, Debug)]
pub(crate) struct Slow {
    inner: MemoryStore<ManualClock>,
}

impl Slow {
    pub(crate) fn new() -> Self {
        Self { inner: MemoryStore::for_peak(&[100], ManualClock::default()) }
    }
}

impl Store for Slow {
    type Pending = Pin<Box<dyn Future<Output = Result<Verdicts, StoreError>> + Send>>;

    fn digest(&self, key: &Key<'_>) -> Digest {
        self.inner.digest(key)
    }

    fn decide(&self, batch: &Batch) -> Answer<Result<Verdicts, StoreError>, Self::Pending> {
        let (inner, batch) = (self.inner.clone(), batch.clone());
        Answer::Later(Box::pin(async move {
            tokio::task::yield_now().await;
            inner.decide(&batch).resolve().await
        }))
    }
}

/// A store that cannot be reached.
#[derive(Clone, Debug)]
struct Gone;

impl Store for Gone {
    type Pending = std::future::Ready<Result<Verdicts, StoreError>>;

    fn digest(&self, _key: &Key<'_>) -> Digest {
        Digest::from_bits(1)
    }

    fn decide(&self, _batch: &Batch) -> Answer<Result<Verdicts, StoreError>, Self::Pending> {
        Answer::Later(std::future::ready(Err(StoreError::new(StoreErrorKind::Unavailable))))
    }
}

/// The statuses of three requests of one tenant that may send two.
async fn three<St: Store>(store: St, on_failure: OnFailure) -> Vec<(StatusCode, Option<String>)> {
    let limiter = RateLimiter::builder()
        .policy(per_tenant("tenant", Quota::per_hour(2)))
        .on_failure(on_failure)
        .build_with_store(store)
        .unwrap();
    let service = limiter.layer().layer(tower::service_fn(async |_request| {
        Ok::<_, std::convert::Infallible>(http::Response::new(TestBody::from("ok")))
    }));
    let mut answers = Vec::new();
    for _ in 0..3 {
        let answer = read(service.clone(), from("acme")).await;
        let retry =
            answer.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
        answers.push((answer.status(), retry));
    }
    answers
}

fn statuses(answers: &[(StatusCode, Option<String>)]) -> Vec<u16> {
    answers.iter().map(|(status, _)| status.as_u16()).collect()
}

#[tokio::test]
async fn a_later_answer_decides_as_one_that_is_there() {
    assert_eq!(statuses(&three(Slow::new(), OnFailure::Deny).await), [200, 200, 429]);
    let memory = MemoryStore::for_peak(&[100], ManualClock::default());
    assert_eq!(statuses(&three(memory.clone(), OnFailure::Deny).await), [200, 200, 429]);
    let left: Either<MemoryStore<ManualClock>, Slow> =
        Either::Left(MemoryStore::for_peak(&[9], ManualClock::default()));
    assert_eq!(statuses(&three(left, OnFailure::Deny).await), [200, 200, 429]);
    let right: Either<MemoryStore<ManualClock>, Slow> = Either::Right(Slow::new());
    assert_eq!(statuses(&three(right, OnFailure::Deny).await), [200, 200, 429]);
}

#[tokio::test]
async fn what_happens_without_an_answer_is_what_the_limiter_was_told() {
    assert_eq!(statuses(&three(Gone, OnFailure::Allow).await), [200, 200, 200]);
    let denied = three(Gone, OnFailure::Deny).await;
    assert_eq!(statuses(&denied), [503, 503, 503]);
    assert_eq!(denied[0].1.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_request_that_is_dropped_while_the_store_is_asked_reaches_nobody() {
    let limiter = RateLimiter::builder()
        .policy(per_tenant("tenant", Quota::per_hour(2)))
        .build_with_store(Slow::new())
        .unwrap();
    let (spy, handle) = hardpoint_testkit::spy::Spy::new();
    let mut service = limiter.layer().layer(spy);
    let request = from("acme");
    let ready = ServiceExt::<Request<TestBody>>::ready(&mut service).await.unwrap();
    let mut asked = Box::pin(ready.call(request));
    assert!(futures_util::poll!(&mut asked).is_pending(), "the store is asked");
    drop(asked);
    assert_eq!(handle.calls(), 0);
    assert_eq!(handle.counts().in_flight, 0);
}

/// Buckets behind an await, that take nothing back.
#[derive(Clone, Debug)]
struct Keeping(Slow);

impl Store for Keeping {
    type Pending = <Slow as Store>::Pending;

    fn digest(&self, key: &Key<'_>) -> Digest {
        self.0.digest(key)
    }

    fn decide(&self, batch: &Batch) -> Answer<Result<Verdicts, StoreError>, Self::Pending> {
        if batch.entries().iter().any(|entry| matches!(entry.mode, Mode::Settle { .. })) {
            let failed = async { Err(StoreError::new(StoreErrorKind::Unavailable)) };
            return Answer::Later(Box::pin(failed));
        }
        self.0.decide(batch)
    }
}

/// What two log-ins that succeed leave of three cells, with headers on all answers.
async fn left_after_two_that_are_not_charged<St: Store>(store: St) -> (u32, usize) {
    let failures = Arc::new(AtomicUsize::new(0));
    let failed = Arc::clone(&failures);
    let policy = per_tenant("log-in", Quota::per_hour(3));
    let limiter = RateLimiter::builder()
        .policy(policy.charge_on(|response| response.status == StatusCode::UNAUTHORIZED))
        .headers(Headers::ietf(Draft::V11))
        .with_observer(move |event: &Event<'_>| {
            failed.fetch_add(usize::from(matches!(event, Event::StoreFailed { .. })), SeqCst);
        })
        .build_with_store(store)
        .unwrap();
    let service = limiter.layer().layer(tower::service_fn(async |_request| {
        Ok::<_, std::convert::Infallible>(http::Response::new(TestBody::from("ok")))
    }));
    for _ in 0..2 {
        let answer = read(service.clone(), from("acme")).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.body(), "ok");
        assert!(answer.headers()["ratelimit"].to_str().unwrap().starts_with("\"log-in\";r="));
        assert_eq!(answer.headers()["ratelimit-policy"], "\"log-in\";q=3;w=3600");
    }
    let left = limiter.check("log-in", &Key::borrowed(b"acme"), 0).await.unwrap().remaining();
    (left, failures.load(SeqCst))
}

#[tokio::test]
async fn a_store_that_takes_its_time_gets_back_what_is_not_charged() {
    assert_eq!(left_after_two_that_are_not_charged(Slow::new()).await, (3, 0));
    let (left, failed) = left_after_two_that_are_not_charged(Keeping(Slow::new())).await;
    assert_eq!(left, 1, "what was not taken back stays charged");
    assert!(failed >= 2, "and is told: {failed}");
}
