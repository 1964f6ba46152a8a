//! The laws.

use std::{convert::Infallible, pin::pin, time::Duration};

use futures_util::poll;
use hardpoint_core::{Key, ManualClock};
use hardpoint_ratelimit::{Admitted, Denied, Policy, Quota, RateLimiter, Reservation};
use hardpoint_testkit::TestBody;
use http::{Request, Response, StatusCode};
use proptest::{prelude::*, test_runner::TestRunner};
use tower::{Layer, service_fn};

use super::{Kept, model::Model};
use crate::{ask, check, from, handle, left, per_tenant, read};

/// Makes a place for the state, which reads this clock.
pub(super) trait Make: Fn(&ManualClock) -> Kept {}

impl<F: Fn(&ManualClock) -> Kept> Make for F {}

pub(super) async fn burst(make: &impl Make) {
    let clock = ManualClock::default();
    let kept = make(&clock);
    let limiter = kept.limiter(&clock, [per_tenant("t", Quota::per_minute(4).burst(2))]);
    for cells in [1, 0] {
        assert_eq!(check(&limiter, "t", 1).await.unwrap().remaining(), cells);
    }
    let denied = check(&limiter, "t", 1).await.unwrap_err();
    assert_eq!(denied.retry_after(), Some(Duration::from_secs(15)));
    clock.advance(Duration::from_secs(15) - Duration::from_nanos(1));
    assert!(check(&limiter, "t", 1).await.is_err());
    clock.advance(Duration::from_nanos(1));
    assert!(check(&limiter, "t", 1).await.is_ok());
    assert_eq!(check(&limiter, "t", 3).await.unwrap_err().retry_after(), None, "above the burst");
    let other = handle(&limiter, "t").check(&Key::borrowed(b"globex")).await;
    assert!(other.is_ok(), "another key has a bucket of its own");
}

pub(super) async fn all_or_nothing(make: &impl Make) {
    let clock = ManualClock::default();
    let kept = make(&clock);
    let held = per_tenant("held", Quota::per_hour(10)).charge_on(|_| true);
    let wide = per_tenant("wide", Quota::per_hour(10));
    let shadow = per_tenant("shadow", Quota::per_hour(10)).shadow();
    let narrow = per_tenant("narrow", Quota::per_hour(3));
    let limiter = kept.limiter(&clock, [held, wide, shadow, narrow]);
    for _ in 0..8 {
        ask(&limiter, from("acme")).await;
        kept.flush().await;
    }
    for policy in ["held", "wide", "shadow"] {
        assert_eq!(left(&limiter, policy).await, 7, "{policy}");
    }
    assert_eq!(left(&limiter, "narrow").await, 0);
}

pub(super) fn concurrency(make: &impl Make) {
    let clock = ManualClock::default();
    let kept = make(&clock);
    let held = per_tenant("held", Quota::per_hour(5_000)).reservable();
    let limiter = kept.limiter(&clock, [held, per_tenant("plain", Quota::per_hour(1_000))]);
    let (admitted, charged) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let limiter = &limiter;
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(consume(limiter, thread))
                })
            })
            .collect();
        threads.into_iter().fold((0, 0), |sum, thread| {
            let (admitted, charged) = thread.join().unwrap();
            (sum.0 + admitted, sum.1 + charged)
        })
    });
    assert_eq!(admitted, 1_000);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(kept.flush());
    assert_eq!(runtime.block_on(left(&limiter, "held")), 5_000 - charged);
}

/// Consumes of both policies at once. Returns what was admitted by the one and charged by the other.
async fn consume(limiter: &RateLimiter, thread: u32) -> (u32, u32) {
    let (plain, held) = (handle(limiter, "plain"), handle(limiter, "held"));
    let (mut admitted, mut charged) = (0, 0);
    for round in 0..500 {
        admitted += u32::from(plain.check(&crate::ACME).await.is_ok());
        if (round + thread).is_multiple_of(5) {
            charged += u32::from(held.check(&crate::ACME).await.is_ok());
        } else if let Ok(reservation) = held.reserve(&crate::ACME, 3).await {
            let actual = u32::from(round.is_multiple_of(7));
            reservation.settle(actual);
            charged += actual;
        }
    }
    (admitted, charged)
}

