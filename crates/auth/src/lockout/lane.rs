//! The transitions of a lane: how one attempt changes the counted attempts. Pure.

use crate::store::millis;
use std::{num::NonZeroU32, time::Duration};

/// The counted attempts of an account, or of one device of it: constant in size.
///
/// An attempt is counted when it is *reserved*, before the password is checked, and it is *settled*
/// afterwards. So parallel guesses cannot exceed the limit: each of them sees those before it.
///
/// All times are milliseconds since 1970 by the clock of the store.
///
/// ```
/// use hardpoint_auth::lockout::{LaneLimits, LaneState, Settled};
///
/// let limits = LaneLimits::account();
/// let mut lane = LaneState::default();
/// let held: Vec<u64> = (0..5).map(|_| lane.reserve(&limits, 1_000, 0).unwrap()).collect();
/// // Five are in flight, none is settled, and the sixth has to wait for a second.
/// assert_eq!(lane.reserve(&limits, 1_000, 0).unwrap_err().wait, Some(1_000));
/// // The owner was one of them.
/// lane.settle(&limits, 1_500, held[0], Settled::Succeeded);
/// assert!(lane.reserve(&limits, 1_500, 0).is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneState {
    /// The failures since the last success.
    pub failures: u32,
    /// The attempts that are reserved and not settled.
    pub open: u32,
    /// When the next attempt may be reserved.
    pub next_at: u64,
    /// When the last attempt was reserved.
    pub last_at: u64,
}

/// The limits of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct LaneLimits {
    pub(crate) free: u32,
    pub(crate) first_delay: u64,
    pub(crate) longest_delay: u64,
    pub(crate) hard_stop: u32,
    pub(crate) forget_after: u64,
    pub(crate) settle_within: u64,
}

impl LaneLimits {
    /// The defaults for an account: 5 attempts at once, then delays of 1 s, 2 s, 4 s and so on up to
    /// 15 minutes, and a hard stop after 100 failures in a row, the most that NIST SP 800-63B-4 §3.2.2
    /// allows. A day without an attempt forgets the failures before the hard stop.
    pub const fn account() -> Self {
        Self {
            free: 5,
            first_delay: 1_000,
            longest_delay: 15 * 60 * 1_000,
            hard_stop: 100,
            forget_after: 24 * 60 * 60 * 1_000,
            settle_within: 60 * 1_000,
        }
    }

    /// The defaults for a known device: as [`account`](Self::account), with a hard stop after 10
    /// failures. A device that reached it counts as an unknown one.
    pub const fn device() -> Self {
        Self { hard_stop: 10, ..Self::account() }
    }

    /// The defaults for all known devices of an account together: a hard stop after 100 failures in a
    /// row, without delays, and 90 days without an attempt forget them. Together with the hard stop of
    /// a device this allows ten devices to be used up.
    pub const fn devices() -> Self {
        Self {
            free: 100,
            first_delay: 0,
            longest_delay: 0,
            forget_after: 90 * 24 * 60 * 60 * 1_000,
            ..Self::account()
        }
    }

    /// How many attempts may fail in a row before a delay. Default: 5.
    pub const fn free_attempts(self, attempts: NonZeroU32) -> Self {
        Self { free: attempts.get(), ..self }
    }

    /// The first delay, and the longest, up to which it doubles with each failure. Up to a quarter is
    /// added at random, so that waiting clients do not come back at the same moment. Default: 1 s
    /// and 15 minutes: 96 guesses a day. With 0 only the hard stop applies.
    pub fn delays(self, first: Duration, longest: Duration) -> Self {
        Self { first_delay: millis(first), longest_delay: millis(longest), ..self }
    }

    /// After how many failures in a row every further attempt is refused, until the lane is unlocked.
    /// Default: 100 for an account (NIST SP 800-63B-4 §3.2.2), 10 for a device.
    pub const fn hard_stop(self, failures: NonZeroU32) -> Self {
        Self { hard_stop: failures.get(), ..self }
    }

    /// After how long without an attempt failures are forgotten, unless they reached the hard stop.
    /// Default: a day.
    pub fn forget_after(self, pause: Duration) -> Self {
        Self { forget_after: millis(pause), ..self }
    }

    /// After how long an attempt that was never settled, because its instance died, is a failure.
    /// Default: a minute, longer than a log-in takes.
    pub fn settle_within(self, time: Duration) -> Self {
        Self { settle_within: millis(time).max(1), ..self }
    }

    /// A share of the limits, above 0 and at most 1. No count falls below 1.
    pub(crate) fn share(self, share: f32) -> Self {
        use crate::rate::part;

        Self { free: part(self.free, share), hard_stop: part(self.hard_stop, share), ..self }
    }

