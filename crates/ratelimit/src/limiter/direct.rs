//! Limits without a request: jobs, messages, work whose cost is known afterwards.

use std::{error::Error, fmt, sync::Arc};

use hardpoint_core::{Answer, Event, Key, Mono, Observer};

use super::RateLimiter;
use crate::{Batch, Entry, MemoryStore, Mode, Policy, Store, StoreError, Verdict, Verdicts};

impl<St: Store, Ob: Observer> RateLimiter<St, Ob> {
    /// Consumes `cost` cells of a key's bucket, if they are there. A cost of 0 looks without
    /// consuming.
    ///
    /// It is decided when it is called; with a store in memory the future is ready at once, and only
    /// carries the answer. With a remote one, dropping it before it is ready leaves open whether the
    /// cells were consumed. A policy that is a [shadow](crate::Policy::shadow) lets everything in here
    /// too.
    ///
    /// # Errors
    /// [`CheckError`] if the limiter has no policy of this name, or its store did not decide. That
    /// is no statement about the key: [`OnFailure`](crate::OnFailure) is the layer's.
    pub fn check<'a>(
        &'a self,
        policy: &str,
        key: &Key<'_>,
        cost: u32,
    ) -> impl Future<Output = Result<Verdict, CheckError>> + Send + use<'a, St, Ob> {
        // Decided right here: a store in memory leaves the future nothing to carry.
        let asked = self.entry(policy, key, cost, Mode::Enforce).and_then(|entry| {
            match self.shared.store.decide(&Batch::from(entry)) {
                Answer::Now(answer) => self
                    .verdict(entry, answer)
                    .map(|verdict| Answer::Now(self.told(policy, verdict))),
                Answer::Later(pending) => Ok(Answer::Later((entry, pending))),
            }
        });
        async move {
            match asked? {
                Answer::Now(verdict) => Ok(verdict),
                Answer::Later((entry, pending)) => {
                    let verdict = self.verdict(entry, pending.await)?;
                    let rules = self.rules();
                    let policy = rules.policies.get(usize::from(entry.policy));
                    Ok(self.told(policy.map_or("", Policy::name), verdict))
                }
            }
        }
    }

    /// Consumes `cost` cells for work whose cost is known only when it is done: an estimate is
    /// reserved, and [settled](Reservation::settle) afterwards.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub async fn reserve(
        &self,
        policy: &str,
        key: &Key<'_>,
        cost: u32,
    ) -> Result<Reserved<St, Ob>, CheckError> {
        let entry = self.entry(policy, key, cost, Mode::Enforce)?;
        let taken = (self.shared.settings.mono)();
        let verdict = self.told(policy, self.decide(entry).await?);
        if !verdict.allowed() {
            return Ok(Reserved::Refused(verdict));
        }
        let limiter = self.clone();
        Ok(Reserved::Admitted(Reservation { limiter, entry, verdict, taken }))
    }

    /// Gives `cost` cells back to a key: at most its bucket is full afterwards.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub async fn refund(
        &self,
        policy: &str,
        key: &Key<'_>,
        cost: u32,
    ) -> Result<Verdict, CheckError> {
        self.decide(self.entry(policy, key, cost, Mode::Refund { aged: 0 })?).await
    }

    /// Takes `cost` cells from a key whether or not it has them: at most its bucket is empty
    /// afterwards.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub async fn penalize(
        &self,
        policy: &str,
        key: &Key<'_>,
        cost: u32,
    ) -> Result<Verdict, CheckError> {
        self.decide(self.entry(policy, key, cost, Mode::Force)?).await
    }

    /// Forgets what a key has consumed.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub async fn reset(&self, policy: &str, key: &Key<'_>) -> Result<(), CheckError> {
        self.decide(self.entry(policy, key, 0, Mode::Reset)?).await.map(drop)
    }

    fn entry(&self, name: &str, key: &Key<'_>, cost: u32, mode: Mode) -> Result<Entry, CheckError> {
        let rules = self.rules();
        let found = rules.policies.iter().zip(0..).find(|(policy, _)| policy.name() == name);
        let Some((policy, index)) = found else {
            return Err(CheckError { cause: Cause::Policy(name.to_owned()) });
        };
        let key = self.shared.store.digest(key);
        // A policy that only looks on looks on here too.
        let shadow = policy.is_shadow() && mode == Mode::Enforce;
        let mode = if shadow { Mode::Observe } else { mode };
        Ok(Entry { policy: index, key, quota: policy.quota(), cost, mode })
    }

    async fn decide(&self, entry: Entry) -> Result<Verdict, CheckError> {
        let answer = self.shared.store.decide(&Batch::from(entry)).resolve().await;
        self.verdict(entry, answer)
    }

    /// The verdict on the one entry that was asked about.
    fn verdict(
        &self,
        entry: Entry,
        answer: Result<Verdicts, StoreError>,
    ) -> Result<Verdict, CheckError> {
        match answer {
            Ok(verdicts) => Ok(verdicts.first(entry)),
            Err(error) => {
                self.report(&error);
                Err(CheckError { cause: Cause::Store(Arc::new(error)) })
            }
        }
    }

    /// The same verdict, after the observer has heard of it. Looking is no decision.
    fn told(&self, policy: &str, verdict: Verdict) -> Verdict {
        let enforced = !verdict.is_observed();
        if verdict.cost() > 0 {
            let allowed = verdict.allowed();
            self.shared.observer.on(&Event::Limited { policy, allowed, enforced });
        }
        if enforced { verdict } else { verdict.let_in() }
    }
}

