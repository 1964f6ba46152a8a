//! From a request to a question, and from the store's answer to what follows.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hardpoint_core::{
    Answer, Event, Head, Key, LimitDecision, Observer, Rejection, RequestContext,
};
use http::Request;

use super::{Current, OnFailure, RateLimiter, Rules};
use crate::{
    Batch, Entry, KeyAbsent, LimiterUnavailable, Mode, OnMissingKey, Policy, RateLimited,
    ResponseHead, Store, StoreError, StoreErrorKind, Verdict, Verdicts, headers::Fields,
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
            let mode = match (policy.asks_the_response(), policy.is_shadow()) {
                (true, shadow) => hold(!shadow),
                (false, true) => Mode::Observe,
                (false, false) => Mode::Enforce,
            };
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
            if !entry.mode.is_enforced() {
                self.shared.observer.on(&Event::Limited { policy, allowed, enforced: false });
            } else if verdicts.allowed() {
                self.tell_if_near(policy, &verdict);
            }
        }
        // Of one there is nothing to compare, and nothing to be copied for it.
        let enforced = || verdicts.of(batch).filter(|(entry, _)| entry.mode.is_enforced());
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
        let refused =
            |(entry, verdict): &(&Entry, Verdict)| entry.mode.is_enforced() && !verdict.allowed();
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

    /// What has to be settled once the response is there; `None` if nothing is held.
    #[inline]
    pub(crate) fn settlement(
        &self,
        rules: &Current<'_>,
        batch: &Batch,
        verdicts: &Verdicts,
    ) -> Option<Box<Settlement<St, Ob>>> {
        let is_held = |entry: &Entry| matches!(entry.mode, Mode::Hold { .. });
        let any = batch.entries().iter().any(is_held);
        any.then(|| Settlement::of(self.clone(), rules.to_arc(), batch, verdicts))
    }
}

/// A hold with an id of its own.
pub(super) fn hold(enforced: bool) -> Mode {
    static NEXT: AtomicU64 = AtomicU64::new(0);

    Mode::Hold { id: NEXT.fetch_add(1, Ordering::Relaxed), enforced }
}

/// What ends a hold.
pub(super) fn settled(held: Entry, actual: u32) -> Entry {
    match held.mode {
        Mode::Hold { id, .. } => Entry { mode: Mode::Settle { id, actual }, ..held },
        _ => held,
    }
}

/// Cells that were taken before it was known whether they are charged.
///
/// If it is dropped before they are settled, all are charged: the bounds are for that.
pub(crate) struct Settlement<St: Store, Ob: Observer> {
    limiter: RateLimiter<St, Ob>,
    rules: Arc<Rules>,
    /// What is held.
    held: Batch,
}

impl<St: Store, Ob: Observer> Settlement<St, Ob> {
    #[cold]
    fn of(
        limiter: RateLimiter<St, Ob>,
        rules: Arc<Rules>,
        batch: &Batch,
        verdicts: &Verdicts,
    ) -> Box<Self> {
        let mut held = Batch::new();
        let taken = verdicts.of(batch).filter(|(_, verdict)| verdict.consumed());
        for (entry, _) in taken.filter(|(entry, _)| matches!(entry.mode, Mode::Hold { .. })) {
            // It has room for what another batch had room for.
            let _ = held.push(*entry);
        }
        Box::new(Self { limiter, rules, held })
    }

    /// Charges what this response is charged for, and gives back the rest.
    pub(crate) fn settle(&mut self, response: ResponseHead<'_>) -> Answer<(), St::Pending> {
        let mut all = Batch::new();
        for entry in self.held.entries() {
            let policy = self.rules.policy(entry.policy);
            let charged = policy.is_none_or(|policy| policy.charges(response));
            let _ = all.push(settled(*entry, if charged { entry.cost } else { 0 }));
        }
        // Not before: if whoever was asked panics, all is charged.
        self.held = Batch::new();
        self.end(&all)
    }

    fn end(&self, settled: &Batch) -> Answer<(), St::Pending> {
        if settled.is_empty() {
            return Answer::Now(());
        }
        match self.limiter.store().decide(settled) {
            Answer::Now(answer) => {
                self.ended(answer);
                Answer::Now(())
            }
            Answer::Later(pending) => Answer::Later(pending),
        }
    }

    /// A settlement that the store did not take: the client was charged too much, which is told.
    pub(crate) fn ended(&self, answer: Result<Verdicts, StoreError>) {
        if let Err(error) = answer {
            self.limiter.report(&error);
        }
    }
}

impl<St: Store, Ob: Observer> Drop for Settlement<St, Ob> {
    fn drop(&mut self) {
        let mut all = Batch::new();
        for entry in mem::take(&mut self.held).entries() {
            let _ = all.push(settled(*entry, entry.cost));
        }
        // A store that answers later ends it by itself.
        drop(self.end(&all));
    }
}
