//! Limits without a request: jobs, messages, work whose cost is known afterwards.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use hardpoint_core::{Answer, Event, Key, Observer};
use pin_project_lite::pin_project;

use super::{
    RateLimiter,
    decide::{hold, settled},
};
use crate::{Entry, MemoryStore, Mode, NeverPending, Policy, Store, StoreError, Verdict, Verdicts};

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
    #[inline]
    pub fn check(&self, policy: &str, key: &Key<'_>, cost: u32) -> Check<'_, St, Ob> {
        let state = match self.ask_one(policy, key, cost) {
            Answer::Now(answer) => Checked::Now { answer: Some(answer) },
            Answer::Later((entry, pending)) => Checked::Later { limiter: self, entry, pending },
        };
        Check { state }
    }

    /// As [`check`](Self::check), without a future: for stores that always answer at once, such as the
    /// one in memory, where code is not async or counts nanoseconds.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    ///
    /// ```
    /// use hardpoint_core::Key;
    /// use hardpoint_ratelimit::{Policy, Quota, RateLimiter, key};
    ///
    /// let jobs = Policy::new("jobs", Quota::per_second(5).burst(1), key::subject());
    /// let limiter = RateLimiter::builder().policy(jobs).build()?;
    /// assert!(limiter.check_now("jobs", &Key::borrowed(b"reports"), 1)?.allowed());
    /// assert!(!limiter.check_now("jobs", &Key::borrowed(b"reports"), 1)?.allowed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn check_now(&self, policy: &str, key: &Key<'_>, cost: u32) -> Result<Verdict, CheckError>
    where
        St: Store<Pending = NeverPending>,
    {
        match self.ask_one(policy, key, cost) {
            Answer::Now(answer) => answer,
            Answer::Later((_, never)) => match never {},
        }
    }

    #[inline]
    fn ask_one(
        &self,
        name: &str,
        key: &Key<'_>,
        cost: u32,
    ) -> Answer<Result<Verdict, CheckError>, (Entry, St::Pending)> {
        let rules = self.rules();
        let Some((number, policy)) = rules.named(name) else {
            return Answer::Now(Err(CheckError::no_policy(name)));
        };
        let entry = self.entry(number, policy, key, cost, Mode::Enforce);
        match self.shared.store.decide_one(&entry) {
            Answer::Now(Ok(verdict)) => Answer::Now(Ok(self.told(policy.name(), verdict))),
            Answer::Now(Err(error)) => Answer::Now(Err(self.undecided(error))),
            Answer::Later(pending) => Answer::Later((entry, pending)),
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
        let entry = self.entry_of(policy, key, cost, hold(true))?;
        let verdict = self.decide(entry).await?;
        let held = verdict.consumed().then_some(entry);
        let mut reservation = Reservation { limiter: self.clone(), held, verdict };
        reservation.verdict = self.told(policy, verdict);
        Ok(if reservation.verdict.allowed() {
            Reserved::Admitted(reservation)
        } else {
            Reserved::Refused(reservation.verdict)
        })
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
        self.decide(self.entry_of(policy, key, cost, Mode::Refund)?).await
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
        self.decide(self.entry_of(policy, key, cost, Mode::Force)?).await
    }

    /// Forgets what a key has consumed.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub async fn reset(&self, policy: &str, key: &Key<'_>) -> Result<(), CheckError> {
        self.decide(self.entry_of(policy, key, 0, Mode::Reset)?).await.map(drop)
    }

    #[inline]
    fn entry(&self, number: u8, policy: &Policy, key: &Key<'_>, cost: u32, mode: Mode) -> Entry {
        // A policy that only looks on looks on here too.
        let mode = match mode {
            Mode::Enforce if policy.is_shadow() => Mode::Observe,
            Mode::Hold { id, .. } => Mode::Hold { id, enforced: !policy.is_shadow() },
            mode => mode,
        };
        let key = self.shared.store.digest(key);
        Entry { policy: number, key, quota: policy.quota(), cost, mode }
    }

    /// The entry of the policy with this name.
    fn entry_of(
        &self,
        name: &str,
        key: &Key<'_>,
        cost: u32,
        mode: Mode,
    ) -> Result<Entry, CheckError> {
        let rules = self.rules();
        let (number, policy) = rules.named(name).ok_or_else(|| CheckError::no_policy(name))?;
        Ok(self.entry(number, policy, key, cost, mode))
    }

    async fn decide(&self, entry: Entry) -> Result<Verdict, CheckError> {
        match self.shared.store.decide_one(&entry) {
            Answer::Now(answer) => answer.map_err(|error| self.undecided(error)),
            Answer::Later(pending) => self.answered(&entry, pending.await),
        }
    }

    /// The verdict on the one entry that was asked about.
    fn answered(
        &self,
        entry: &Entry,
        answer: Result<Verdicts, StoreError>,
    ) -> Result<Verdict, CheckError> {
        match answer {
            Ok(verdicts) => Ok(verdicts.first(entry)),
            Err(error) => Err(self.undecided(error)),
        }
    }

    #[cold]
    fn undecided(&self, error: StoreError) -> CheckError {
        self.report(&error);
        CheckError { cause: Cause::Store(Arc::new(error)) }
    }

    /// The same verdict, after the observer has heard of it. Looking is no decision.
    #[inline]
    fn told(&self, policy: &str, verdict: Verdict) -> Verdict {
        let enforced = !verdict.is_observed();
        if verdict.cost() > 0 {
            let allowed = verdict.allowed();
            self.shared.observer.on(&Event::Limited { policy, allowed, enforced });
        }
        if enforced { verdict } else { verdict.let_in() }
    }
}

