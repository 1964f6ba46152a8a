//! Counting attempts before passwords are checked.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use hardpoint_core::{
    Telemetry, Time,
    event::{
        AttemptLane, AttemptResult, Decider, LoginAttempted, SettlementsLost, StoreFailed,
        StoreKind,
    },
};

use tokio::sync::{Notify, Semaphore};

use super::{
    Attempt, AttemptStore, Denied, Limits, LockoutError, LoginClient, LoginGuardBuilder, OnFailure,
    Settled, Ticket,
    device::{self, DeviceCookie},
    failure::{Failing, Outage},
    lane::MAX_JITTER,
    memory::MemoryAttempts,
    store::{Attempter, Kept},
};
use crate::{
    session::{RootSecret, root::DerivedKeys},
    store::StoreError,
};

/// Counts attempts to log in before their passwords are checked. See the [module docs](super).
///
/// Clones share the counts.
#[derive(Clone)]
pub struct LoginGuard {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) store: AttemptStore,
    pub(super) limits: Limits,
    /// What counts while a remote store does not.
    pub(super) fallback: Option<Fallback>,
    pub(super) keys: DerivedKeys,
    pub(super) device_lifetime: Duration,
    pub(super) on_failure: OnFailure,
    pub(super) local_for: Duration,
    pub(super) patience: Duration,
    /// Who waits for a place, by account.
    pub(super) queues: [Notify; QUEUES],
    pub(super) hasher: RandomState,
    /// A permit for each call that may wait for others to the same account.
    pub(super) waiting: Semaphore,
    pub(super) outage: Outage,
    pub(super) time: Time,
    pub(super) telemetry: Telemetry,
}

pub(super) struct Fallback {
    pub(super) attempts: MemoryAttempts,
    /// A share of the limits.
    pub(super) limits: Limits,
}

debug_only!(Inner { store, limits, on_failure, local_for, patience });
debug_only!(LoginGuard { inner });

impl LoginGuard {
    /// Counts attempts in `store`. Device cookies are authenticated with a key that is derived from
    /// `root`.
    pub fn builder(store: AttemptStore, root: &RootSecret) -> LoginGuardBuilder {
        LoginGuardBuilder::new(store, root.keys(device::LABEL))
    }

    /// Counts an attempt of `client` to log in to `account`. Check the password only after this
    /// returned an [`Attempt`], and then settle it.
    ///
    /// `account` is the name that the client typed, in one spelling, such as a trimmed address in
    /// lower case. It need not exist: look the account up afterwards, so that unknown accounts are
    /// counted alike.
    ///
    /// While other attempts hold all places of the account and none of them has failed, this waits for
    /// one, up to the [`patience`](LoginGuardBuilder::patience): many workers may log in to one account
    /// at once. At most 256 calls of a guard wait, since each asks the store again and again; further
    /// ones are refused at once. It needs a tokio runtime with a timer.
    ///
    /// # Errors
    /// [`LockoutError`], which is a [`Rejection`](hardpoint_core::Rejection).
    ///
    /// # Cancellation
    /// The command is submitted to the store at the first poll. If the future is dropped after that,
    /// the attempt becomes a failure when its time to be settled is over.
    pub async fn reserve(
        &self,
        account: &str,
        client: &LoginClient,
    ) -> Result<Attempt, LockoutError> {
        let inner = &self.inner;
        let device = inner.device(account, client);
        let by = Attempter { account, device: device.as_ref(), network: client.network };
        let queue = inner.queue(account);
        let until = tokio::time::Instant::now() + inner.patience;
        let mut place = None;
        loop {
            let (reserved, decider) = inner.decide(by).await?;
            let denied = match reserved {
                Ok(ticket) => {
                    return Ok(Attempt {
                        guard: self.clone(),
                        account: account.into(),
                        device,
                        network: client.network,
                        ticket,
                        decider,
                        is_settled: false,
                    });
                }
                Err(denied) => denied,
            };
            if !denied.is_busy {
                // The next in the queue is refused too, and should know it.
                queue.notify_one();
                return Err(inner.refuse(denied, decider));
            }
            place = place.or_else(|| inner.waiting.try_acquire().ok());
            if place.is_none() || tokio::time::Instant::now() >= until {
                inner.report(AttemptResult::Denied, denied.lane, decider);
                return Err(LockoutError::Busy);
            }
            // Another instance may have freed a place, or this account shares its queue with another.
            let _either = tokio::time::timeout(PAUSE, queue.notified()).await;
        }
    }

