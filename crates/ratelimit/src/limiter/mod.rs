//! The limiter: its policies, and the state that it decides by.

mod admitted;
mod ask;
mod builder;
mod denied;
mod fall_back;
mod handle;
mod once;
mod report;
mod reservation;
mod rules;
mod settlement;

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use hardpoint_core::Telemetry;

pub use self::{
    admitted::Admitted, builder::RateLimiterBuilder, denied::Denied, handle::PolicyHandle,
    reservation::Reservation,
};
pub(crate) use self::{
    ask::Refusal,
    rules::{Current, Rules},
    settlement::{By, SettleLater},
};
use self::{builder::check_share, once::Uses, rules::LiveRules};
use crate::{
    ConfigError, Headers, Policy, Quota, RateLimitLayer, RemoteStore, SubjectRateLimitLayer,
    clock::Ticks, failure::Outage, key::Needs, rejection::ProblemOf, store::Memory,
};

/// Decides requests by its policies. Clones, and the layers made from it, share its state.
///
/// ```
/// use hardpoint_core::{Key, ManualClock};
/// use hardpoint_ratelimit::{Policy, Quota, RateLimiter, key};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let messages = Policy::new("messages", Quota::per_second(5), key::subject());
/// let limiter = RateLimiter::builder().policy(messages).build()?;
/// let messages = limiter.policy("messages")?;
///
/// // Without a request: a WebSocket message that costs three cells.
/// let admitted = messages.check_cost(&Key::borrowed(b"alice"), 3).await?;
/// assert_eq!(admitted.remaining(), 2);
/// assert!(messages.check_cost(&Key::borrowed(b"alice"), 3).await.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RateLimiter {
    shared: Arc<Shared>,
}

struct Shared {
    rules: LiveRules,
    /// Held while the rules change.
    changes: Mutex<()>,
    settings: Settings,
    /// The state, or that of policies that decide locally while the store does not.
    memory: Memory,
    remote: Option<Arc<dyn RemoteStore>>,
    time: Ticks,
    telemetry: OnceLock<Telemetry>,
    outage: Outage,
    uses: Uses,
}

/// What stays as the limiter was built.
struct Settings {
    headers: Headers,
    near_percent: u8,
    problem: Option<Arc<ProblemOf>>,
    local_for: Duration,
}

impl RateLimiter {
    /// Starts a limiter.
    pub fn builder() -> RateLimiterBuilder {
        RateLimiterBuilder::new()
    }

    /// A layer that limits requests before they are authenticated. All layers of one limiter share
    /// its state.
    ///
    /// # Errors
    /// [`ConfigError::SubjectPolicy`] if a policy counts by the authenticated caller.
    pub fn layer(&self) -> Result<RateLimitLayer, ConfigError> {
        let by_subject = |policy: &&Policy| policy.needs() == Needs::Identity;
        match self.rules().policies.iter().find(by_subject) {
            Some(policy) => Err(ConfigError::SubjectPolicy { policy: policy.name().to_owned() }),
            None => Ok(RateLimitLayer::from_limiter(self.clone())),
        }
    }

    /// A layer that limits requests inside authentication, where the caller is known.
    ///
    /// # Errors
    /// [`ConfigError::NoSubjectPolicy`] if no policy can count by the caller.
    pub fn by_subject(&self) -> Result<SubjectRateLimitLayer, ConfigError> {
        if self.rules().policies.iter().all(|policy| policy.needs() == Needs::Nothing) {
            return Err(ConfigError::NoSubjectPolicy);
        }
        Ok(SubjectRateLimitLayer::from_limiter(self.clone()))
    }

    /// A handle to one policy, for checks without a request.
    ///
    /// # Errors
    /// [`ConfigError::UnknownPolicy`] if the limiter has no policy of this name.
    pub fn policy(&self, name: &str) -> Result<PolicyHandle, ConfigError> {
        Ok(PolicyHandle::new(self.clone(), self.number(name)?))
    }

