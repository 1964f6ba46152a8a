//! Deciding while the store does not.

use hardpoint_core::event::Decider;

use super::{RateLimiter, Rules};
use crate::{
    OnFailure, StoreError,
    store::{Question, Questions, Verdicts},
};

impl RateLimiter {
    /// Lets the policies of a failed batch decide: `None` if one of them denies. Otherwise this
    /// process has decided for those that decide locally, and the others allow. A shadow denies
    /// nothing.
    #[cold]
    pub(crate) fn fall_back(
        &self,
        rules: &Rules,
        questions: &Questions,
        error: &StoreError,
    ) -> Option<(Questions, Verdicts)> {
        self.report_failure(error);
        let shared = &*self.shared;
        let is_over = shared.outage.failed(shared.time.now()) >= shared.settings.local_for;
        let mut local = Questions::new();
        for question in questions.as_slice() {
            let failure = rules.policy(question.policy).map_or(OnFailure::Deny, |p| p.failure());
            let share = match failure {
                OnFailure::LocalThenDeny { .. } if is_over => None,
                other => other.share(),
            };
            match share {
                Some(share) => {
                    local.push(Question { quota: question.quota.share(share), ..*question });
                }
                None if failure == OnFailure::Allow => {}
                None if question.mode.asks() && !question.mode.is_enforced() => {}
                None => return None,
            }
        }
        let verdicts = self.decide_here(&mut local).by(Decider::Fallback);
        Some((local, verdicts))
    }

    /// The store decided: an outage is over, and policies that would decide locally in the next one
    /// remember what the store knows of their keys.
    #[inline(never)]
    pub(crate) fn store_decided(&self, rules: &Rules, questions: &Questions, verdicts: &Verdicts) {
        let shared = &*self.shared;
        if verdicts.decider() != Decider::Store {
            return;
        }
        shared.outage.decided();
        let now = shared.time.now();
        for (question, verdict) in verdicts.each(questions) {
            let share = rules.policy(question.policy).and_then(|policy| policy.failure().share());
            if let Some(share) = share {
                // A share of rate and burst takes as long to fill, so a debt means the same to it.
                let local = Question { quota: question.quota.share(share), ..*question };
                shared.memory.learn(&local, verdict.debt, now);
            }
        }
    }
}
