//! What observers and operators hear of decisions.

use std::error::Error;

use hardpoint_core::event::{Decider, Limited, NearLimit, StoreFailed, StoreKind};

use super::{RateLimiter, Rules};
use crate::{
    Policy, StoreError,
    store::{Questions, Verdict, Verdicts},
};

impl RateLimiter {
    /// Reports the decision about a request: one event for each shadow, and one for the enforced
    /// policy that refused or has the least room left.
    #[inline]
    pub(crate) fn report_decision(
        &self,
        rules: &Rules,
        questions: &Questions,
        verdicts: &Verdicts,
    ) {
        if self.shared.telemetry.get().is_some() {
            self.report_to_observer(rules, questions, verdicts);
        }
    }

    #[inline(never)]
    fn report_to_observer(&self, rules: &Rules, questions: &Questions, verdicts: &Verdicts) {
        let Some(telemetry) = self.shared.telemetry.get() else { return };
        let mut nearest: Option<(&Policy, Verdict)> = None;
        for (question, verdict) in verdicts.each(questions) {
            let Some(policy) = rules.policy(question.policy) else { continue };
            if !question.mode.is_enforced() {
                let event = Limited::new(policy.name(), verdict.room, false);
                telemetry.on(&event.by(verdicts.decider()).into());
                continue;
            }
            if verdicts.allowed() {
                self.report_if_near(policy, &verdict);
            }
            if nearest.is_none_or(|(_, least)| verdict.nearness() < least.nearness()) {
                nearest = Some((policy, verdict));
            }
        }
        if let Some((policy, _)) = nearest {
            let event = Limited::new(policy.name(), verdicts.allowed(), true);
            telemetry.on(&event.by(verdicts.decider()).into());
        }
    }

    fn report_if_near(&self, policy: &Policy, verdict: &Verdict) {
        let share = u64::from(self.shared.settings.near_percent);
        let remaining = u64::from(verdict.remaining());
        if share > 0
            && remaining * 100 < u64::from(verdict.quota.capacity()) * share
            && let Some(telemetry) = self.shared.telemetry.get()
        {
            telemetry.on(&NearLimit::new(policy.name(), remaining).into());
        }
    }

    /// Reports the decision of a check without a request. A look is not a decision.
    #[inline]
    pub(super) fn report_check(&self, policy: &Policy, verdict: &Verdict, decider: Decider) {
        if let Some(telemetry) = self.shared.telemetry.get()
            && verdict.cost > 0
        {
            let event = Limited::new(policy.name(), verdict.room, !policy.is_shadow());
            telemetry.on(&event.by(decider).into());
        }
    }

    /// Reports that the store did not decide or did not take a command.
    #[cold]
    pub(super) fn report_failure(&self, error: &StoreError) {
        if let Some(telemetry) = self.shared.telemetry.get() {
            telemetry.on(&StoreFailed::new(StoreKind::RateLimit, error.kind()).into());
        }
        if let Some(unlogged) = self.shared.outage.log_now(self.shared.time.now()) {
            tracing::warn!(
                target: "hardpoint::ratelimit",
                kind = error.kind().as_str(),
                cause = error.source().map(tracing::field::display),
                unlogged,
                "store did not decide"
            );
        }
    }
}
