//! A check that was admitted.

use std::{num::NonZeroU32, time::Duration};

use hardpoint_core::event::Decider;

use crate::Quota;

/// A key had room, and its cells are consumed.
#[derive(Clone, Copy, Debug)]
pub struct Admitted {
    // A quota, in parts: its padding would make room for the decider cost a word.
    interval: u64,
    burst: NonZeroU32,
    decider: Decider,
    debt: u64,
}

impl Admitted {
    #[inline]
    pub(super) const fn new(quota: Quota, debt: u64, decider: Decider) -> Self {
        let (interval, burst) = quota.to_parts();
        Self { interval, burst, decider, debt }
    }

    /// The cells that are left.
    #[must_use]
    pub fn remaining(&self) -> u32 {
        crate::gcra::remaining(Quota::from_parts(self.interval, self.burst), self.debt)
    }

    /// The time after which the bucket is full.
    #[must_use]
    pub fn full_after(&self) -> Duration {
        Duration::from_nanos(self.debt)
    }

    /// Who decided.
    #[must_use]
    pub fn decider(&self) -> Decider {
        self.decider
    }
}
