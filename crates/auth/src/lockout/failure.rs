//! How attempts are decided while a remote store does not answer.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use hardpoint_core::Mono;

use crate::store::millis;

/// How a guard decides about attempts while a remote store does not.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum OnFailure {
    /// Every attempt proceeds, uncounted. An attacker who can slow the store down guesses without a
    /// limit.
    Allow,
    /// Every attempt is refused with 503.
    Deny,
    /// This process counts, with a share of the limits above 0 and at most 1. Divide by the number of
    /// instances to keep the total.
    Local {
        /// The share.
        share: f32,
    },
    /// As [`Local`](Self::Local) for 60 seconds
    /// ([`local_for`](super::LoginGuardBuilder::local_for)), then as [`Deny`](Self::Deny) until the
    /// store decides again.
    LocalThenDeny {
        /// The share.
        share: f32,
    },
}

impl Default for OnFailure {
    /// [`LocalThenDeny`](Self::LocalThenDeny) with a share of 0.25.
    fn default() -> Self {
        Self::LocalThenDeny { share: 0.25 }
    }
}

impl OnFailure {
    /// The share with which this process counts; `None` if it never does.
    pub(super) const fn share(self) -> Option<f32> {
        match self {
            Self::Allow | Self::Deny => None,
            Self::Local { share } | Self::LocalThenDeny { share } => Some(share),
        }
    }
}

/// The time since which a store has not decided.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// Milliseconds of the first failure since the last decision, plus 1; 0 if there is none.
    since: AtomicU64,
}

impl Outage {
    pub(super) fn ended(&self) {
        if self.since.load(Ordering::Relaxed) != 0 {
            self.since.store(0, Ordering::Relaxed);
        }
    }

    /// Notes a failure, and returns for how long the store has not decided.
    pub(super) fn failed(&self, now: Mono) -> Duration {
        let now = millis(Duration::from_nanos(now.as_nanos())).saturating_add(1);
        let first = self.since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        Duration::from_millis(now.saturating_sub(first.err().unwrap_or(now)))
    }
}
