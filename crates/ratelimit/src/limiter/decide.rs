//! From a request to a question, and from the store's answer to what follows.

use std::{sync::Arc, time::Duration};

use hardpoint_core::{
    Answer, Event, Head, Key, LimitDecision, Mono, Observer, Rejection, RequestContext,
};

use http::Request;

use super::{Current, OnFailure, RateLimiter, Rules};
use crate::{
    Batch, Entry, KeyAbsent, LimiterUnavailable, Mode, OnMissingKey, Policy, RateLimited,
    ResponseHead, Store, StoreError, StoreErrorKind, Verdict, Verdicts, gcra, headers::Fields,
};

/// Why a request does not go on, and what the client is told besides.
pub(crate) struct Refusal {
    pub(crate) rejection: Box<dyn Rejection>,
    pub(crate) fields: Option<Fields>,
}

impl Refusal {
    fn because(rejection: impl Rejection) -> Box<Self> {
        Box::new(Self { rejection: Box::new(rejection), fields: None })
    }
}

impl<St: Store, Ob: Observer> RateLimiter<St, Ob> {
    /// Adds the question that this request puts to an empty batch. It is refused if a key is absent that
    /// it has to have.
    #[inline]
    pub(crate) fn ask<B>(
        &self,
        rules: &Rules,
        request: &Request<B>,
        batch: &mut Batch,
    ) -> Result<(), Box<Refusal>> {
        // Made anew for each question: to hand one on would copy it, right after it was written.
        let head = || Head::of(request);
        for (policy, number) in rules.policies.iter().zip(0..) {
            if !policy.applies(head) {
                continue;
            }
            let store = &self.shared.store;
            let key = match &policy.key(head()) {
                Ok(key) => store.digest(key),
                Err(missing) => match policy.missing_key() {
                    OnMissingKey::Skip => continue,
                    OnMissingKey::Shared => {
                        policy.warn_of_missing_key(*missing);
                        store.digest(&Key::borrowed(b"nobody")).of_nobody()
                    }
                    OnMissingKey::Reject => {
                        return Err(Refusal::because(KeyAbsent::new(policy.name(), *missing)));
                    }
                },
            };
            let (key, quota) = match policy.quota_of(head) {
                Some(quota) => (key.under(quota), quota),
                None => (key, policy.quota()),
            };
            let cost = policy.cost_of(head);
            let mode = if policy.is_shadow() { Mode::Observe } else { Mode::Enforce };
            // The builder admits no more policies than a batch has room for.
            if let Ok(entry) = batch.add() {
                *entry = Entry { policy: number, key, quota, cost, mode };
            }
        }
        Ok(())
    }

    /// What the headers of the response say; `None` if there are none.
    #[inline]
    pub(crate) fn fields(
        &self,
        rules: &Rules,
        batch: &Batch,
        verdicts: &Verdicts,
    ) -> Option<Fields> {
        let unix = || self.shared.store.unix();
        rules.rendered.fields(batch, verdicts, unix)
    }

    /// What follows if not every policy let the request in: `None` if it goes on all the same.
    #[cold]
    pub(crate) fn refuse(
        &self,
        rules: &Rules,
        batch: &Batch,
        answer: &Result<Verdicts, StoreError>,
        context: Option<&RequestContext>,
    ) -> Option<Box<Refusal>> {
        let verdicts = match answer {
            Ok(verdicts) => verdicts,
            Err(error) => return self.failed(error),
        };
        self.tell(rules, batch, verdicts, context);
        let Some(limited) = self.limited(rules, batch, verdicts) else {
            // A store that refuses and cannot say for which policy has not decided.
            return self.failed(&StoreError::new(StoreErrorKind::Corrupt));
        };
        let fields = self.fields(rules, batch, verdicts);
        Some(Box::new(Refusal { rejection: Box::new(limited), fields }))
    }