pin_project! {
    /// What [`RateLimiter::check`] has decided, or is waiting for.
    #[must_use = "the cells are consumed; the verdict says whether to go on"]
    pub struct Check<'a, St: Store = MemoryStore, Ob = ()> {
        #[pin]
        state: Checked<'a, St, Ob>,
    }
}

pin_project! {
    #[project = CheckedProject]
    enum Checked<'a, St: Store, Ob> {
        Now { answer: Option<Result<Verdict, CheckError>> },
        Later { limiter: &'a RateLimiter<St, Ob>, entry: Entry, #[pin] pending: St::Pending },
    }
}

impl<St: Store, Ob: Observer> Future for Check<'_, St, Ob> {
    type Output = Result<Verdict, CheckError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            // A future is not polled again after it was ready; if it is, nothing is left.
            CheckedProject::Now { answer } => answer.take().map_or(Poll::Pending, Poll::Ready),
            CheckedProject::Later { limiter, entry, pending } => {
                let answer = ready!(pending.poll(cx));
                let verdict = limiter.answered(entry, answer)?;
                let rules = limiter.rules();
                let policy = rules.policy(entry.policy).map_or("", Policy::name);
                Poll::Ready(Ok(limiter.told(policy, verdict)))
            }
        }
    }
}

impl<St: Store, Ob> fmt::Debug for Check<'_, St, Ob> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_decided = matches!(self.state, Checked::Now { .. });
        f.debug_struct("Check").field("is_decided", &is_decided).finish_non_exhaustive()
    }
}

/// Whether cells were reserved.
#[derive(Debug)]
#[must_use = "what was reserved stays consumed until it is settled"]
pub enum Reserved<St: Store = MemoryStore, Ob: Observer = ()> {
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
///
/// The bounds are for that: a reservation that is dropped tells the store.
#[derive(Debug)]
#[must_use = "what was reserved stays consumed until it is settled"]
pub struct Reservation<St: Store = MemoryStore, Ob: Observer = ()> {
    limiter: RateLimiter<St, Ob>,
    /// What is held, until it is settled.
    held: Option<Entry>,
    verdict: Verdict,
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
    pub async fn settle(mut self, actual: u32) -> Result<(), CheckError> {
        match self.held.take() {
            Some(held) => self.limiter.decide(settled(held, actual)).await.map(drop),
            None => Ok(()),
        }
    }
}

impl<St: Store, Ob: Observer> Drop for Reservation<St, Ob> {
    fn drop(&mut self) {
        if let Some(held) = self.held.take()
            && let Answer::Now(Err(error)) =
                self.limiter.shared.store.decide_one(&settled(held, held.cost))
        {
            self.limiter.report(&error);
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
    #[cold]
    fn no_policy(name: &str) -> Self {
        Self { cause: Cause::Policy(name.to_owned()) }
    }

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
