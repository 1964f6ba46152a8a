//! What is given back, and what is not: nobody gains by holding cells.

use std::{convert::Infallible, time::Duration};

use hardpoint_core::{Answer, Key, ManualClock};
use hardpoint_ratelimit::{
    Batch, Digest, MemoryStore, Mode, OnFailure, Policy, Quota, RateLimiter, Reservation, Reserved,
    Store, StoreError, StoreErrorKind, Verdicts,
};
use hardpoint_testkit::TestBody;
use http::{Method, Request, Response, StatusCode, header::RETRY_AFTER};
use proptest::prelude::*;
use tower::{Layer, service_fn};

use super::{Limiter, ask, from, limiter, per_tenant, read};

const ACME: Key<'static> = Key::borrowed(b"acme");

fn failures(quota: Quota) -> Policy {
    per_tenant("log-in", quota).charge_on(|response| response.status == StatusCode::UNAUTHORIZED)
}

async fn reserve(limiter: &Limiter, cost: u32) -> Option<Reservation<MemoryStore<ManualClock>>> {
    match limiter.reserve("t", &ACME, cost).await.unwrap() {
        Reserved::Admitted(reservation) => Some(reservation),
        Reserved::Refused(_) => None,
    }
}

#[tokio::test]
async fn cells_that_were_held_for_long_are_not_saved_up() {
    let clock = ManualClock::default();
    let limiter = limiter(&clock, [per_tenant("t", Quota::per_minute(10))]);
    let mut held = Vec::new();
    for _ in 0..30 {
        held.push(reserve(&limiter, 1).await.unwrap());
        clock.advance(Duration::from_secs(6));
    }
    let mut at_once = 0;
    for reservation in held {
        at_once += usize::from(limiter.check("t", &ACME, 1).await.unwrap().allowed());
        reservation.settle(0).await.unwrap();
    }
    assert_eq!(at_once, 10, "a burst, and not one more for each that was held");
}

#[tokio::test]
async fn what_is_given_back_at_once_is_given_back_whole() {
    let clock = ManualClock::default();
    let limiter = limiter(&clock, [per_tenant("t", Quota::per_minute(10))]);
    for _ in 0..100 {
        let reservation = reserve(&limiter, 10).await.unwrap();
        clock.advance(Duration::from_millis(50));
        reservation.settle(0).await.unwrap();
    }
}