    /// Tells the observer and the layers around what was decided.
    #[inline]
    pub(crate) fn tell(
        &self,
        rules: &Rules,
        batch: &Batch,
        verdicts: &Verdicts,
        context: Option<&RequestContext>,
    ) {
        for (entry, verdict) in verdicts.of(batch) {
            let Some(policy) = rules.policy(entry.policy) else { continue };
            let (policy, allowed) = (policy.name(), verdict.allowed());
            if entry.mode == Mode::Observe {
                self.shared.observer.on(&Event::Limited { policy, allowed, enforced: false });
            } else if verdicts.allowed() {
                self.tell_if_near(policy, &verdict);
            }
        }
        // Of one there is nothing to compare, and nothing to be copied for it.
        let enforced = || verdicts.of(batch).filter(|(entry, _)| entry.mode != Mode::Observe);
        let nearest = match batch.entries() {
            [_] => enforced().next(),
            _ => enforced().min_by_key(|(_, verdict)| verdict.nearness()),
        };
        let Some((entry, verdict)) = nearest else { return };
        let (policy, allowed) = (rules.policy(entry.policy).map(Policy::name), verdicts.allowed());
        if let Some(policy) = policy {
            self.shared.observer.on(&Event::Limited { policy, allowed, enforced: true });
        }
        if let Some(context) = context {
            context.add_limit(LimitDecision::new(allowed, verdict.remaining().into()));
        }
    }

    #[inline]
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

    fn limited(&self, rules: &Rules, batch: &Batch, verdicts: &Verdicts) -> Option<RateLimited> {
        let mut violated = Vec::new();
        let mut retry_after = Some(Duration::ZERO);
        let refused = |(entry, verdict): &(&Entry, Verdict)| {
            entry.mode == Mode::Enforce && !verdict.allowed()
        };
        for (entry, verdict) in verdicts.of(batch).filter(refused) {
            violated.extend(rules.policy(entry.policy).map(Policy::name));
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

    fn failed(&self, error: &StoreError) -> Option<Box<Refusal>> {
        self.report(error);
        match self.shared.settings.on_failure {
            OnFailure::Allow => None,
            OnFailure::Deny => Some(Refusal::because(LimiterUnavailable::new())),
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
    #[inline]
    pub(crate) fn settlement(
        &self,
        rules: &Current<'_>,
        batch: &Batch,
        verdicts: &Verdicts,
    ) -> Option<Box<Settlement<St, Ob>>> {
        let asks =
            |entry: &Entry| rules.policy(entry.policy).is_some_and(Policy::asks_the_response);
        let asked = batch.entries().iter().any(asks);
        asked.then(|| Settlement::of(self.clone(), rules.to_arc(), batch, verdicts))
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
        let elapsed = self.shared.store.now().as_nanos().saturating_sub(taken.as_nanos());
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
    #[cold]
    fn of(
        limiter: RateLimiter<St, Ob>,
        rules: Arc<Rules>,
        batch: &Batch,
        verdicts: &Verdicts,
    ) -> Box<Self> {
        let taken = limiter.shared.store.now();
        Box::new(Self { limiter, rules, batch: batch.clone(), verdicts: *verdicts, taken })
    }

    /// Gives back what this response is not charged for.
    pub(crate) fn settle(&self, response: ResponseHead<'_>) -> Answer<(), St::Pending> {
        let mut refund = Batch::new();
        let taken = self.verdicts.of(&self.batch).filter(|(_, verdict)| verdict.consumed());
        for (entry, verdict) in taken {
            let policy = self.rules.policy(entry.policy);
            if policy.is_some_and(|policy| !policy.charges(response)) {
                let debt = verdict.debt_before();
                let entry = self.limiter.refund_of(*entry, debt, self.taken, (0, entry.cost));
                // It has room for what another batch had room for.
                let _ = entry.map(|entry| refund.push(entry));
            }
        }
        if refund.is_empty() {
            return Answer::Now(());
        }
        match self.limiter.store().decide(&refund) {
            Answer::Now(answer) => {
                self.settled(answer);
                Answer::Now(())
            }
            Answer::Later(pending) => Answer::Later(pending),
        }
    }

    /// A refund that the store did not take: the client was charged too much, which is told.
    pub(crate) fn settled(&self, answer: Result<Verdicts, StoreError>) {
        if let Err(error) = answer {
            self.limiter.report(&error);
        }
    }
}
