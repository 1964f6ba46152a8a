//! The settings of a guard.

use std::{hash::RandomState, sync::Arc, time::Duration};

use hardpoint_core::{Telemetry, Time};
use tokio::sync::{Notify, Semaphore};

use super::{
    AttemptStore, Limits, LoginGuard, OnFailure,
    failure::Outage,
    guard::{Fallback, Inner, MOST_WAITING},
    memory::MemoryAttempts,
    store::Kept,
};
use crate::{ConfigError, InMemory, session::root::DerivedKeys};

/// Sets up a [`LoginGuard`].
///
/// | setting | default |
/// |---|---|
/// | [`limits`](Self::limits) | [`Limits::new`] |
/// | [`device_lifetime`](Self::device_lifetime) | 180 days |
/// | [`on_failure`](Self::on_failure) | [`OnFailure::LocalThenDeny`] with a share of 0.25 |
/// | [`local_for`](Self::local_for) | 60 seconds |
/// | [`patience`](Self::patience) | 10 seconds |
/// | [`time`](Self::time) | the system's clocks |
/// | [`telemetry`](Self::telemetry) | no observer |
#[must_use]
pub struct LoginGuardBuilder {
    inner: Inner,
}

debug_only!(LoginGuardBuilder { inner });

impl LoginGuardBuilder {
    pub(super) fn new(store: AttemptStore, keys: DerivedKeys) -> Self {
        Self {
            inner: Inner {
                store,
                limits: Limits::new(),
                fallback: None,
                keys,
                device_lifetime: Duration::from_secs(180 * 24 * 60 * 60),
                on_failure: OnFailure::LocalThenDeny { share: 0.25 },
                local_for: Duration::from_secs(60),
                patience: Duration::from_secs(10),
                queues: std::array::from_fn(|_| Notify::new()),
                hasher: RandomState::new(),
                waiting: Semaphore::new(MOST_WAITING),
                outage: Outage::default(),
                time: Time::system(),
                telemetry: Telemetry::none(),
            },
        }
    }

    /// The limits of all lanes.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.inner.limits = limits;
        self
    }

    /// How long a device stays known after a log-in. Default: 180 days. A device that is not used
    /// for longer counts as unknown again. With 0 no device is ever known, and an attacker can lock
    /// the owner out.
    pub const fn device_lifetime(mut self, lifetime: Duration) -> Self {
        self.inner.device_lifetime = lifetime;
        self
    }

    /// Decides attempts while a remote store does not. Default: [`OnFailure::LocalThenDeny`] with a
    /// share of 0.25: log-ins survive a server restart, and an attacker who takes the server down
    /// gains a minute in which each instance admits a quarter of the limits.
    pub const fn on_failure(mut self, policy: OnFailure) -> Self {
        self.inner.on_failure = policy;
        self
    }

    /// How long [`OnFailure::LocalThenDeny`] counts locally. Default: 60 seconds, the length of a
    /// restart. 0 denies at once. A failure of the store that comes later than this after the one before,
    /// and later than a minute, begins an outage of its own, with new counts.
    pub const fn local_for(mut self, time: Duration) -> Self {
        self.inner.local_for = time;
        self
    }

    /// How long a log-in waits while others to the same account are checked and none has failed.
    /// Default: 10 seconds, twice as long as a log-in waits for the hasher. With 0 it is refused with
    /// 503 at once, as are those beyond 256 that wait.
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.inner.patience = patience;
        self
    }

    /// Reads the age of device cookies and of outages from this handle. Default: the system's clocks.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.inner.time = time.into();
        self
    }

    /// Reports every attempt to this observer. Default: to none.
    pub fn telemetry(mut self, telemetry: &Telemetry) -> Self {
        self.inner.telemetry = telemetry.clone();
        self
    }

    /// The guard.
    ///
    /// # Errors
    /// [`ConfigError::Lockout`] if a limit could never be reached or is below its first delay, or a
    /// share is not above 0 and at most 1.
    pub fn build(mut self) -> Result<LoginGuard, ConfigError> {
        let Limits { account, device, devices, .. } = &self.inner.limits;
        for limits in [account, device, devices] {
            if limits.hard_stop < limits.free {
                return Err(ConfigError::Lockout(
                    "the hard stop is below the free attempts, so no delay is ever reached; write a \
                     larger hard_stop() or fewer free_attempts()",
                ));
            }
            if limits.longest_delay < limits.first_delay {
                return Err(ConfigError::Lockout(
                    "the longest delay is shorter than the first; write a longer one",
                ));
            }
            if limits.forget_after < limits.longest_delay.max(limits.settle_within) {
                return Err(ConfigError::Lockout(
                    "failures are forgotten before the longest delay is over, so waiting would start \
                     the delays anew; write a longer forget_after()",
                ));
            }
        }
        if let Some(share) = self.inner.on_failure.share() {
            if !(share > 0.0 && share <= 1.0) {
                return Err(ConfigError::Lockout(
                    "the share of the limits is not above 0 and at most 1; write one divided by the \
                     number of instances",
                ));
            }
            if matches!(self.inner.store.kept, Kept::Remote(_)) {
                let attempts = MemoryAttempts::new(InMemory::new().time(self.inner.time.clone()));
                let limits = self.inner.limits.share(share);
                self.inner.fallback = Some(Fallback { attempts, limits });
            }
        }
        Ok(LoginGuard { inner: Arc::new(self.inner) })
    }
}