/// Polls a check and a reservation so many times, then drops them.
pub(super) async fn cancellation(make: &impl Make) {
    for polls in 1..12 {
        let clock = ManualClock::default();
        let kept = make(&clock);
        let limiter = kept.limiter(&clock, [per_tenant("t", Quota::per_hour(10)).reservable()]);
        let handle = handle(&limiter, "t");
        {
            let mut check = pin!(handle.check(&crate::ACME));
            let mut reserve = pin!(handle.reserve(&crate::ACME, 2));
            let (mut first, mut second) = (false, false);
            for _ in 0..polls {
                first = first || poll!(check.as_mut()).is_ready();
                second = second || poll!(reserve.as_mut()).is_ready();
            }
        }
        kept.flush().await;
        assert_eq!(left(&limiter, "t").await, 7, "after {polls} polls");
        // Whether the hold was settled by the drop or is forgotten: it is charged, and then
        // replenished.
        clock.advance(Duration::from_secs(2 * 60));
        assert_eq!(left(&limiter, "t").await, 7, "after {polls} polls");
        clock.advance(Duration::from_secs(60 * 60));
        assert_eq!(left(&limiter, "t").await, 10, "after {polls} polls");
    }
}

pub(super) async fn replaced_while_held(make: &impl Make) {
    let clock = ManualClock::default();
    let kept = make(&clock);
    let failures = |quota| {
        per_tenant("t", quota).charge_on(|response| response.status == StatusCode::UNAUTHORIZED)
    };
    let limiter = kept.limiter(&clock, [failures(Quota::per_hour(5))]);
    let fine = |limiter: &RateLimiter, meanwhile: fn(&RateLimiter)| {
        let inside = limiter.clone();
        let inner = service_fn(move |_request: Request<TestBody>| {
            meanwhile(&inside);
            async { Ok::<_, Infallible>(Response::new(TestBody::default())) }
        });
        read(limiter.layer().unwrap().layer(inner), from("acme"))
    };
    assert_eq!(fine(&limiter, |_| ()).await.status(), StatusCode::OK);
    kept.flush().await;
    assert_eq!(left(&limiter, "t").await, 5, "not charged");
    // The new policy would charge everything; the decision keeps the old one.
    let to_all = |limiter: &RateLimiter| {
        let all = per_tenant("t", Quota::per_hour(5)).charge_on(|_| true);
        limiter.replace_policy(&all).unwrap();
    };
    assert_eq!(fine(&limiter, to_all).await.status(), StatusCode::OK);
    kept.flush().await;
    assert_eq!(left(&limiter, "t").await, 5, "judged by the policy it began with");
    // A changed quota charges the hold in full, even if it changes back.
    limiter.replace_policy(&failures(Quota::per_hour(5))).unwrap();
    let there_and_back = |limiter: &RateLimiter| {
        limiter.set_quota("t", Quota::per_hour(50)).unwrap();
        limiter.set_quota("t", Quota::per_hour(5)).unwrap();
    };
    assert_eq!(fine(&limiter, there_and_back).await.status(), StatusCode::OK);
    kept.flush().await;
    assert_eq!(left(&limiter, "t").await, 4, "never given back");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    Check(u8, u32),
    Reserve(u8, u32),
    Settle(usize, u32),
    Drop(usize),
    Request(u8, bool),
    Refund(u8, u32),
    Penalize(u8, u32),
    Reset(u8),
    SetQuota(u64, u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop_oneof![Just(0), 1_u64..40, 40_u64..400].prop_map(Step::Wait),
        3 => (0_u8..3, 0_u32..4).prop_map(|(key, cost)| Step::Check(key, cost)),
        3 => (0_u8..3, 1_u32..4).prop_map(|(key, cost)| Step::Reserve(key, cost)),
        3 => (any::<usize>(), 0_u32..5).prop_map(|(index, actual)| Step::Settle(index, actual)),
        1 => any::<usize>().prop_map(Step::Drop),
        3 => (0_u8..3, any::<bool>()).prop_map(|(key, fails)| Step::Request(key, fails)),
        1 => (0_u8..3, 1_u32..4).prop_map(|(key, cost)| Step::Refund(key, cost)),
        1 => (0_u8..3, 1_u32..4).prop_map(|(key, cost)| Step::Penalize(key, cost)),
        1 => (0_u8..3).prop_map(Step::Reset),
        1 => (1_u64..40, 1_u32..9).prop_map(|(seconds, burst)| Step::SetQuota(seconds, burst)),
    ]
}

