//! From a request to what is asked, and from the answer to what follows.

use std::time::Duration;

use hardpoint_core::{Head, Key, Rejection};
use http::Request;

use super::{RateLimiter, Rules};
use crate::{
    OnMissingKey, Policy, RateLimited,
    headers::{Bound, Fields},
    rejection::{KeyAbsent, LimiterUnavailable},
    store::{Digest, EntryMode, Question, Questions, Verdict, Verdicts},
};

/// Why a request does not proceed, and the header fields of the response.
pub(crate) struct Refusal {
    pub(crate) rejection: Box<dyn Rejection>,
    pub(crate) fields: Option<Fields>,
    /// The policy that refused.
    pub(crate) bound: Option<Bound>,
}

impl Refusal {
    fn new(rejection: impl Rejection) -> Self {
        Self { rejection: Box::new(rejection), fields: None, bound: None }
    }

    /// The store did not decide, and a policy denies then.
    pub(crate) fn unavailable() -> Self {
        Self::new(LimiterUnavailable)
    }
}

impl RateLimiter {
    /// Adds what this request asks to an empty batch, except under the policies in `counted`, a bit
    /// for each. Refuses it if it lacks a key that a policy requires.
    // Inlined where nothing was counted before, so that this costs nothing there.
    #[inline(always)]
    pub(crate) fn ask<B>(
        &self,
        rules: &Rules,
        request: &Request<B>,
        questions: &mut Questions,
        counted: u8,
    ) -> Result<(), Refusal> {
        // Made anew for each use: handing one on would copy it, right after it was written.
        let head = || Head::new(request);
        for (policy, number) in rules.policies.iter().zip(0..) {
            if counted & (1 << number) != 0 || !policy.applies(head) {
                continue;
            }
            let key = match &policy.key(head()) {
                Ok(key) => self.digest(key),
                Err(missing) => match policy.missing_key() {
                    OnMissingKey::Skip => continue,
                    OnMissingKey::Shared => {
                        policy.warn_of_missing_key(*missing);
                        let known = policy.known_part(head());
                        let known = known.unwrap_or_else(|| Key::borrowed(b""));
                        self.digest(&known).without_key()
                    }
                    OnMissingKey::Reject => {
                        let policy = policy.name().to_owned();
                        return Err(Refusal::new(KeyAbsent { policy, missing: *missing }));
                    }
                },
            };
            let (key, quota) = match policy.quota_of(head) {
                Some(quota) => (key.under(quota), quota),
                None => (key, policy.quota()),
            };
            let mode = match (policy.charges_by_response(), policy.is_shadow()) {
                (true, shadow) => EntryMode::Hold { enforced: !shadow },
                (false, true) => EntryMode::Observe,
                (false, false) => EntryMode::Enforce,
            };
            questions.push(Question::new(number, key, quota, policy.cost_of(head), mode));
        }
        Ok(())
    }

    #[inline]
    pub(super) fn digest(&self, key: &Key<'_>) -> Digest {
        match &self.shared.remote {
            None => self.shared.memory.digest(key),
            Some(store) => store.digest(key),
        }
    }

    /// Decides in this process.
    #[inline]
    pub(crate) fn decide_here(&self, questions: &mut Questions) -> Verdicts {
        self.shared.memory.decide(questions, self.shared.time.now())
    }

    /// The header fields of the response; `None` if there are none.
    #[inline]
    pub(crate) fn fields(
        &self,
        rules: &Rules,
        questions: &Questions,
        verdicts: &Verdicts,
    ) -> Option<Fields> {
        rules.rendered.fields(questions, verdicts, || self.shared.time.unix())
    }

    /// The calendar time.
    pub(crate) fn unix(&self) -> Duration {
        self.shared.time.unix()
    }

    /// The refusal of a request that not every policy admitted.
    #[cold]
    pub(crate) fn refuse(
        &self,
        rules: &Rules,
        questions: &Questions,
        verdicts: &Verdicts,
    ) -> Refusal {
        self.report_decision(rules, questions, verdicts);
        let limited = self.limited(rules, questions, verdicts);
        let fields = self.fields(rules, questions, verdicts);
        let enforced = verdicts.each(questions).filter(|(question, _)| question.mode.is_enforced());
        let nearest = enforced.min_by_key(|(_, verdict)| verdict.nearness());
        let bound = nearest.map(|(question, verdict)| Bound::new(self, question.policy, verdict));
        Refusal { rejection: Box::new(limited), fields, bound }
    }

    fn limited(&self, rules: &Rules, questions: &Questions, verdicts: &Verdicts) -> RateLimited {
        let mut violated = Vec::new();
        let mut retry_after = Some(Duration::ZERO);
        let refused = |(question, verdict): &(&Question, Verdict)| {
            question.mode.is_enforced() && !verdict.room
        };
        for (question, verdict) in verdicts.each(questions).filter(refused) {
            violated.extend(rules.policy(question.policy).map(Policy::shared_name));
            retry_after =
                retry_after.zip(verdict.retry_after()).map(|(longest, wait)| longest.max(wait));
        }
        tracing::debug!(target: "hardpoint::ratelimit", policies = ?violated, "request refused");
        RateLimited::new(violated, retry_after, self.shared.settings.problem.clone())
    }
}
