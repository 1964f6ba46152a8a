//! Any quota and any requests at any times, against a bucket that is counted in 128 bits: nothing is
//! admitted beyond it, and a client that waits for the advised time, and not a nanosecond less, is
//! admitted. A limiter in memory decides the same after every command, and so does a bucket whose cells
//! may be held.
#![cfg_attr(fuzzing, no_main)]
#![expect(clippy::expect_used, reason = "a target reports what it found by a panic")]

use std::{
    future::Future,
    num::NonZeroU32,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use hardpoint_core::{Clock, Key, KeyMissing, ManualClock, Mono};
use hardpoint_fuzz::Numbers;
use hardpoint_ratelimit::{
    Policy, PolicyHandle, Quota, RateLimiter,
    gcra::{State, decide},
    key,
};

hardpoint_fuzz::target!(check);

fn check(data: &[u8]) {
    let mut numbers = Numbers::of(data);
    let Some(mut bucket) = Bucket::read(&mut numbers) else { return };
    let clock = ManualClock::default();
    let plain = limiter(&clock, bucket.quota, false);
    let holding = limiter(&clock, bucket.quota, true);
    while let (Some(kind), Some(pause), Some(cost)) =
        (numbers.byte(), numbers.number(), numbers.small())
    {
        // At the end of time, after 584 years, nothing is replenished any more.
        let latest = u64::MAX - u64::try_from(bucket.full).expect("a number of 64 bits");
        if clock.now().as_nanos().saturating_add(pause) >= latest / 2 {
            return;
        }
        clock.advance(Duration::from_nanos(pause));
        bucket.debt = bucket.debt.saturating_sub(pause.into());
        bucket.decides(clock.now(), cost);
        let step = Step::new(kind);
        let room = bucket.apply(step, cost);
        assert_eq!(did(&plain, step, cost), room);
        let left = Some(u32::try_from(bucket.cells()).expect("a number of 32 bits"));
        assert_eq!(cells(&plain), left);
        // A hold that is released at once leaves no trace.
        if kind & 8 != 0 {
            let _denied = now(holding.reserve(&KEY, cost)).map(|reservation| reservation.settle(0));
        }
        assert_eq!(did(&holding, step, cost), room);
        assert_eq!(cells(&holding), left);
    }
}

static KEY: Key<'static> = Key::borrowed(b"key");

fn limiter(clock: &ManualClock, quota: Quota, holds: bool) -> PolicyHandle {
    let key = key::from_fn(|_| Err(KeyMissing::new("request")));
    let policy = Policy::new("policy", quota, key).peak_keys(1);
    let policy = if holds { policy.reservable() } else { policy };
    let limiter = RateLimiter::builder().policy(policy).time(clock).build();
    limiter.and_then(|limiter| limiter.policy("policy")).expect("one policy with a plain name")
}

/// A limiter in memory decides at the first poll.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("memory decides at once"),
    }
}

fn cells(handle: &PolicyHandle) -> Option<u32> {
    now(handle.check_cost(&KEY, 0)).ok().map(|admitted| admitted.remaining())
}

fn did(handle: &PolicyHandle, step: Step, cost: u32) -> bool {
    match step {
        Step::Take => now(handle.check_cost(&KEY, cost)).is_ok(),
        Step::Force => now(handle.penalize(&KEY, cost)).is_ok(),
        Step::Refund => now(handle.refund(&KEY, cost)).is_ok(),
        Step::Reset => now(handle.reset(&KEY)).is_ok(),
    }
}

#[derive(Clone, Copy)]
enum Step {
    Take,
    Force,
    Refund,
    Reset,
}

impl Step {
    fn new(kind: u8) -> Self {
        match kind % 8 {
            0 => Self::Force,
            2 => Self::Refund,
            3 => Self::Reset,
            _ => Self::Take,
        }
    }
}

/// What a bucket owes and may owe, in nanoseconds.
struct Bucket {
    quota: Quota,
    debt: u128,
    full: u128,
    interval: u128,
}

impl Bucket {
    fn read(numbers: &mut Numbers<'_>) -> Option<Self> {
        let (cells, period) = (numbers.small()?, Duration::from_nanos(numbers.number()?));
        let quota = Quota::new(cells, period)?.burst(NonZeroU32::new(numbers.small()?)?.get());
        let interval = quota.interval().as_nanos();
        assert!(interval * u128::from(cells) >= period.as_nanos());
        let full = (interval * u128::from(quota.capacity())).min(u64::MAX.into());
        Some(Self { quota, debt: 0, full, interval })
    }

    fn cells(&self) -> u128 {
        ((self.full - self.debt) / self.interval).min(u32::MAX.into())
    }

    fn price(&self, cost: u32) -> u128 {
        self.interval * u128::from(cost)
    }

    /// Asks the pure decision, which changes nothing here.
    fn decides(&self, now: Mono, cost: u32) {
        let after = |nanos: u128| {
            Mono::from_nanos(now.as_nanos() + u64::try_from(nanos).expect("a number of 64 bits"))
        };
        let state = State::full_at(after(self.debt));
        let decision = decide(self.quota, state, now, cost);
        let fits = self.debt + self.price(cost) <= self.full;
        assert_eq!(decision.allowed, fits);
        let debt = if fits { self.debt + self.price(cost) } else { self.debt };
        assert_eq!(u128::from(decision.state.debt(self.quota, now)), debt);
        assert_eq!(decision.full_after.as_nanos(), debt);
        let left = Self { debt, ..*self };
        assert_eq!(u128::from(decision.remaining), left.cells());
        match decision.retry_after.map(|wait| wait.as_nanos()) {
            None => assert!(fits || self.price(cost) > self.full),
            Some(wait) => {
                assert!(!fits && wait > 0);
                let again = |wait| decide(self.quota, decision.state, after(wait), cost).allowed;
                assert!(again(wait) && !again(wait - 1));
            }
        }
    }

    /// Whether there was room.
    fn apply(&mut self, step: Step, cost: u32) -> bool {
        let price = self.price(cost);
        let fits = self.debt + price <= self.full;
        self.debt = match step {
            Step::Force => (self.debt + price).min(self.full),
            Step::Refund => self.debt.saturating_sub(price),
            Step::Reset => 0,
            Step::Take if fits => self.debt + price,
            Step::Take => self.debt,
        };
        fits || !matches!(step, Step::Take)
    }
}