    /// The cookie that makes a client a known device of an account whose owner proved their
    /// identity in another way, such as by a magic link. After a password,
    /// [`Attempt::succeeded`](Attempt::succeeded) returns it. `None` if the system returned no
    /// random bytes.
    #[must_use = "without its cookie the client stays a stranger"]
    pub fn remember(&self, account: &str) -> Option<DeviceCookie> {
        let inner = &self.inner;
        DeviceCookie::issue(&inner.keys, account, inner.time.unix(), inner.device_lifetime)
    }

    /// Forgets the failures of an account, including the hard stop. Call it after an operator's
    /// decision, or after the owner proved their identity with a one-time token. Returns whether
    /// the account had any.
    ///
    /// # Errors
    /// [`LockoutError::Unavailable`] if the store did not answer.
    pub async fn unlock(&self, account: &str) -> Result<bool, LockoutError> {
        let inner = &self.inner;
        let locally = inner.fallback.as_ref().is_some_and(|own| own.attempts.unlock(account));
        match inner.store.unlock(account).await {
            Ok(unlocked) => Ok(unlocked || locally),
            Err(error) => {
                inner.failed(&error);
                Err(LockoutError::Unavailable(error))
            }
        }
    }
}

impl Inner {
    /// Where log-ins to this account wait for each other.
    fn queue(&self, account: &str) -> &Notify {
        let index = self.hasher.hash_one(account) % QUEUES as u64;
        &self.queues[usize::try_from(index).unwrap_or_default()]
    }

    /// Asks the store, or decides as the failure policy says.
    async fn decide(
        &self,
        by: Attempter<'_>,
    ) -> Result<(Result<Ticket, Denied>, Decider), LockoutError> {
        let jitter = jitter();
        match self.store.reserve(by, &self.limits, jitter).await {
            Ok(reserved) => {
                self.outage.ended();
                let decider = match self.store.kept {
                    Kept::Memory(_) => Decider::Memory,
                    Kept::Remote(_) => Decider::Store,
                };
                Ok((reserved, decider))
            }
            Err(error) => Ok((self.fall_back(by, jitter, error)?, Decider::Fallback)),
        }
    }

    fn refuse(&self, denied: Denied, decider: Decider) -> LockoutError {
        let Denied { lane, wait, .. } = denied;
        let result = if wait.is_some() { AttemptResult::Denied } else { AttemptResult::Locked };
        self.report(result, lane, decider);
        tracing::debug!(
            target: "hardpoint::auth::lockout",
            lane = lane.as_str(),
            locked = wait.is_none(),
            "log-in refused"
        );
        let wait = wait.unwrap_or(self.limits.account.longest_delay);
        // In whole seconds, rounded up, so that a client which waits is not early.
        let retry_after = Duration::from_secs(wait.div_ceil(1_000));
        LockoutError::TooManyAttempts { lane, retry_after }
    }

    /// The device of the client, if it is a known device of this account.
    fn device(&self, account: &str, client: &LoginClient) -> Option<[u8; 16]> {
        if client.cookies.is_empty() {
            return None;
        }
        let (now, lifetime) = (self.time.unix(), self.device_lifetime);
        self.keys.all().find_map(|key| {
            let name = device::name(key, account);
            let mut own = client.cookies.iter().filter(|(cookie, _)| **cookie == *name);
            own.find_map(|(_, value)| {
                DeviceCookie::open(&self.keys, account, value.expose(), now, lifetime)
            })
        })
    }

