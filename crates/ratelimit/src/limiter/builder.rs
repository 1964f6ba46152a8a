//! Building a limiter.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
};

use hardpoint_core::{Clock, Observer, Problem};

use super::{ProblemOf, RateLimiter, Rules, Settings, Shared, rules::LiveRules};
use crate::{Batch, ConfigError, CounterClock, Headers, MemoryStore, Policy, RateLimited, Store};

/// What happens to requests while the store cannot decide. Deciding in this process meanwhile comes
/// with the first remote store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFailure {
    /// They go on, unlimited.
    Allow,
    /// They are refused with 503. The default of stores that have no local fallback, memory among
    /// them, which fails only if it is asked about a policy that it was not made for.
    #[default]
    Deny,
}

/// Builds a [`RateLimiter`].
#[derive(Clone)]
#[must_use]
pub struct Builder<Ob = ()> {
    policies: Vec<Policy>,
    headers: Headers,
    on_failure: OnFailure,
    near_percent: u8,
    problem: Option<Arc<ProblemOf>>,
    observer: Ob,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            policies: Vec::new(),
            headers: Headers::none(),
            on_failure: OnFailure::Deny,
            near_percent: 0,
            problem: None,
            observer: (),
        }
    }
}

impl<Ob: Observer> Builder<Ob> {
    /// Adds a policy. A request must satisfy all that apply to it, and consumes from all or from
    /// none. At most [`Batch::MAX`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policies.push(policy);
        self
    }

    /// The headers that tell clients about their limits. Default: none but `Retry-After`.
    pub const fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// What happens while the store cannot decide. Default: [`OnFailure::Deny`].
    pub const fn on_failure(mut self, what: OnFailure) -> Self {
        self.on_failure = what;
        self
    }

    /// Tells the observer ([`Event::NearLimit`](hardpoint_core::Event::NearLimit)) of each request
    /// that was let in and left its key with less than this share of its burst, in percent. Default:
    /// 0, which tells of none. 20 is a good beginning; more than 100 is taken as 100.
    pub const fn near_limit(mut self, percent: u8) -> Self {
        self.near_percent = if percent > 100 { 100 } else { percent };
        self
    }

    /// What refused clients are told. Default: the problem of [`RateLimited`]. If the given one says
    /// no time to come back at, no `Retry-After` is sent.
    pub fn problem(
        mut self,
        problem: impl Fn(&RateLimited) -> Problem + Send + Sync + 'static,
    ) -> Self {
        self.problem = Some(Arc::new(problem));
        self
    }

    /// Tells `observer` of every decision. Default: nobody. A closure needs its argument's type:
    /// `|event: &Event<'_>| ..`.
    pub fn with_observer<Other: Observer>(self, observer: Other) -> Builder<Other> {
        let Self { policies, headers, on_failure, near_percent, problem, observer: _ } = self;
        Builder { policies, headers, on_failure, near_percent, problem, observer }
    }

    /// A limiter whose state lies in this process.
    ///
    /// # Errors
    /// [`ConfigError`] if there is no policy, there are too many, or their names are unusable.
    pub fn build(self) -> Result<RateLimiter<MemoryStore, Ob>, ConfigError> {
        self.build_with_clock(CounterClock)
    }

    /// The same by another clock. Default: [`CounterClock`].
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_with_clock<C: Clock>(
        self,
        clock: C,
    ) -> Result<RateLimiter<MemoryStore<C>, Ob>, ConfigError> {
        let keys: Vec<_> = self.policies.iter().map(Policy::keys_at_peak).collect();
        let store = MemoryStore::for_peak(&keys, clock);
        self.build_with_store(store)
    }

    /// A limiter whose state lies in `store`.
    ///
    /// # Errors
    /// As [`build`](Self::build), and what [`Store::prepare`] finds.
    pub fn build_with_store<St: Store>(
        self,
        store: St,
    ) -> Result<RateLimiter<St, Ob>, ConfigError> {
        check_policies(&self.policies)?;
        store.prepare(self.policies.len())?;
        let Self { policies, headers, on_failure, near_percent, problem, observer } = self;
        let rules = Rules::new(policies, headers);
        let shared = Shared {
            rules: LiveRules::new(rules),
            settings: Settings { headers, on_failure, near_percent, problem },
            store,
            observer,
            logged: AtomicU64::new(u64::MAX),
            unlogged: AtomicU64::new(0),
        };
        Ok(RateLimiter { shared: Arc::new(shared) })
    }
}

fn check_policies(policies: &[Policy]) -> Result<(), ConfigError> {
    if policies.is_empty() {
        return Err(ConfigError::NoPolicy);
    }
    if policies.len() > Batch::MAX {
        return Err(ConfigError::TooManyPolicies { given: policies.len(), most: Batch::MAX });
    }
    for (index, policy) in policies.iter().enumerate() {
        let name = policy.name();
        let printable = name.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !printable || !(1..=64).contains(&name.len()) {
            return Err(ConfigError::PolicyName { name: name.to_owned() });
        }
        if policies.iter().take(index).any(|other| other.name() == name) {
            return Err(ConfigError::DuplicatePolicy { name: name.to_owned() });
        }
    }
    Ok(())
}

impl<Ob> fmt::Debug for Builder<Ob> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("policies", &self.policies)
            .field("headers", &self.headers)
            .field("on_failure", &self.on_failure)
            .finish_non_exhaustive()
    }
}
