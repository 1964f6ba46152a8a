//! Building a limiter.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use hardpoint_core::{Problem, Telemetry, Time};

use super::{RateLimiter, Rules, Settings, Shared, once::Uses, rules::LiveRules};
use crate::{
    Batch, ConfigError, Headers, Policy, RateLimited, RemoteStore, clock::Ticks, failure::Outage,
    rejection::ProblemOf, store::Memory,
};

/// Builds a [`RateLimiter`].
///
/// # Defaults
///
/// | setting | default |
/// |---|---|
/// | [`headers`](Self::headers) | none except `Retry-After` |
/// | [`near_limit`](Self::near_limit) | 0 percent: never reported |
/// | [`problem`](Self::problem) | the problem `rate_limited` |
/// | [`store`](Self::store) | this process |
/// | [`local_for`](Self::local_for) | 60 seconds |
/// | [`time`](Self::time) | the processor's counter |
/// | [`telemetry`](Self::telemetry) | none, or the stack's |
#[derive(Clone)]
#[must_use]
pub struct RateLimiterBuilder {
    policies: Vec<Policy>,
    headers: Headers,
    near_percent: u8,
    problem: Option<Arc<ProblemOf>>,
    store: Option<Arc<dyn RemoteStore>>,
    local_for: Duration,
    time: Option<Time>,
    telemetry: Telemetry,
}

impl RateLimiterBuilder {
    pub(super) fn new() -> Self {
        Self {
            policies: Vec::new(),
            headers: Headers::none(),
            near_percent: 0,
            problem: None,
            store: None,
            local_for: Duration::from_secs(60),
            time: None,
            telemetry: Telemetry::none(),
        }
    }

    /// Adds a policy. A request must satisfy all policies that apply to it, and consumes from all of
    /// them or from none. At most [`Batch::MAX`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policies.push(policy);
        self
    }

    /// The header fields that describe a client's limits. Default: none except `Retry-After`.
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Reports [`NearLimit`](hardpoint_core::event::NearLimit) for each admitted request that left
    /// its key with less than this share of its burst, in percent. Default: 0, which reports none.
    /// 20 is a good start; more than 100 means 100.
    pub fn near_limit(mut self, percent: u8) -> Self {
        self.near_percent = percent.min(100);
        self
    }

    /// Makes the problem that refused clients get. Default: the problem of [`RateLimited`]. Without
    /// [`Problem::retry_after`], the response has no `Retry-After`.
    pub fn problem(
        mut self,
        problem: impl Fn(&RateLimited) -> Problem + Send + Sync + 'static,
    ) -> Self {
        self.problem = Some(Arc::new(problem));
        self
    }

    /// Keeps the state in `store`, which several instances share. Default: in this process.
    pub fn store(mut self, store: impl RemoteStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// How long policies with [`OnFailure::LocalThenDeny`](crate::OnFailure::LocalThenDeny) decide
    /// locally while the store does not. Default: 60 seconds, the length of a restart. 0 denies at
    /// once.
    pub fn local_for(mut self, duration: Duration) -> Self {
        self.local_for = duration;
        self
    }

    /// Decides by `time`. Default: the processor's counter, which takes a third of the time of the
    /// system's clock to read, and the system's calendar. A remote store decides by its own clock.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.time = Some(time.into());
        self
    }

    /// Reports every decision to `telemetry`. Default: none, or what `Stack::telemetry` sets.
    pub fn telemetry(mut self, telemetry: &Telemetry) -> Self {
        self.telemetry = telemetry.clone();
        self
    }

    /// Builds the limiter.
    ///
    /// # Errors
    /// [`ConfigError`] if it has no policy or too many, a name or a share is unusable, or
    /// the store cannot serve a policy.
    pub fn build(self) -> Result<RateLimiter, ConfigError> {
        check_policies(&self.policies)?;
        if let Some(store) = &self.store {
            store.prepare(&self.policies)?;
        }
        // With a store too, whichever the failure policies: they may be replaced later.
        let memory = Memory::new(&self.policies);
        let time = self.time.map_or(Ticks::Counter, Ticks::Time);
        // The first reading of a clock may take longer than a request should.
        let _now = time.now();
        let Self { policies, headers, near_percent, problem, store, local_for, .. } = self;
        let shared = Shared {
            rules: LiveRules::new(Rules::new(policies, headers)),
            changes: Mutex::new(()),
            settings: Settings { headers, near_percent, problem, local_for },
            memory,
            remote: store,
            time,
            telemetry: OnceLock::new(),
            outage: Outage::default(),
            uses: Uses::new(),
        };
        let limiter = RateLimiter { shared: Arc::new(shared) };
        limiter.report_to(&self.telemetry);
        Ok(limiter)
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
        check_share(policy)?;
    }
    Ok(())
}

pub(super) fn check_share(policy: &Policy) -> Result<(), ConfigError> {
    match policy.failure().share() {
        Some(share) if !(share > 0.0 && share <= 1.0) => {
            Err(ConfigError::FailureShare { policy: policy.name().to_owned(), share })
        }
        _ => Ok(()),
    }
}

impl fmt::Debug for RateLimiterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiterBuilder")
            .field("policies", &self.policies)
            .field("headers", &self.headers)
            .field("remote", &self.store.is_some())
            .finish_non_exhaustive()
    }
}
