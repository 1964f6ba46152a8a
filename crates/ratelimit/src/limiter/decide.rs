//! From a request to a question, and from the store's answer to what follows.

use std::{sync::Arc, time::Duration};

use hardpoint_core::{Event, Head, Key, LimitDecision, Mono, Observer, RequestContext};

use super::{OnFailure, RateLimiter, Rules};
use crate::{
    Batch, Entry, KeyAbsent, LimiterUnavailable, Mode, OnMissingKey, Policy, RateLimited,
    ResponseHead, Store, StoreError, StoreErrorKind, Verdict, Verdicts, gcra, headers::Fields,
};

/// What a limiter does with a request.
pub(crate) enum Conclusion<St, Ob> {
    Admit(Option<Fields>, Option<Box<Settlement<St, Ob>>>),
    Refuse(RateLimited, Option<Fields>),
    Unavailable(LimiterUnavailable),
}

impl<St: Store, Ob: Observer> RateLimiter<St, Ob> {
    /// The policies as they are now.
    pub(crate) fn rules(&self) -> arc_swap::Guard<Arc<Rules>> {
        self.shared.rules.load()
    }

    /// Adds the question that this request puts to an empty batch.
    pub(crate) fn ask(
        &self,
        rules: &Rules,
        head: Head<'_>,
        batch: &mut Batch,
    ) -> Result<(), KeyAbsent> {
        for (policy, index) in rules.policies.iter().zip(0..) {
            if !policy.applies(head) {
                continue;
            }
            let store = &self.shared.store;
            let key = match (policy.key(head), policy.missing_key()) {
                (Ok(key), _) => store.digest(&key),
                (Err(_), OnMissingKey::Skip) => continue,
                (Err(missing), OnMissingKey::Shared) => {
                    policy.warn_of_missing_key(missing);
                    store.digest(&Key::borrowed(b"nobody")).of_nobody()
                }
                (Err(missing), OnMissingKey::Reject) => {
                    return Err(KeyAbsent::new(policy.name(), missing));
                }
            };
            let (key, quota) = match policy.quota_of(head) {
                Some(quota) => (key.under(quota), quota),
                None => (key, policy.quota()),
            };
            let entry = Entry {
                policy: index,
                key,
                quota,
                cost: policy.cost_of(head),
                mode: if policy.is_shadow() { Mode::Observe } else { Mode::Enforce },
            };
            // The builder admits no more policies than a batch has room for.
            let _ = batch.push(entry);
        }
        Ok(())
    }

    /// What follows from the store's answer, told to the observer and to the layers around.
    pub(crate) fn conclude(
        &self,
        rules: &arc_swap::Guard<Arc<Rules>>,
        batch: &Batch,
        answer: Result<Verdicts, StoreError>,
        context: Option<&RequestContext>,
    ) -> Conclusion<St, Ob> {
        let verdicts = match answer {
            Ok(verdicts) => verdicts,
            Err(error) => return self.failed(&error),
        };
        self.tell(rules, batch, &verdicts, context);
        let unix = &self.shared.settings.unix;
        let fields = rules.rendered.fields(&rules.policies, batch, &verdicts, || unix());
        if verdicts.allowed() {
            return Conclusion::Admit(fields, self.settlement(rules, batch, &verdicts));
        }
        match self.refusal(rules, batch, &verdicts) {
            Some(limited) => Conclusion::Refuse(limited, fields),
            // A store that refuses and cannot say for which policy has not decided.
            None => self.failed(&StoreError::new(StoreErrorKind::Corrupt)),
        }
    }

    fn tell(
        &self,
        rules: &Rules,
        batch: &Batch,
        verdicts: &Verdicts,
        context: Option<&RequestContext>,
    ) {
        let mut nearest: Option<(&Policy, Verdict)> = None;
        for (entry, verdict) in verdicts.of(batch) {
            let Some(policy) = rules.policies.get(usize::from(entry.policy)) else { continue };
            let (name, allowed) = (policy.name(), verdict.allowed());
            if entry.mode == Mode::Observe {
                let event = Event::Limited { policy: name, allowed, enforced: false };
                self.shared.observer.on(&event);
                continue;
            }
            if verdicts.allowed() {
                self.tell_if_near(name, &verdict);
            }
            let nearness = |verdict: &Verdict| (verdict.allowed(), verdict.remaining());
            if nearest.is_none_or(|(_, other)| nearness(&verdict) < nearness(&other)) {
                nearest = Some((policy, verdict));
            }
        }
        let Some((policy, verdict)) = nearest else { return };
        let (policy, allowed) = (policy.name(), verdicts.allowed());
        self.shared.observer.on(&Event::Limited { policy, allowed, enforced: true });
        if let Some(context) = context {
            context.add_limit(LimitDecision::new(allowed, verdict.remaining().into()));
        }
    }