fn quota(seconds: u64, burst: u32) -> Quota {
    Quota::new(1, Duration::from_secs(seconds)).unwrap().burst(burst)
}

fn policies() -> [Policy; 2] {
    let held = per_tenant("held", quota(10, 6))
        .charge_on(|response| response.status == StatusCode::UNAUTHORIZED);
    [held, per_tenant("plain", quota(15, 5))]
}

/// A limiter, what it holds open, and where its state is kept.
struct World {
    kept: Kept,
    limiter: RateLimiter,
    open: Vec<Reservation>,
}

/// Every step has the same result in the place under test and in the pure model.
pub(super) fn histories(make: &impl Make) {
    let soak = std::env::var_os("HARDPOINT_SOAK").is_some();
    let rounds = if soak { 66 } else { 1 };
    let cases = make(&ManualClock::default()).histories() * rounds;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    let steps = proptest::collection::vec(step(), 1..40);
    let run = runner.run(&steps, |steps| {
        let clock = ManualClock::default();
        let world = |kept: Kept| {
            let limiter = kept.limiter(&clock, policies());
            World { kept, limiter, open: Vec::new() }
        };
        let (mut ours, mut theirs) = (world(make(&clock)), world(Kept::Model(Model::new(&clock))));
        for step in steps {
            if let Step::Wait(seconds) = step {
                clock.advance(Duration::from_secs(seconds));
                continue;
            }
            let found = runtime.block_on(ours.step(step));
            prop_assert_eq!(found, runtime.block_on(theirs.step(step)), "{:?}", step);
        }
        Ok(())
    });
    run.unwrap();
}

impl World {
    /// Does the step; returns what a caller sees of it, and what all keys have left.
    async fn step(&mut self, step: Step) -> String {
        let mut seen = self.seen(step).await;
        self.kept.flush().await;
        for policy in ["held", "plain"] {
            for key in 0..3 {
                let look = handle(&self.limiter, policy).check_cost(&inline(key), 0).await;
                seen = format!("{seen}, {}", look.unwrap().remaining());
            }
        }
        seen
    }

    async fn seen(&mut self, step: Step) -> String {
        let held = handle(&self.limiter, "held");
        let text = |answer: Result<Admitted, Denied>| match answer {
            Ok(admitted) => format!("{} {:?}", admitted.remaining(), admitted.full_after()),
            Err(denied) => format!("{} {:?}", denied.remaining(), denied.retry_after()),
        };
        match step {
            Step::Check(key, cost) => text(held.check_cost(&inline(key), cost).await),
            Step::Reserve(key, cost) => {
                let reserved = held.reserve(&inline(key), cost).await;
                text(reserved.map(|reservation| {
                    let admitted = reservation.admitted();
                    self.open.push(reservation);
                    admitted
                }))
            }
            Step::Settle(index, actual) if !self.open.is_empty() => {
                self.open.swap_remove(index % self.open.len()).settle(actual);
                String::new()
            }
            Step::Drop(index) if !self.open.is_empty() => {
                drop(self.open.swap_remove(index % self.open.len()));
                String::new()
            }
            Step::Request(key, fails) => {
                let status = if fails { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
                let inner = service_fn(move |_request: Request<TestBody>| async move {
                    let response = Response::builder().status(status).body(TestBody::default());
                    Ok::<_, Infallible>(response.unwrap())
                });
                let mut request = from("acme");
                let tenant = key.to_string().parse().unwrap();
                request.headers_mut().insert(crate::TENANT, tenant);
                let answer = read(self.limiter.layer().unwrap().layer(inner), request).await;
                format!("{} {:?}", answer.status(), answer.headers().get("retry-after"))
            }
            Step::Refund(key, cost) => format!("{:?}", held.refund(&inline(key), cost).await),
            Step::Penalize(key, cost) => format!("{:?}", held.penalize(&inline(key), cost).await),
            Step::Reset(key) => format!("{:?}", held.reset(&inline(key)).await),
            Step::SetQuota(seconds, burst) => {
                format!("{:?}", self.limiter.set_quota("held", quota(seconds, burst)))
            }
            Step::Wait(_) | Step::Settle(..) | Step::Drop(_) => String::new(),
        }
    }
}

/// The same key as the header of a request has.
fn inline(key: u8) -> Key<'static> {
    Key::inline(key.to_string().as_bytes()).unwrap()
}
