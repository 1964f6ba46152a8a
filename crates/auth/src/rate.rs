//! A rate with a burst, for attempts, one-time tokens and unknown API keys. Pure.

use std::{num::NonZeroU32, time::Duration};

/// So many in a time, and a burst that may come at once.
///
/// ```
/// use hardpoint_auth::lockout::Rate;
/// use std::{num::NonZeroU32, time::Duration};
///
/// let ten = const { NonZeroU32::new(10).unwrap() };
/// let rate = Rate::new(ten, Duration::from_secs(60)).burst(ten.saturating_mul(ten));
/// # let _ = rate;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Rate {
    /// Milliseconds between two, at least 1.
    pub(crate) interval: u64,
    pub(crate) burst: u32,
}

impl Rate {
    /// `count` in each `per`. The burst is `count` too. The smallest interval is a millisecond, so a
    /// rate above 1,000 a second means 1,000 a second.
    pub const fn new(count: NonZeroU32, per: Duration) -> Self {
        let interval = per.as_millis() / count.get() as u128;
        // A day has fewer milliseconds than fit in 32 bits, and a longer interval is as good as one.
        let interval = if interval > LONGEST { LONGEST } else { interval };
        #[expect(clippy::cast_possible_truncation, reason = "bounded in the line above")]
        let interval = if interval == 0 { 1 } else { interval as u64 };
        Self { interval, burst: count.get() }
    }

    /// How many may come at once after a pause. Default: as many as in the time of the rate.
    pub const fn burst(self, burst: NonZeroU32) -> Self {
        Self { burst: burst.get(), ..self }
    }

    /// A share of the rate, above 0 and at most 1, with a burst of at least 1.
    pub(crate) fn share(self, share: f32) -> Self {
        let interval = (self.interval as f64 / f64::from(share)).min(LONGEST as f64);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive and at most LONGEST"
        )]
        Self { interval: interval as u64, burst: part(self.burst, share) }
    }
}

/// 100 days, in milliseconds.
const LONGEST: u128 = 100 * 24 * 60 * 60 * 1000;

/// A share of a count, at least 1.
pub(crate) fn part(count: u32, share: f32) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share is above 0 and at most 1"
    )]
    let part = (f64::from(count) * f64::from(share)) as u32;
    part.max(1)
}

/// The state of a rate for one key: when everything that was taken is replenished.
///
/// Times are milliseconds since 1970 by the clock of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// When it is as if nothing had been taken. 0 for a new key.
    pub replenished_at: u64,
}

impl Pace {
    /// How long one more has to wait; zero if it may be taken now.
    #[must_use]
    pub fn wait(&mut self, rate: &Rate, now: u64) -> u64 {
        let full = now.saturating_add(rate.interval.saturating_mul(rate.burst.into()));
        // A clock that was ahead and was set back extends no wait: the burst is taken, and no more.
        self.replenished_at = self.replenished_at.min(full);
        self.replenished_at.max(now).saturating_add(rate.interval).saturating_sub(full)
    }

    /// Takes one.
    pub fn take(&mut self, rate: &Rate, now: u64) {
        self.replenished_at = self.replenished_at.max(now).saturating_add(rate.interval);
    }

    /// Gives one back.
    pub fn put_back(&mut self, rate: &Rate) {
        self.replenished_at = self.replenished_at.saturating_sub(rate.interval);
    }
}