    /// The delay after this many counted attempts.
    fn delay(&self, counted: u32, jitter: u16) -> u64 {
        let Some(exponent) = counted.checked_sub(self.free) else { return 0 };
        let doubled = 1_u64.checked_shl(exponent).and_then(|by| self.first_delay.checked_mul(by));
        // 2^exponent overflows only far above the longest delay, unless the first is 0.
        let delay = match doubled {
            Some(delay) => delay.min(self.longest_delay),
            None if self.first_delay == 0 => 0,
            None => self.longest_delay,
        };
        delay + delay * u64::from(jitter.min(MAX_JITTER)) / JITTER_UNIT
    }
}

/// The most jitter: a quarter of [`JITTER_UNIT`].
pub(crate) const MAX_JITTER: u16 = 1_024;
const JITTER_UNIT: u64 = 4_096;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settled {
    /// The password was wrong.
    Failed,
    /// The password was right.
    Succeeded,
    /// No password was checked, for example because the hasher was overloaded.
    Unverified,
}

/// A lane has no room for an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// How long the attempt has to wait, in milliseconds; `None` after the hard stop.
    pub wait: Option<u64>,
    /// Whether only attempts that are not settled fill the lane and none has failed: if they succeed,
    /// there is room.
    pub is_busy: bool,
}

impl LaneState {
    /// Whether the failures and the open attempts reach the hard stop.
    #[must_use]
    pub fn is_stopped(&self, limits: &LaneLimits) -> bool {
        self.counted() >= limits.hard_stop
    }

    /// Counts an attempt, and returns when: [`settle`](Self::settle) takes it back.
    ///
    /// # Errors
    /// [`Full`] if the attempt has to wait, or if the lane reached its hard stop. Nothing is counted.
    pub fn reserve(&mut self, limits: &LaneLimits, now: u64, jitter: u16) -> Result<u64, Full> {
        self.age(limits, now);
        self.check(limits, now)?;
        self.count(limits, now, jitter);
        Ok(now)
    }

    /// Whether an attempt would be counted now. The state must be [aged](Self::age).
    pub(crate) fn check(&self, limits: &LaneLimits, now: u64) -> Result<(), Full> {
        if self.is_stopped(limits) {
            return Err(Full { wait: None, is_busy: false });
        }
        let is_busy = self.open > 0 && self.failures == 0;
        match self.next_at.saturating_sub(now) {
            0 => Ok(()),
            wait => Err(Full { wait: Some(wait), is_busy }),
        }
    }

    /// Counts an attempt for which there [is room](Self::check).
    pub(crate) fn count(&mut self, limits: &LaneLimits, now: u64, jitter: u16) {
        self.open = self.open.saturating_add(1);
        self.last_at = now;
        self.next_at = now.saturating_add(limits.delay(self.counted(), jitter));
    }

    /// Settles the attempt that was reserved at `at`.
    pub fn settle(&mut self, limits: &LaneLimits, now: u64, at: u64, settled: Settled) {
        self.age(limits, now);
        // A late attempt has become a failure, or becomes one once no other attempt keeps it open.
        let in_time = now < at.saturating_add(limits.settle_within) && self.open > 0;
        if in_time {
            self.open -= 1;
        }
        match settled {
            Settled::Failed => {
                // One that is not open any more was forgotten by an unlock: a newer state decides.
                self.failures = self.failures.saturating_add(in_time.into());
            }
            Settled::Succeeded => {
                self.failures = 0;
                if self.open < limits.free {
                    self.next_at = 0;
                }
            }
            Settled::Unverified => {
                // The wait before it was over, and it tested no guess.
                if in_time && at == self.last_at {
                    self.next_at = 0;
                }
            }
        }
    }

    /// Turns unsettled attempts into failures, and forgets old failures, as time passes.
    pub(crate) fn age(&mut self, limits: &LaneLimits, now: u64) {
        // A clock that was ahead and was set back extends no wait.
        let longest = limits.longest_delay.saturating_add(limits.longest_delay / 4);
        self.next_at = self.next_at.min(now.saturating_add(longest));
        self.last_at = self.last_at.min(now);
        if now >= self.last_at.saturating_add(limits.settle_within) {
            self.failures = self.counted();
            self.open = 0;
        }
        if now >= self.last_at.saturating_add(limits.forget_after) && !self.is_stopped(limits) {
            *self = Self::default();
        }
    }

    pub(crate) fn counted(&self) -> u32 {
        self.failures.saturating_add(self.open)
    }
}
