//! Limits without a request: jobs, messages, work whose cost is known afterwards.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hardpoint_core::{Key, event::Decider};

use super::{Admitted, By, Denied, RateLimiter, Reservation, Rules, SettleLater, denied::Reason};
use crate::{
    Batch, BoxFuture, Decided, Policy, StoreError, Verdicts,
    store::{EntryMode, Question, Questions, Verdict},
};

/// One policy of a limiter, to be checked without a request. Clones cost one atomic increment.
///
/// A handle uses the policy's own quota and its buckets, not those of
/// [`Policy::quota_with`](crate::Policy::quota_with), which needs a request. A
/// [shadow](crate::Policy::shadow) admits everything.
///
/// Each check is decided when its future is first polled. With the state in this process the future
/// is ready then. With a remote store, dropping the future after that may leave the cells consumed.
#[derive(Clone, Debug)]
pub struct PolicyHandle {
    limiter: RateLimiter,
    number: u8,
}

impl PolicyHandle {
    pub(super) const fn new(limiter: RateLimiter, number: u8) -> Self {
        Self { limiter, number }
    }

    /// The policy's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.limiter.shared.rules.first().policy(self.number).map_or("", Policy::name)
    }

    /// Consumes one cell of the key's bucket.
    ///
    /// # Errors
    /// [`Denied`] if the bucket has no cell, or if the store did not decide and the policy's
    /// [`OnFailure`](crate::OnFailure) denies.
    #[inline]
    pub fn check<'a>(
        &'a self,
        key: &'a Key<'_>,
    ) -> impl Future<Output = Result<Admitted, Denied>> + Send + use<'a> {
        self.check_cost(key, 1)
    }

    /// Consumes `cost` cells of the key's bucket. A cost of 0 looks without consuming.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    #[inline]
    pub fn check_cost<'a>(
        &'a self,
        key: &'a Key<'_>,
        cost: u32,
    ) -> impl Future<Output = Result<Admitted, Denied>> + Send + use<'a> {
        Check { handle: self, key, cost, answer: None }
    }

    /// Holds `cost` cells for work whose cost is known only when it is done: an estimate, to be
    /// [settled](Reservation::settle).
    ///
    /// # Errors
    /// As [`check`](Self::check). A policy that is not [reservable](crate::Policy::reservable) denies
    /// every reservation.
    pub async fn reserve(&self, key: &Key<'_>, cost: u32) -> Result<Reservation, Denied> {
        let (rules, question) = self.prepared(key, cost, EntryMode::Hold { enforced: true });
        let Some(policy) = rules.policy(self.number).filter(|policy| policy.holds()) else {
            let verdict = Verdict::new(&question, 0, false);
            return Err(Denied::new(&verdict, Reason::NotReservable, Decider::Memory));
        };
        let questions = Questions::one(question);
        let (questions, verdicts, by) = self.decide(&rules, questions).await?;
        // First: if an observer panics, the cells are charged.
        let held = SettleLater::new(&self.limiter, Arc::clone(&rules), &questions, &verdicts, by);
        let admitted = self.conclude(policy, &questions, &verdicts)?;
        Ok(Reservation::new(held, admitted))
    }

    /// Gives `cost` cells back to a key. Its bucket is at most full afterwards.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not take the command.
    pub async fn refund(&self, key: &Key<'_>, cost: u32) -> Result<(), StoreError> {
        self.command(key, cost, EntryMode::Refund).await
    }

    /// Takes `cost` cells from a key whether or not it has them. Its bucket is at most empty
    /// afterwards.
    ///
    /// # Errors
    /// As [`refund`](Self::refund).
    pub async fn penalize(&self, key: &Key<'_>, cost: u32) -> Result<(), StoreError> {
        self.command(key, cost, EntryMode::Force).await
    }

    /// Fills a key's bucket. Cells that are held meanwhile are charged in full when they are
    /// settled.
    ///
    /// # Errors
    /// As [`refund`](Self::refund).
    pub async fn reset(&self, key: &Key<'_>) -> Result<(), StoreError> {
        self.command(key, 0, EntryMode::Reset).await
    }

    #[inline]
    fn ask_here(&self, key: &Key<'_>, cost: u32) -> Result<Admitted, Denied> {
        let limiter = &self.limiter;
        let rules = limiter.rules();
        // A handle's number is one of its limiter's policies.
        let policy = rules.policy(self.number).ok_or(Denied::UNDECIDED)?;
        let mut question = self.question(policy, key, cost, EntryMode::Enforce);
        let now = limiter.shared.time.now();
        let (debt, room) = limiter.shared.memory.decide_one(&mut question, now);
        self.answer(policy, &Verdict::new(&question, debt, room), Decider::Memory)
    }

    #[inline(never)]
    fn ask_store(&self, key: &Key<'_>, cost: u32) -> Decided<Result<Admitted, Denied>> {
        let (rules, question) = self.prepared(key, cost, EntryMode::Enforce);
        let questions = Questions::one(question);
        let decided = self.limiter.remote().map(|s| s.decide(&Batch::new(&rules, &questions)));
        match decided {
            Some(Decided::Later(answer)) => {
                let handle = self.clone();
                // Boxed whole: the future of a check stays small, which memory's pays for too.
                Decided::Later(Box::pin(async move {
                    let answer = answer.await;
                    handle.answered(&rules, Questions::one(question), answer)
                }))
            }
            Some(Decided::Now(answer)) => Decided::Now(self.answered(&rules, questions, answer)),
            None => Decided::Now(Err(Denied::UNDECIDED)),
        }
    }

    fn answered(
        &self,
        rules: &Rules,
        questions: Questions,
        answer: Result<Verdicts, StoreError>,
    ) -> Result<Admitted, Denied> {
        let (questions, verdicts, _) = self.or_fall_back(rules, questions, answer)?;
        let policy = rules.policy(self.number).ok_or(Denied::UNDECIDED)?;
        self.conclude(policy, &questions, &verdicts)
    }

    /// Decides in memory or by the store, and falls back if that fails.
    async fn decide(
        &self,
        rules: &Rules,
        mut questions: Questions,
    ) -> Result<(Questions, Verdicts, By), Denied> {
        let Some(store) = self.limiter.remote() else {
            let verdicts = self.limiter.decide_here(&mut questions);
            return Ok((questions, verdicts, By::Memory));
        };
        let decided = store.decide(&Batch::new(rules, &questions));
        let answer = match decided {
            Decided::Now(answer) => answer,
            Decided::Later(answer) => answer.await,
        };
        self.or_fall_back(rules, questions, answer)
    }

    fn or_fall_back(
        &self,
        rules: &Rules,
        questions: Questions,
        answer: Result<Verdicts, StoreError>,
    ) -> Result<(Questions, Verdicts, By), Denied> {
        match answer {
            Ok(verdicts) => {
                self.limiter.store_decided(rules, &questions, &verdicts);
                Ok((questions, verdicts, By::Store(verdicts.receipt())))
            }
            Err(error) => {
                let local = self.limiter.fall_back(rules, &questions, &error);
                let (questions, verdicts) = local.ok_or(Denied::UNDECIDED)?;
                Ok((questions, verdicts, By::Memory))
            }
        }
    }

    /// The answer to the only question. A policy that allows without deciding asks none.
    fn conclude(
        &self,
        policy: &Policy,
        questions: &Questions,
        verdicts: &Verdicts,
    ) -> Result<Admitted, Denied> {
        match questions.as_slice().first() {
            Some(question) => self.answer(policy, &verdicts.first(question), verdicts.decider()),
            None => Ok(Admitted::new(policy.quota(), 0, verdicts.decider())),
        }
    }

    #[inline]
    fn answer(
        &self,
        policy: &Policy,
        verdict: &Verdict,
        decider: Decider,
    ) -> Result<Admitted, Denied> {
        self.limiter.report_check(policy, verdict, decider);
        if verdict.room || policy.is_shadow() {
            Ok(Admitted::new(verdict.quota, verdict.debt, decider))
        } else {
            Err(Denied::new(verdict, Reason::Quota, decider))
        }
    }

    async fn command(&self, key: &Key<'_>, cost: u32, mode: EntryMode) -> Result<(), StoreError> {
        let (rules, question) = self.prepared(key, cost, mode);
        let mut questions = Questions::one(question);
        let Some(store) = self.limiter.remote() else {
            let _done = self.limiter.decide_here(&mut questions);
            return Ok(());
        };
        let decided = store.decide(&Batch::new(&rules, &questions));
        let answer = match decided {
            Decided::Now(answer) => answer,
            Decided::Later(answer) => answer.await,
        };
        match answer {
            Ok(verdicts) => {
                self.limiter.store_decided(&rules, &questions, &verdicts);
                Ok(())
            }
            Err(error) => {
                self.limiter.report_failure(&error);
                Err(error)
            }
        }
    }

    /// A question and the rules it is asked under.
    fn prepared(&self, key: &Key<'_>, cost: u32, mode: EntryMode) -> (Arc<Rules>, Question) {
        let rules = self.limiter.rules().to_arc();
        let policy = rules.policy(self.number).or(rules.policies.first());
        let question = match policy {
            Some(policy) => self.question(policy, key, cost, mode),
            None => Question::UNUSED,
        };
        (rules, question)
    }

    #[inline]
    fn question(&self, policy: &Policy, key: &Key<'_>, cost: u32, mode: EntryMode) -> Question {
        let mode = match mode {
            EntryMode::Enforce if policy.is_shadow() => EntryMode::Observe,
            EntryMode::Hold { .. } => EntryMode::Hold { enforced: !policy.is_shadow() },
            mode => mode,
        };
        Question::new(self.number, self.limiter.digest(key), policy.quota(), cost, mode)
    }
}

/// A check, decided when it is first polled. Not an async function, whose future is not inlined:
/// that costs a quarter of a check in memory.
struct Check<'a> {
    handle: &'a PolicyHandle,
    key: &'a Key<'a>,
    cost: u32,
    /// A store's answer, once it was asked.
    answer: Option<BoxFuture<Result<Admitted, Denied>>>,
}

impl Future for Check<'_> {
    type Output = Result<Admitted, Denied>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.handle.limiter.remote().is_none() {
            return Poll::Ready(self.handle.ask_here(self.key, self.cost));
        }
        if let Some(answer) = &mut self.answer {
            return answer.as_mut().poll(context);
        }
        match self.handle.ask_store(self.key, self.cost) {
            Decided::Now(answer) => Poll::Ready(answer),
            Decided::Later(answer) => self.answer.insert(answer).as_mut().poll(context),
        }
    }
}
