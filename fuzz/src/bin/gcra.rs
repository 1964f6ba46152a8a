//! Any quota and any requests at any times, against a bucket that is counted in 128 bits: nothing is let
//! in beyond it, and whoever waits as long as was said, and not a nanosecond less, is let in. The store in
//! memory says the same, whatever is done to the bucket.
#![cfg_attr(fuzzing, no_main)]
#![expect(clippy::expect_used, reason = "a panic is how a target tells what it found")]

use std::{num::NonZeroU32, time::Duration};

use hardpoint_core::{ManualClock, Mono};
use hardpoint_fuzz::Numbers;
use hardpoint_ratelimit::{
    Digest, Entry, MemoryStore, Mode, Quota,
    gcra::{State, decide},
};

hardpoint_fuzz::target!(check);

fn check(data: &[u8]) {
    let mut numbers = Numbers::of(data);
    let Some(mut bucket) = Bucket::of(&mut numbers) else { return };
    let store = MemoryStore::for_peak(&[1], ManualClock::default());
    let mut now = 1_u64;
    while let (Some(kind), Some(pause), Some(cost)) =
        (numbers.byte(), numbers.number(), numbers.small())
    {
        // At the end of time, after 584 years, nothing is replenished any more.
        let latest = u64::MAX - u64::try_from(bucket.full).expect("a number of 64 bits");
        now = now.saturating_add(pause);
        if now >= latest / 2 {
            return;
        }
        bucket.debt = bucket.debt.saturating_sub(pause.into());
        let at = Mono::from_nanos(now);
        bucket.decides(at, cost);
        let mode = match kind % 8 {
            0 => Mode::Force,
            1 => Mode::Observe,
            2 => Mode::Refund,
            3 => Mode::Reset,
            _ => Mode::Enforce,
        };
        let entry = Entry { policy: 0, key: Digest::from_bits(9), quota: bucket.quota, cost, mode };
        let verdicts = store.decide_at(&entry.into(), at).expect("there is a table");
        let room = bucket.apply(mode, cost);
        let batch = entry.into();
        let (_, verdict) = verdicts.of(&batch).next().expect("one entry, one verdict");
        assert_eq!(verdict.allowed(), room);
        assert_eq!(verdicts.allowed(), room || mode == Mode::Observe);
        assert_eq!(verdict.full_after().as_nanos(), bucket.debt);
        assert_eq!(u128::from(verdict.remaining()), bucket.cells());
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
    fn of(numbers: &mut Numbers<'_>) -> Option<Self> {
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
    fn apply(&mut self, mode: Mode, cost: u32) -> bool {
        let price = self.price(cost);
        let fits = self.debt + price <= self.full;
        self.debt = match mode {
            Mode::Force => (self.debt + price).min(self.full),
            Mode::Refund => self.debt.saturating_sub(price),
            Mode::Reset => 0,
            _ if fits => self.debt + price,
            _ => self.debt,
        };
        fits || !matches!(mode, Mode::Enforce | Mode::Observe)
    }
}
