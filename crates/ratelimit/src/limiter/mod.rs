//! The limiter: policies, and the store that decides by them.

mod builder;
mod decide;
mod direct;
mod rules;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hardpoint_core::Problem;

use self::rules::LiveRules;
pub use self::{
    builder::{Builder, OnFailure},
    direct::{Check, CheckError, Reservation, Reserved},
};
pub(crate) use self::{
    decide::{Refusal, Settlement},
    rules::{Current, Rules},
};
use crate::{ConfigError, MemoryStore, Policy, Quota, RateLimitLayer, RateLimited, Store};

/// Decides requests by its policies. Clones share the state, as do the layers made from it.
///
/// ```
/// use hardpoint_core::{ClientResolver, Key};
/// use hardpoint_ratelimit::{Policy, Quota, RateLimiter, key};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let messages = Policy::new("messages", Quota::per_second(5), key::subject());
/// let limiter = RateLimiter::builder().policy(messages).build()?;
///
/// // Without a request: a message on a WebSocket that weighs three cells.
/// let verdict = limiter.check("messages", &Key::borrowed(b"alice"), 3).await?;
/// assert!(verdict.allowed());
/// assert_eq!(verdict.remaining(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RateLimiter<St = MemoryStore, Ob = ()> {
    shared: Arc<Shared<St, Ob>>,
}

struct Shared<St, Ob> {
    rules: LiveRules,
    settings: Settings,
    store: St,
    observer: Ob,
    /// The second in which a failure of the store was logged last, and how many were not since.
    logged: AtomicU64,
    unlogged: AtomicU64,
}

/// What a refused client is told.
type ProblemOf = dyn Fn(&RateLimited) -> Problem + Send + Sync;

/// What stays as the limiter was built with it.
struct Settings {
    headers: crate::Headers,
    on_failure: OnFailure,
    near_percent: u8,
    problem: Option<Arc<ProblemOf>>,
}

impl RateLimiter {
    /// Begins a limiter.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

impl<St, Ob> RateLimiter<St, Ob> {
    /// A layer that limits requests. All layers made from one limiter share its state.
    pub fn layer(&self) -> RateLimitLayer<St, Ob> {
        RateLimitLayer::of(self.clone())
    }

    /// Where the state lies.
    #[must_use]
    pub fn store(&self) -> &St {
        &self.shared.store
    }

    /// Replaces the policy of the same name, from the next request on. Other requests are not held
    /// up, and no state is lost: a key's debt stays, and counts at most as a full bucket of the new
    /// quota.
    ///
    /// # Errors
    /// [`ConfigError::UnknownPolicy`] if there is none of this name.
    pub fn replace_policy(&self, policy: &Policy) -> Result<(), ConfigError> {
        self.change_policy(policy.name(), |_| policy.clone())
    }

    /// Replaces the quota of a policy, as [`replace_policy`](Self::replace_policy) does. What else is
    /// replaced at the same time stays.
    ///
    /// # Errors
    /// [`ConfigError::UnknownPolicy`] if there is no policy of this name.
    pub fn set_quota(&self, policy: &str, quota: Quota) -> Result<(), ConfigError> {
        self.change_policy(policy, |policy| policy.clone().with_quota(quota))
    }

    fn change_policy(
        &self,
        name: &str,
        change: impl Fn(&Policy) -> Policy,
    ) -> Result<(), ConfigError> {
        if self.rules().named(name).is_none() {
            return Err(ConfigError::UnknownPolicy { name: name.to_owned() });
        }
        self.shared.rules.replace(|rules| {
            let changed = |policy: &Policy| {
                if policy.name() == name { change(policy) } else { policy.clone() }
            };
            let policies: Vec<_> = rules.policies.iter().map(changed).collect();
            Rules::new(policies, self.shared.settings.headers)
        });
        Ok(())
    }

    /// The policies as they are now.
    #[inline]
    pub(crate) fn rules(&self) -> Current<'_> {
        self.shared.rules.current()
    }
}

impl<St: Store, Ob> RateLimiter<St, Ob> {
    /// Whether a failure of the store should be logged now, and how many were passed over: one a
    /// second is enough to know, and a flood would be the next failure.
    fn log_failure_now(&self) -> Option<u64> {
        let now = self.shared.store.unix().as_secs();
        let (logged, unlogged) = (&self.shared.logged, &self.shared.unlogged);
        let last = logged.load(Ordering::Relaxed);
        let swapped = || logged.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed);
        if last == now || swapped().is_err() {
            unlogged.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(unlogged.swap(0, Ordering::Relaxed))
    }
}

impl<St, Ob> Clone for RateLimiter<St, Ob> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<St, Ob> fmt::Debug for RateLimiter<St, Ob> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("policies", &self.rules().policies)
            .field("on_failure", &self.shared.settings.on_failure)
            .finish_non_exhaustive()
    }
}
