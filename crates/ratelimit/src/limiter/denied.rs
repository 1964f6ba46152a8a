//! A check that was denied.

use std::{error::Error, fmt, num::NonZeroU32, time::Duration};

use hardpoint_core::event::Decider;

use crate::{Quota, store::Verdict};

/// A key had no room, or the limiter could not decide.
///
/// It is a [`Rejection`](hardpoint_core::Rejection), so a handler can refuse with it.
#[derive(Clone, Copy, Debug)]
pub struct Denied {
    interval: u64,
    debt: u64,
    burst: NonZeroU32,
    cost: u32,
    reason: Reason,
    decider: Decider,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    NotReservable,
    Quota,
    Undecided,
}

impl Denied {
    pub(super) const UNDECIDED: Self = Self {
        interval: 1,
        debt: 0,
        burst: NonZeroU32::MIN,
        cost: 0,
        reason: Reason::Undecided,
        decider: Decider::Fallback,
    };

    #[inline]
    pub(super) fn new(verdict: &Verdict, reason: Reason, decider: Decider) -> Self {
        let Verdict { quota, debt, cost, .. } = *verdict;
        let (interval, burst) = quota.to_parts();
        Self { interval, debt, burst, cost, reason, decider }
    }

    const fn quota(&self) -> Quota {
        Quota::from_parts(self.interval, self.burst)
    }

    /// The time after which the same cost is admitted, if nothing else consumes meanwhile. `None`
    /// if it exceeds the burst; one second if the limiter could not decide.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.reason {
            Reason::NotReservable => None,
            Reason::Quota => crate::gcra::retry_after(self.quota(), self.debt, self.cost),
            Reason::Undecided => Some(Duration::from_secs(1)),
        }
    }

    /// The cells that are left.
    #[must_use]
    pub fn remaining(&self) -> u32 {
        match self.reason {
            Reason::Quota => crate::gcra::remaining(self.quota(), self.debt),
            Reason::NotReservable | Reason::Undecided => 0,
        }
    }

    /// Who decided. A limiter that could not decide refuses by [`Decider::Fallback`].
    #[must_use]
    pub fn decider(&self) -> Decider {
        self.decider
    }

    /// Whether the limiter could not decide: the denial is not about the key.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.reason != Reason::Quota
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            Reason::NotReservable => {
                "the rate limit policy takes no reservations; build it with `Policy::reservable()`"
            }
            Reason::Quota => "the quota is consumed",
            Reason::Undecided => "the rate limiter's store did not decide",
        })
    }
}

impl Error for Denied {}
