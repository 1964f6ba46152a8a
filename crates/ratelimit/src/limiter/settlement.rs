//! Ending what an admitted request holds.

use std::sync::Arc;

use super::{Current, RateLimiter, Rules};
use crate::{
    Receipt, ResponseHead, Settled, Settlement,
    store::{Ended, Question, Questions, Verdicts},
};

/// Who decided, and so who settles.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    /// This process.
    Memory,
    /// The remote store.
    Store(Receipt),
}

/// Cells that were held before it was known whether they are charged, and the rules they were held
/// under. Dropping it charges all of them.
pub(crate) struct SettleLater {
    limiter: RateLimiter,
    rules: Arc<Rules>,
    held: Questions,
    by: By,
}

impl RateLimiter {
    /// What must be settled when the response is there; `None` if nothing is held.
    #[inline]
    pub(crate) fn settle_later(
        &self,
        rules: &Current<'_>,
        questions: &Questions,
        verdicts: &Verdicts,
        by: By,
    ) -> Option<Box<SettleLater>> {
        let holds = questions.as_slice().iter().any(|question| question.mode.is_hold());
        holds.then(|| Box::new(SettleLater::new(self, rules.to_arc(), questions, verdicts, by)))
    }
}

impl SettleLater {
    #[cold]
    pub(super) fn new(
        limiter: &RateLimiter,
        rules: Arc<Rules>,
        questions: &Questions,
        verdicts: &Verdicts,
        by: By,
    ) -> Self {
        let mut held = Questions::new();
        for (question, verdict) in verdicts.each(questions) {
            if verdict.consumed && question.mode.is_hold() {
                held.push(*question);
            }
        }
        Self { limiter: limiter.clone(), rules, held, by }
    }

    /// Charges what this response is charged for, and releases the rest.
    pub(crate) fn settle(&mut self, response: ResponseHead<'_>) {
        let rules = Arc::clone(&self.rules);
        self.end(|held| {
            let policy = rules.policy(held.policy);
            let charged = policy.is_none_or(|policy| policy.charges(response));
            if charged { held.cost } else { 0 }
        });
    }

    /// Charges as many cells of each hold as `charged` returns. If that panics, all are charged.
    pub(super) fn end(&mut self, charged: impl Fn(&Question) -> u32) {
        let now = self.limiter.rules();
        let mut all = [None; Questions::MAX];
        for (ended, held) in all.iter_mut().zip(self.held.as_slice()) {
            *ended = Some(self.ended(&now, held, charged(held)));
        }
        drop(now);
        // Not earlier: a panic above leaves everything to be charged by the drop.
        self.held = Questions::new();
        self.send(all.iter().flatten());
    }

    /// A policy whose quota has changed meanwhile charges the hold in full.
    fn ended(&self, now: &Rules, held: &Question, charged: u32) -> Ended {
        let policies = self.rules.policy(held.policy).zip(now.policy(held.policy));
        let Some((then, now)) = policies.filter(|(then, now)| then.revision() != now.revision())
        else {
            return Ended { held: *held, charged, quota: held.quota };
        };
        let share = now.failure().share().filter(|_| self.is_local()).unwrap_or(1.0);
        let then_share = then.failure().share().filter(|_| self.is_local()).unwrap_or(1.0);
        let is_own = held.quota != then.quota().share(then_share);
        let quota = if is_own { held.quota } else { now.quota().share(share) };
        Ended { held: *held, charged: charged.max(held.cost), quota }
    }

    /// Whether this process decided in place of a remote store.
    fn is_local(&self) -> bool {
        matches!(self.by, By::Memory) && self.limiter.shared.remote.is_some()
    }

    fn send<'a>(&self, all: impl Iterator<Item = &'a Ended>) {
        let shared = &*self.limiter.shared;
        let receipt = match self.by {
            By::Memory => {
                let now = shared.time.now();
                return all.for_each(|ended| shared.memory.settle(ended, now));
            }
            By::Store(receipt) => receipt,
        };
        let settled = |ended: &Ended| Settled {
            policy: self.rules.policy(ended.held.policy).map_or("", |policy| policy.name()),
            key: ended.held.key,
            held_under: ended.held.quota,
            quota: ended.quota,
            cost: ended.held.cost,
            charged: ended.charged,
        };
        let settled: Vec<_> = all.map(settled).collect();
        if let Some(store) = self.limiter.remote().filter(|_| !settled.is_empty()) {
            store.settle(&Settlement::new(&settled, receipt));
        }
    }
}

impl Drop for SettleLater {
    fn drop(&mut self) {
        if !self.held.is_empty() {
            self.end(|held| held.cost);
        }
    }
}
