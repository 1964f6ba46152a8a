//! The limiter: policies, and the store that decides by them.

use std::{error::Error, fmt, sync::Arc};

use hardpoint_core::{
    Clock, Event, Head, Key, LimitDecision, Observer, RequestContext, SystemClock,
};
use http::HeaderValue;

use crate::{
    Batch, ConfigError, Entry, Headers, KeyAbsent, LimiterUnavailable, MemoryStore, OnMissingKey,
    Policy, RateLimitLayer, RateLimited, Store, StoreError, Verdict, Verdicts,
    headers::{Fields, render_policies},
};

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
#[derive(Debug)]
pub struct RateLimiter<St = MemoryStore, Ob = ()> {
    shared: Arc<Shared<St, Ob>>,
}

#[derive(Debug)]
struct Shared<St, Ob> {
    policies: Vec<Policy>,
    rendered: Option<HeaderValue>,
    on_failure: OnFailure,
    store: St,
    observer: Ob,
}

impl RateLimiter {
    /// Begins a limiter.
    pub const fn builder() -> Builder {
        Builder {
            policies: Vec::new(),
            headers: Headers::none(),
            on_failure: OnFailure::Deny,
            observer: (),
        }
    }
}

impl<St, Ob> Clone for RateLimiter<St, Ob> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
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
}

impl<St: Store, Ob: Observer> RateLimiter<St, Ob> {
    /// Consumes `cost` cells of a key's bucket, if they are there.
    ///
    /// With a store in memory the future is ready at once. Dropping it before it is ready leaves
    /// open whether the cells were consumed.
    ///
    /// # Errors
    /// [`CheckError`] if the limiter has no policy of this name, or its store did not decide.
    pub async fn check(
        &self,
        policy: &str,
        key: &Key<'_>,
        cost: u32,
    ) -> Result<Verdict, CheckError> {
        let (index, found) = self
            .policies()
            .iter()
            .enumerate()
            .find(|(_, candidate)| candidate.name() == policy)
            .ok_or_else(|| CheckError { cause: Cause::Policy(policy.to_owned()) })?;
        let key = self.shared.store.digest(key);
        let mut batch = Batch::new();
        // An empty batch has room for one, and a limiter has at most as many policies as fit in u8.
        let index = u8::try_from(index).unwrap_or_default();
        let _ = batch.push(Entry { policy: index, key, quota: found.quota(), cost });
        let answer = self.shared.store.decide(&batch).resolve().await;
        let verdicts = answer.map_err(|error| CheckError { cause: Cause::Store(error) })?;
        let allowed = verdicts.allowed();
        self.shared.observer.on(&Event::Limited { policy: found.name(), allowed });
        let verdict = verdicts.of(&batch).next().map(|(_, verdict)| verdict);
        verdict.ok_or_else(|| CheckError { cause: Cause::Policy(policy.to_owned()) })
    }

    pub(crate) fn policies(&self) -> &[Policy] {
        &self.shared.policies
    }

    /// The question that this request puts.
    pub(crate) fn batch(&self, head: Head<'_>) -> Result<Batch, KeyAbsent> {
        const NOBODY: Key<'static> = Key::borrowed(b"");

        let mut batch = Batch::new();
        for (policy, index) in self.policies().iter().zip(0..) {
            if !policy.applies(head) {
                continue;
            }
            let key = match (policy.key(head), policy.missing_key()) {
                (Ok(key), _) => key,
                (Err(_), OnMissingKey::Shared) => NOBODY,
                (Err(_), OnMissingKey::Skip) => continue,
                (Err(missing), OnMissingKey::Reject) => {
                    return Err(KeyAbsent::new(policy.name(), missing));
                }
            };
            let key = self.shared.store.digest(&key);
            // The builder admits no more policies than a batch has room for.
            let _ = batch.push(Entry { policy: index, key, quota: policy.quota(), cost: 1 });
        }
        Ok(batch)
    }

