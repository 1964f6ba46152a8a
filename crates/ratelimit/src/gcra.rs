//! The decision itself: the generic cell rate algorithm (ITU-T I.371), pure.
//!
//! A bucket's whole state is one point in time: when it will be full again ([`State`]). A bucket
//! that was never used and one that has filled up are the same, so forgetting the second loses
//! nothing. The *debt* of a key is the time from now to that point; it may be as long as a full
//! bucket takes to fill.
//!
//! A policy that charges by the response keeps a second number for each key: see [`Holding`].
//!
//! ```
//! use hardpoint_core::Mono;
//! use hardpoint_ratelimit::{Quota, gcra::{State, decide}};
//!
//! let quota = Quota::per_second(10).burst(2);
//! let now = Mono::from_nanos(1);
//! let first = decide(quota, State::FULL, now, 1);
//! let second = decide(quota, first.state, now, 1);
//! let third = decide(quota, second.state, now, 1);
//! assert!(first.allowed && second.allowed && !third.allowed);
//!
//! // A client that waits for `retry_after` is admitted.
//! let later = now.saturating_add(third.retry_after.expect("the cost fits into the burst"));
//! assert!(decide(quota, third.state, later, 1).allowed);
//! ```

mod holding;

use std::time::Duration;

use hardpoint_core::Mono;

pub(crate) use self::holding::Since;
pub use self::holding::{HOLD_TIMEOUT, Hold, Holding};
use crate::Quota;

/// When a bucket will be full: the theoretical arrival time of the algorithm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State(u64);

impl State {
    /// A bucket that was never used.
    pub const FULL: Self = Self(0);

    /// The state of a bucket that will be full at `instant`.
    #[must_use]
    pub const fn full_at(instant: Mono) -> Self {
        Self(instant.as_nanos())
    }

    /// Nanoseconds until the bucket is full, at most as many as a whole bucket of `quota` takes: a
    /// state from a longer quota, or from a clock that was stepped back, does not lock a key out.
    #[inline]
    #[must_use]
    pub const fn debt(self, quota: Quota, now: Mono) -> u64 {
        let debt = self.0.saturating_sub(now.as_nanos());
        let tolerance = quota.tolerance();
        if debt < tolerance { debt } else { tolerance }
    }

    /// The same state, if it is one that this quota can lead to; else that of an empty bucket.
    #[inline]
    const fn within(self, quota: Quota, now: Mono) -> Self {
        let latest = after(now, quota.tolerance());
        if self.0 <= latest.0 { self } else { latest }
    }

    #[inline]
    pub(crate) const fn as_nanos(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }
}

/// What was decided about one request of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision {
    /// Whether the request is admitted.
    pub allowed: bool,
    /// The state to keep. A refusal leaves it unchanged, unless it is further ahead than a whole
    /// bucket, as a longer quota or another clock leaves it: then it is cut.
    pub state: State,
    /// Cells that are left now.
    pub remaining: u32,
    /// The time after which the same cost is admitted, if nothing else consumes meanwhile. `None`
    /// if it was admitted, or if it exceeds the burst and never will be.
    pub retry_after: Option<Duration>,
    /// The time after which the bucket is full, if nothing consumes meanwhile.
    pub full_after: Duration,
}

/// Decides a request that costs `cost` cells. A cost of 0 looks without consuming, and is allowed.
#[must_use]
pub fn decide(quota: Quota, state: State, now: Mono, cost: u32) -> Decision {
    let debt = state.debt(quota, now);
    let charged = charge(quota, debt, cost);
    let (allowed, debt_after) = charged.map_or((false, debt), |debt| (true, debt));
    Decision {
        allowed,
        state: if allowed { after(now, debt_after) } else { state.within(quota, now) },
        remaining: remaining(quota, debt_after),
        retry_after: if allowed { None } else { retry_after(quota, debt, cost) },
        full_after: Duration::from_nanos(debt_after),
    }
}

/// The debt after `cost` more cells; `None` if that is more than a full bucket.
#[inline]
pub(crate) const fn charge(quota: Quota, debt: u64, cost: u32) -> Option<u64> {
    let Some(price) = quota.interval_nanos().checked_mul(cost as u64) else {
        return None;
    };
    let Some(debt) = debt.checked_add(price) else {
        return None;
    };
    if debt <= quota.tolerance() { Some(debt) } else { None }
}

/// The debt after `cost` more cells, whether or not they fit: at most that of an empty bucket.
pub(crate) fn force(quota: Quota, debt: u64, cost: u32) -> u64 {
    debt.saturating_add(price(quota, cost)).min(quota.tolerance())
}

/// The debt after `cost` cells were given back: at least zero.
pub(crate) fn refund(quota: Quota, debt: u64, cost: u32) -> u64 {
    debt.saturating_sub(price(quota, cost))
}

/// The debt that `cost` cells add, in nanoseconds.
pub(crate) const fn price(quota: Quota, cost: u32) -> u64 {
    quota.interval_nanos().saturating_mul(cost as u64)
}

/// The state to keep of one that is further ahead than a whole bucket; `None` if it is not.
#[inline]
pub(crate) fn cut(quota: Quota, state: State, now: Mono) -> Option<State> {
    let within = state.within(quota, now);
    (within != state).then_some(within)
}

/// The state of a key that has this debt now.
#[inline]
pub(crate) const fn after(now: Mono, debt: u64) -> State {
    State(now.as_nanos().saturating_add(debt))
}

/// The largest power of two that is at most the debt, as an exponent from 0 to 63.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "a number of 64 bits has at most 63 others")]
pub(crate) const fn size(debt: u64) -> u8 {
    63_u32.saturating_sub(debt.leading_zeros()) as u8
}

/// Whole cells that a key with this debt may consume.
pub(crate) fn remaining(quota: Quota, debt: u64) -> u32 {
    let cells = quota.tolerance().saturating_sub(debt) / quota.interval_nanos();
    u32::try_from(cells).unwrap_or(u32::MAX)
}

/// How long a key with this debt waits for `cost` cells; `None` if they never fit.
pub(crate) fn retry_after(quota: Quota, debt: u64, cost: u32) -> Option<Duration> {
    let price = quota.interval_nanos().checked_mul(u64::from(cost))?;
    let room = quota.tolerance().checked_sub(price)?;
    Some(Duration::from_nanos(debt.saturating_sub(room)))
}

#[cfg(test)]
mod tests;