    /// Decides as the failure policy says.
    fn fall_back(
        &self,
        by: Attempter<'_>,
        jitter: u16,
        error: StoreError,
    ) -> Result<Result<Ticket, Denied>, LockoutError> {
        self.failed(&error);
        let Failing { lasted, is_new } =
            self.outage.failed(self.time.now(), self.local_for.max(SHORTEST_PAUSE));
        if is_new && let Some(own) = &self.fallback {
            // Other instances may have unlocked accounts since.
            own.attempts.clear();
        }
        if self.on_failure == OnFailure::Allow {
            let lane = match by.device {
                Some(_) => AttemptLane::Device,
                None => AttemptLane::Account,
            };
            return Ok(Ok(Ticket { lane, at: 0 }));
        }
        let is_over =
            matches!(self.on_failure, OnFailure::LocalThenDeny { .. }) && lasted >= self.local_for;
        let fallback = self.fallback.as_ref().filter(|_| !is_over);
        let own = fallback.ok_or(LockoutError::Unavailable(error))?;
        Ok(own.attempts.reserve(by, &own.limits, jitter))
    }

    /// Settles an attempt where it was counted.
    pub(super) fn settle(
        self: &Arc<Self>,
        by: Attempter<'_>,
        ticket: Ticket,
        decider: Decider,
        settled: Settled,
    ) {
        let result = match settled {
            Settled::Failed => AttemptResult::Failed,
            Settled::Succeeded => AttemptResult::Succeeded,
            Settled::Unverified => AttemptResult::Unverified,
        };
        self.report(result, ticket.lane, decider);
        match (&self.store.kept, decider, &self.fallback) {
            (Kept::Memory(attempts), ..) => attempts.settle(by, &self.limits, ticket, settled),
            (_, Decider::Fallback, Some(own)) => {
                own.attempts.settle(by, &own.limits, ticket, settled);
            }
            (_, Decider::Fallback, None) => {}
            (Kept::Remote(store), ..) => {
                // Submitted now; a task only waits for the answer.
                let answer = store.settle(by, &self.limits, ticket, settled);
                let inner = Arc::clone(self);
                let wait = async move {
                    if let Err(error) = answer.await {
                        // It may not have reached the store: the attempt becomes a failure in time.
                        inner.failed(&error);
                        let lost = SettlementsLost::new(StoreKind::Attempt, 1);
                        inner.telemetry.on(&lost.into());
                    }
                };
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    runtime.spawn(wait);
                }
            }
        }
        // Settled before: on a server by the order of the connection.
        self.queue(by.account).notify_one();
    }

    fn report(&self, result: AttemptResult, lane: AttemptLane, decider: Decider) {
        self.telemetry.on(&LoginAttempted::new(result, lane).by(decider).into());
    }

    fn failed(&self, error: &StoreError) {
        self.telemetry.on(&StoreFailed::new(StoreKind::Attempt, error.kind()).into());
    }
}

/// How far apart failures of a store are at least, for the second to begin an outage.
const SHORTEST_PAUSE: Duration = Duration::from_secs(60);

/// How many calls of a guard wait at a time: 1,600 questions a second if none is woken.
pub(super) const MOST_WAITING: usize = 256;

/// How long a log-in waits, unless it is woken, before it asks again for a place that others hold.
const PAUSE: Duration = Duration::from_millis(160);
/// The queues of accounts. Those that share one by chance only ask once more often.
pub(super) const QUEUES: usize = 64;

/// A random number below [`MAX_JITTER`]; 0 if the system returns none.
fn jitter() -> u16 {
    let random = getrandom::u32().unwrap_or_default() % u32::from(MAX_JITTER);
    u16::try_from(random).unwrap_or_default()
}