/// Whether cells were reserved.
#[derive(Debug)]
#[must_use = "what was reserved stays consumed until it is settled"]
pub enum Reserved<St = MemoryStore, Ob = ()> {
    /// They were.
    Admitted(Reservation<St, Ob>),
    /// There was no room.
    Refused(Verdict),
}

/// Cells that were consumed for work whose cost is not known yet.
///
/// Dropping it leaves them consumed: whoever is cancelled does not get its share back by that.
///
/// ```
/// use hardpoint_core::Key;
/// use hardpoint_ratelimit::{Policy, Quota, RateLimiter, Reserved, key};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let tokens = Policy::new("tokens", Quota::per_minute(10_000), key::subject());
/// let limiter = RateLimiter::builder().policy(tokens).build()?;
/// let alice = Key::borrowed(b"alice");
///
/// let Reserved::Admitted(reservation) = limiter.reserve("tokens", &alice, 4_000).await? else {
///     return Err("refused".into());
/// };
/// let used = 2_500; // what the model's answer took
/// reservation.settle(used).await?;
/// assert_eq!(limiter.check("tokens", &alice, 0).await?.remaining(), 7_500);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "what was reserved stays consumed until it is settled"]
pub struct Reservation<St = MemoryStore, Ob = ()> {
    limiter: RateLimiter<St, Ob>,
    entry: Entry,
    verdict: Verdict,
    taken: Mono,
}

impl<St: Store, Ob: Observer> Reservation<St, Ob> {
    /// What the limiter said when it was made.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The work has cost `actual` cells. If that is more than was reserved, the rest is taken whether
    /// or not it is there. If it is less, the rest is given back, but for what time has replenished
    /// since: nobody gets a cell twice.
    ///
    /// # Errors
    /// [`CheckError`] if the store did not take it: then the estimate stays consumed.
    pub async fn settle(self, actual: u32) -> Result<(), CheckError> {
        let Self { limiter, entry, verdict, taken } = self;
        let more = actual.saturating_sub(entry.cost);
        let less = entry.cost.saturating_sub(actual);
        let settled = if more > 0 {
            Some(Entry { cost: more, mode: Mode::Force, ..entry })
        } else if less > 0 && verdict.consumed() {
            limiter.refund_of(entry, verdict.debt_before(), taken, (actual, less))
        } else {
            None
        };
        match settled {
            Some(entry) => limiter.decide(entry).await.map(drop),
            None => Ok(()),
        }
    }
}

/// A limiter was asked directly and did not decide.
#[derive(Clone, Debug)]
pub struct CheckError {
    cause: Cause,
}

#[derive(Clone, Debug)]
enum Cause {
    Policy(String),
    Store(Arc<StoreError>),
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
            Cause::Store(error) => Some(error.as_ref()),
        }
    }
}