/// The first of these policies has given all of an hour's quota, and gets a smaller one.
async fn a_smaller_quota_locks_nobody_out<const N: usize>(policies: [&'static str; N]) {
    let clock = ManualClock::default();
    let limiter = limiter(&clock, policies.map(|name| per_tenant(name, Quota::per_hour(1_000))));
    limiter.check(policies[0], &ACME, 1_000).await.unwrap();
    limiter.set_quota(policies[0], Quota::per_second(10)).unwrap();
    let refused = ask(&limiter, from("acme")).await;
    let wait: u64 = refused.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    clock.advance(Duration::from_secs(wait));
    assert_eq!(ask(&limiter, from("acme")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_smaller_quota_locks_nobody_out_and_retry_after_stays_true() {
    a_smaller_quota_locks_nobody_out(["t"]).await;
}

/// The look that precedes a batch of several saw no room, and nothing else cut the state: the key was
/// refused for the hour that the old quota would have taken.
#[tokio::test]
async fn a_smaller_quota_locks_nobody_out_where_several_policies_apply() {
    a_smaller_quota_locks_nobody_out(["t", "u"]).await;
}

/// What time has replenished is told by the clock of the store, whoever made it.
#[tokio::test]
async fn a_store_brings_the_clock_that_holds_are_aged_by() {
    let clock = ManualClock::default();
    let limiter = RateLimiter::builder()
        .policy(per_tenant("t", Quota::per_minute(10)))
        .build_with_store(MemoryStore::for_peak(&[10], clock.clone()))
        .unwrap();
    let reservation = reserve(&limiter, 10).await.unwrap();
    clock.advance(Duration::from_secs(30));
    assert_eq!(limiter.check("t", &ACME, 5).await.unwrap().remaining(), 0);
    reservation.settle(0).await.unwrap();
    assert_eq!(limiter.check("t", &ACME, 0).await.unwrap().remaining(), 5, "not ten");
}

#[tokio::test]
async fn a_key_has_a_bucket_for_each_quota_that_it_comes_with() {
    let clock = ManualClock::default();
    let policy = per_tenant("t", Quota::per_hour(3))
        .quota_with(|head| (head.method == Method::POST).then_some(Quota::per_minute(1)));
    let limiter = limiter(&clock, [policy]);
    let post = || {
        let mut request = from("acme");
        *request.method_mut() = Method::POST;
        request
    };
    for _ in 0..3 {
        assert_eq!(ask(&limiter, from("acme")).await.status(), StatusCode::OK);
    }
    assert_eq!(ask(&limiter, from("acme")).await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask(&limiter, post()).await.status(), StatusCode::OK);
    assert_eq!(ask(&limiter, post()).await.status(), StatusCode::TOO_MANY_REQUESTS);
    // The short one neither lengthens nor forgives the long one's debt.
    clock.advance(Duration::from_secs(60));
    assert_eq!(ask(&limiter, post()).await.status(), StatusCode::OK);
    assert_eq!(ask(&limiter, from("acme")).await.status(), StatusCode::TOO_MANY_REQUESTS);
}

/// Fails to decide, and takes everything else.
#[derive(Clone)]
struct Flaky(MemoryStore<ManualClock>);

impl Store for Flaky {
    type Pending = std::future::Ready<Result<Verdicts, StoreError>>;

    fn digest(&self, key: &Key<'_>) -> Digest {
        self.0.digest(key)
    }

    fn decide(&self, batch: &Batch) -> Answer<Result<Verdicts, StoreError>, Self::Pending> {
        let asks = |mode| matches!(mode, Mode::Enforce | Mode::Observe | Mode::Hold { .. });
        if batch.entries().iter().any(|entry| asks(entry.mode) && entry.cost == 1) {
            return Answer::Now(Err(StoreError::new(StoreErrorKind::Unavailable)));
        }
        match self.0.decide(batch) {
            Answer::Now(answer) => Answer::Now(answer),
            Answer::Later(never) => match never {},
        }
    }
}

#[tokio::test]
async fn what_was_not_taken_is_not_given_back() {
    let fine = service_fn(async |_request: Request<TestBody>| {
        Ok::<_, Infallible>(Response::new(TestBody::default()))
    });
    let store = Flaky(MemoryStore::for_peak(&[10], ManualClock::default()));
    let limiter = RateLimiter::builder()
        .policy(failures(Quota::per_hour(5)))
        .on_failure(OnFailure::Allow)
        .build_with_store(store)
        .unwrap();
    limiter.penalize("log-in", &ACME, 5).await.unwrap();
    let service = limiter.layer().layer(fine);
    for _ in 0..5 {
        assert_eq!(read(service.clone(), from("acme")).await.status(), StatusCode::OK);
    }
    assert_eq!(limiter.check("log-in", &ACME, 0).await.unwrap().remaining(), 0);

    let shadow = super::limiter(&ManualClock::default(), [failures(Quota::per_hour(1)).shadow()]);
    shadow.penalize("log-in", &ACME, 1).await.unwrap();
    let service = shadow.layer().layer(fine);
    assert_eq!(read(service, from("acme")).await.status(), StatusCode::OK);
    assert_eq!(shadow.check("log-in", &ACME, 0).await.unwrap().remaining(), 0);
}

#[tokio::test]
async fn a_shadow_lets_direct_checks_in_too() {
    let policy = per_tenant("t", Quota::per_hour(1)).shadow();
    let limiter = limiter(&ManualClock::default(), [policy]);
    for _ in 0..3 {
        assert!(limiter.check("t", &ACME, 1).await.unwrap().allowed());
    }
}

/// Refunds of work that was reserved before left less ahead of the last cell, so that time reached and
/// replenished it; given back whole, it was had twice.
#[tokio::test]
async fn what_others_gave_back_counts_for_what_is_left_to_give_back() {
    let clock = ManualClock::default();
    let limiter = limiter(&clock, [per_tenant("t", Quota::per_second(1).burst(5))]);
    let first = reserve(&limiter, 4).await.unwrap();
    let last = reserve(&limiter, 1).await.unwrap();
    first.settle(0).await.unwrap();
    // The last cell is replenished, and then three are consumed.
    clock.advance(Duration::from_secs(3));
    assert!(limiter.check("t", &ACME, 3).await.unwrap().allowed());
    last.settle(0).await.unwrap();
    assert_eq!(limiter.check("t", &ACME, 0).await.unwrap().remaining(), 2, "not three");
}

/// Whoever gives up is charged, and leaves nothing behind: not in a reservation, not in a request.
#[tokio::test]
async fn what_is_dropped_before_it_is_settled_stays_charged() {
    let clock = ManualClock::default();
    let limiter =
        limiter(&clock, [per_tenant("t", Quota::per_minute(10)), failures(Quota::per_hour(5))]);
    drop(reserve(&limiter, 4).await.unwrap());
    assert_eq!(limiter.check("t", &ACME, 0).await.unwrap().remaining(), 6);
    let service = limiter.layer().layer(service_fn(async |_request: Request<TestBody>| {
        std::future::pending::<()>().await;
        Ok::<_, Infallible>(Response::new(TestBody::default()))
    }));
    let mut asked = Box::pin(tower::ServiceExt::oneshot(service, from("acme")));
    assert!(futures_util::poll!(&mut asked).is_pending());
    drop(asked);
    assert_eq!(limiter.check("log-in", &ACME, 0).await.unwrap().remaining(), 4);
    clock.advance(Duration::from_secs(60 * 60));
    assert_eq!(limiter.check("log-in", &ACME, 0).await.unwrap().remaining(), 5);
}

/// Whether the judgement or the observer panics: the request is charged, and nothing is held for ever.
#[tokio::test]
async fn a_panic_leaves_what_was_held_charged() {
    let policy = per_tenant("t", Quota::per_hour(5)).charge_on(|_| panic!("judged"));
    let limiter = limiter(&ManualClock::default(), [policy]);
    let service = limiter.layer().layer(service_fn(async |_request: Request<TestBody>| {
        Ok::<_, Infallible>(Response::new(TestBody::default()))
    }));
    let asked = tokio::spawn(async move { read(service, from("acme")).await });
    assert!(asked.await.unwrap_err().is_panic());
    assert_eq!(limiter.check_now("t", &ACME, 0).unwrap().remaining(), 4);
    // Had it stayed held, a cell given back later would be worth what it was then.
    let held = reserve(&limiter, 1).await.unwrap();
    held.settle(0).await.unwrap();
    assert_eq!(limiter.check_now("t", &ACME, 0).unwrap().remaining(), 4);
}

/// Each of eight threads holds, gives back, is charged, and consumes at once; nothing gets lost, and
/// nothing is there twice.
#[test]
fn threads_that_hold_cells_together_are_charged_for_what_they_keep() {
    let limiter = limiter(&ManualClock::default(), [per_tenant("t", Quota::per_hour(5_000))]);
    let charged: u32 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let limiter = &limiter;
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    let mut charged = 0;
                    for round in 0..1_000_u32 {
                        if (round + thread) % 5 == 0 {
                            charged +=
                                u32::from(limiter.check_now("t", &ACME, 1).unwrap().allowed());
                        } else if let Some(held) = runtime.block_on(reserve(limiter, 3)) {
                            let actual = u32::from(round % 7 == 0);
                            runtime.block_on(held.settle(actual)).unwrap();
                            charged += actual;
                        }
                    }
                    charged
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(charged > 2_000, "{charged}");
    assert_eq!(limiter.check_now("t", &ACME, 0).unwrap().remaining(), 5_000 - charged);
}

/// When it ends and began, what it reserved, and what it costs.
type Work = (u64, u64, Reservation<MemoryStore<ManualClock>>, u32);

proptest! {
    /// However long work is held and whatever it turns out to have cost, what was charged in any span
    /// is at most the burst and what was replenished in it.
    #[test]
    fn no_span_is_charged_for_more_than_burst_and_rate(
        steps in proptest::collection::vec((0_u64..40, 1_u32..5, 0_u64..200, 0_u32..5), 1..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let clock = ManualClock::default();
        let limiter = limiter(&clock, [per_tenant("t", Quota::per_second(1).burst(5))]);
        let (mut now, mut held, mut charged) = (0_u64, Vec::<Work>::new(), Vec::new());
        for (pause, cost, hold, actual) in steps {
            for _ in 0..pause {
                clock.advance(Duration::from_millis(100));
                now += 100;
                let (due, later): (Vec<_>, Vec<_>) = held.into_iter().partition(|(end, ..)| *end <= now);
                held = later;
                for (_, begun, reservation, actual) in due {
                    if actual == 4 {
                        drop(reservation);
                    } else {
                        runtime.block_on(reservation.settle(actual)).unwrap();
                    }
                    charged.push((begun, u64::from(actual)));
                }
            }
            // Some is consumed at once, and cannot be given back.
            if hold % 3 == 0 && runtime.block_on(limiter.check("t", &ACME, cost)).unwrap().allowed() {
                charged.push((now, u64::from(cost)));
                continue;
            }
            if let Some(reservation) = runtime.block_on(reserve(&limiter, cost)) {
                held.push((now + hold * 100, now, reservation, actual.min(cost)));
            }
        }
        charged.sort_unstable();
        for (first, &(begin, _)) in charged.iter().enumerate() {
            let mut sum = 0;
            for &(time, cells) in &charged[first..] {
                sum += cells;
                prop_assert!(sum * 1_000 <= 5_000 + (time - begin), "{sum} cells in {} ms", time - begin);
            }
        }
    }
}