    fn tell_if_near(&self, policy: &str, verdict: &Verdict) {
        let share = u64::from(self.shared.settings.near_percent);
        if share == 0 {
            return;
        }
        let remaining = u64::from(verdict.remaining());
        if remaining * 100 < u64::from(verdict.quota().capacity()) * share {
            self.shared.observer.on(&Event::NearLimit { policy, remaining });
        }
    }

    fn refusal(&self, rules: &Rules, batch: &Batch, verdicts: &Verdicts) -> Option<RateLimited> {
        let mut violated = Vec::new();
        let mut retry_after = Some(Duration::ZERO);
        let refused = |(entry, verdict): &(&Entry, Verdict)| {
            entry.mode == Mode::Enforce && !verdict.allowed()
        };
        for (entry, verdict) in verdicts.of(batch).filter(refused) {
            violated.extend(rules.policies.get(usize::from(entry.policy)).map(Policy::name));
            retry_after =
                retry_after.zip(verdict.retry_after()).map(|(longest, wait)| longest.max(wait));
        }
        if violated.is_empty() {
            return None;
        }
        tracing::debug!(target: "hardpoint::ratelimit", policies = ?violated, "request refused");
        let limited = RateLimited::new(violated, retry_after);
        Some(match &self.shared.settings.problem {
            Some(problem) => limited.with_problem(problem.as_ref()),
            None => limited,
        })
    }

    fn failed(&self, error: &StoreError) -> Conclusion<St, Ob> {
        self.report(error);
        match self.shared.settings.on_failure {
            OnFailure::Allow => Conclusion::Admit(None, None),
            OnFailure::Deny => Conclusion::Unavailable(LimiterUnavailable::new()),
        }
    }

    /// Tells that the store did not do what it was asked.
    pub(super) fn report(&self, error: &StoreError) {
        let kind = error.kind().as_str();
        self.shared.observer.on(&Event::StoreFailed { store: "ratelimit", kind });
        if let Some(unlogged) = self.log_failure_now() {
            let cause = std::error::Error::source(error).map(tracing::field::display);
            tracing::warn!(
                target: "hardpoint::ratelimit",
                kind,
                cause,
                unlogged,
                "store did not decide"
            );
        }
    }

    /// What has to be settled once the response is there; `None` if no policy asks for it.
    fn settlement(
        &self,
        rules: &arc_swap::Guard<Arc<Rules>>,
        batch: &Batch,
        verdicts: &Verdicts,
    ) -> Option<Box<Settlement<St, Ob>>> {
        let asks = |entry: &Entry| {
            let policy = rules.policies.get(usize::from(entry.policy));
            policy.is_some_and(Policy::asks_the_response)
        };
        batch.entries().iter().any(asks).then(|| {
            let taken = (self.shared.settings.mono)();
            let (limiter, rules) = (self.clone(), Arc::clone(rules));
            Box::new(Settlement {
                limiter,
                rules,
                batch: batch.clone(),
                verdicts: *verdicts,
                taken,
            })
        })
    }

    /// What gives back `refunded` cells of an entry that were taken, behind `kept` others, when the
    /// key had this debt; `None` if time has given them back by now.
    pub(super) fn refund_of(
        &self,
        entry: Entry,
        debt_before: u64,
        taken: Mono,
        (kept, refunded): (u32, u32),
    ) -> Option<Entry> {
        let elapsed = (self.shared.settings.mono)().as_nanos().saturating_sub(taken.as_nanos());
        let aged = gcra::aged(entry.quota, debt_before, kept, elapsed);
        let price = entry.quota.interval_nanos().saturating_mul(refunded.into());
        (aged < price).then_some(Entry { cost: refunded, mode: Mode::Refund { aged }, ..entry })
    }
}

/// Cells that were taken before it was known whether they are charged.
pub(crate) struct Settlement<St, Ob> {
    limiter: RateLimiter<St, Ob>,
    rules: Arc<Rules>,
    batch: Batch,
    verdicts: Verdicts,
    taken: Mono,
}

impl<St: Store, Ob: Observer> Settlement<St, Ob> {
    /// What to give back after this response; `None` if there is nothing.
    pub(crate) fn refund(&self, response: ResponseHead<'_>) -> Option<Batch> {
        let mut refund = Batch::new();
        let taken = self.verdicts.of(&self.batch).filter(|(_, verdict)| verdict.consumed());
        for (entry, verdict) in taken {
            let policy = self.rules.policies.get(usize::from(entry.policy));
            if policy.is_some_and(|policy| !policy.charges(response)) {
                let debt = verdict.debt_before();
                let entry = self.limiter.refund_of(*entry, debt, self.taken, (0, entry.cost));
                // It has room for what another batch had room for.
                let _ = entry.map(|entry| refund.push(entry));
            }
        }
        (!refund.is_empty()).then_some(refund)
    }

    pub(crate) const fn limiter(&self) -> &RateLimiter<St, Ob> {
        &self.limiter
    }

    /// A refund that the store did not take: the client was charged too much, which is told.
    pub(crate) fn refund_failed(&self, error: &StoreError) {
        self.limiter.report(error);
    }
}