    /// Replaces the policy of the same name, from the next request on. It delays no other request
    /// and loses no state: each key keeps its debt, which counts at most as an empty bucket of the
    /// new quota.
    ///
    /// A shorter quota cuts the debts of all keys once, in the caller, which takes about 10 ms for a
    /// million keys: otherwise old debts would displace new keys until the old window has passed. A
    /// request that was admitted under another quota and is judged now is charged in full.
    ///
    /// # Errors
    /// [`ConfigError::UnknownPolicy`] if the limiter has no policy of this name;
    /// [`ConfigError::Replacement`] if the new policy holds cells and the old one does not;
    /// [`ConfigError::SubjectPolicy`] if only the new one counts by the caller; and what the store
    /// returns.
    pub fn replace_policy(&self, policy: &Policy) -> Result<(), ConfigError> {
        self.change_policy(policy.name(), |_| policy.clone())
    }

    /// Replaces the quota of a policy, as [`replace_policy`](Self::replace_policy) does.
    ///
    /// # Errors
    /// [`ConfigError::UnknownPolicy`] if the limiter has no policy of this name, and what the store
    /// returns.
    pub fn set_quota(&self, policy: &str, quota: Quota) -> Result<(), ConfigError> {
        self.change_policy(policy, |policy| policy.clone().with_quota(quota))
    }

    /// How many keys in debt were forgotten in this process because a table was full. If it grows,
    /// more callers come than [`Policy::peak_keys`] has room for.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.shared.memory.evictions()
    }

    /// The bytes that the tables of this process take. They never change.
    #[must_use]
    pub fn memory_size(&self) -> usize {
        self.shared.memory.size()
    }

    /// Reports to `telemetry`, unless the limiter has an observer already.
    pub(crate) fn report_to(&self, telemetry: &Telemetry) {
        telemetry.fill(&self.shared.telemetry);
        if let (Some(store), Some(telemetry)) = (&self.shared.remote, self.shared.telemetry.get()) {
            store.telemetry(telemetry);
        }
    }

    fn change_policy(
        &self,
        name: &str,
        change: impl FnOnce(&Policy) -> Policy,
    ) -> Result<(), ConfigError> {
        let number = usize::from(self.number(name)?);
        let shared = &*self.shared;
        let _turn = shared.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = self.rules();
        let mut policies = rules.policies.clone();
        let Some(place) = policies.get_mut(number) else {
            return Err(ConfigError::UnknownPolicy { name: name.to_owned() });
        };
        let changed = change(place).replacing(place);
        check_share(&changed)?;
        if changed.holds() && !shared.memory.can_hold(number) {
            return Err(ConfigError::Replacement { policy: name.to_owned() });
        }
        if changed.needs() == Needs::Identity && place.needs() != Needs::Identity {
            return Err(ConfigError::SubjectPolicy { policy: name.to_owned() });
        }
        let (before, quota) = (place.quota(), changed.quota());
        *place = changed;
        if let Some(store) = &shared.remote {
            store.prepare(&policies)?;
        }
        // First the rules, then the cut: a decision by the old quota may still come in between.
        shared.rules.replace(Rules::new(policies, shared.settings.headers));
        if quota.window() < before.window() {
            shared.memory.cut(number, quota, shared.time.now());
        }
        Ok(())
    }

    fn number(&self, name: &str) -> Result<u8, ConfigError> {
        let policies = (0..).zip(&self.shared.rules.first().policies);
        let found = policies.into_iter().find(|(_, policy)| policy.name() == name);
        let unknown = || ConfigError::UnknownPolicy { name: name.to_owned() };
        found.map(|(number, _)| number).ok_or_else(unknown)
    }

    /// The policies as they are now.
    #[inline]
    pub(crate) fn rules(&self) -> Current<'_> {
        self.shared.rules.current()
    }

    /// The store, if the state is not in this process.
    #[inline]
    pub(crate) fn remote(&self) -> Option<&dyn RemoteStore> {
        self.shared.remote.as_deref()
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("policies", &self.rules().policies)
            .field("remote", &self.shared.remote.is_some())
            .finish_non_exhaustive()
    }
}