    /// What follows from the store's answer, told to the observer and to the layers around.
    pub(crate) fn conclude(
        &self,
        batch: &Batch,
        answer: Result<Verdicts, StoreError>,
        context: Option<&RequestContext>,
    ) -> Conclusion {
        let verdicts = match answer {
            Ok(verdicts) => verdicts,
            Err(error) => return self.failed(&error),
        };
        let nearest =
            verdicts.of(batch).min_by_key(|(_, verdict)| (verdict.allowed(), verdict.remaining()));
        if let Some((entry, verdict)) = nearest {
            let policy = self.policy(entry).map_or("", Policy::name);
            self.shared.observer.on(&Event::Limited { policy, allowed: verdicts.allowed() });
            if let Some(context) = context {
                let decision = LimitDecision::new(verdicts.allowed(), verdict.remaining().into());
                context.set_limit(decision);
            }
        }
        let fields = self.shared.rendered.as_ref().filter(|_| !batch.is_empty());
        let fields =
            fields.and_then(|rendered| Fields::new(rendered, self.policies(), batch, &verdicts));
        if verdicts.allowed() {
            Conclusion::Admit(fields)
        } else {
            Conclusion::Refuse(self.refusal(batch, &verdicts), fields)
        }
    }

    fn refusal(&self, batch: &Batch, verdicts: &Verdicts) -> RateLimited {
        let mut violated = Vec::new();
        let mut retry_after = Some(std::time::Duration::ZERO);
        for (entry, verdict) in verdicts.of(batch).filter(|(_, verdict)| !verdict.allowed()) {
            violated.extend(self.policy(entry).map(Policy::name));
            retry_after =
                retry_after.zip(verdict.retry_after()).map(|(longest, wait)| longest.max(wait));
        }
        tracing::debug!(target: "hardpoint::ratelimit", policies = ?violated, "request refused");
        RateLimited::new(violated, retry_after)
    }

    fn failed(&self, error: &StoreError) -> Conclusion {
        tracing::warn!(target: "hardpoint::ratelimit", kind = ?error.kind(), "store did not decide");
        match self.shared.on_failure {
            OnFailure::Allow => Conclusion::Admit(None),
            OnFailure::Deny => Conclusion::Unavailable(LimiterUnavailable::new()),
        }
    }

    fn policy(&self, entry: &Entry) -> Option<&Policy> {
        self.policies().get(usize::from(entry.policy))
    }
}

/// What a limiter does with a request.
#[derive(Debug)]
pub(crate) enum Conclusion {
    Admit(Option<Fields>),
    Refuse(RateLimited, Option<Fields>),
    Unavailable(LimiterUnavailable),
}

/// What happens to requests while the store cannot decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFailure {
    /// They go on, unlimited.
    Allow,
    /// They are refused with 503. The default of stores that have no local fallback: memory, which
    /// never fails.
    #[default]
    Deny,
}

/// Builds a [`RateLimiter`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder<Ob = ()> {
    policies: Vec<Policy>,
    headers: Headers,
    on_failure: OnFailure,
    observer: Ob,
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

    /// Tells `observer` of every decision.
    pub fn with_observer<Other: Observer>(self, observer: Other) -> Builder<Other> {
        Builder {
            policies: self.policies,
            headers: self.headers,
            on_failure: self.on_failure,
            observer,
        }
    }

    /// A limiter whose state lies in this process.
    ///
    /// # Errors
    /// [`ConfigError`] if there is no policy, there are too many, or their names are unusable.
    pub fn build(self) -> Result<RateLimiter<MemoryStore, Ob>, ConfigError> {
        self.build_with_clock(SystemClock)
    }

    /// The same by another clock.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_with_clock<C: Clock>(
        self,
        clock: C,
    ) -> Result<RateLimiter<MemoryStore<C>, Ob>, ConfigError> {
        let keys: Vec<_> = self.policies.iter().map(Policy::keys_at_peak).collect();
        self.build_with_store(MemoryStore::for_peak(&keys, clock))
    }

    /// A limiter whose state lies in `store`.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_with_store<St: Store>(
        self,
        store: St,
    ) -> Result<RateLimiter<St, Ob>, ConfigError> {
        check_policies(&self.policies)?;
        let shared = Shared {
            rendered: render_policies(self.headers, &self.policies),
            policies: self.policies,
            on_failure: self.on_failure,
            store,
            observer: self.observer,
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

/// A direct check was not decided.
#[derive(Debug)]
pub struct CheckError {
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Policy(String),
    Store(StoreError),
}

impl CheckError {
    /// Whether the limiter has no policy of the name that was asked for.
    #[must_use]
    pub const fn is_unknown_policy(&self) -> bool {
        matches!(self.cause, Cause::Policy(_))
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Policy(name) => write!(f, "the limiter has no policy `{}`", name.escape_debug()),
            Cause::Store(_) => f.write_str("the check was not decided"),
        }
    }
}

impl Error for CheckError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Policy(_) => None,
            Cause::Store(error) => Some(error),
        }
    }
}
