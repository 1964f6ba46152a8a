//! A store over governor's limiters, for whoever has them already.
//!
//! What it cannot do, because governor cannot: it has no bound on memory, so call
//! [`retain_recent`](GovernorStore::retain_recent) now and then; it consumes from one policy after the
//! other, so what a later one refuses is lost to the earlier ones; each policy has the one quota that
//! it was made with; it can neither give back, force nor reset, which is answered with
//! [`StoreErrorKind::Corrupt`]; and it cannot look without consuming: a cost of 0 is let in, and told
//! that the bucket is full, whatever was consumed. [`MemoryStore`](crate::MemoryStore) does all of
//! that.
//!
//! ```
//! use hardpoint_ratelimit::{Policy, Quota, RateLimiter, governor::GovernorStore, key};
//!
//! let quota = Quota::per_second(20).burst(40);
//! let policy = Policy::new("client", quota, key::subject());
//! let limiter = RateLimiter::builder().policy(policy).build_with_store(GovernorStore::new(&[quota]))?;
//! # let _ = limiter;
//! # Ok::<(), hardpoint_ratelimit::ConfigError>(())
//! ```

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use governor::{
    DefaultKeyedRateLimiter, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DefaultKeyedStateStore,
};
use hardpoint_core::{Answer, Key};

use crate::{
    Batch, ConfigError, Digest, Entry, Mode, NeverPending, Quota, Store, StoreError,
    StoreErrorKind, Verdicts,
};

type Limiter =
    RateLimiter<Digest, DefaultKeyedStateStore<Digest>, DefaultClock, StateInformationMiddleware>;

/// Buckets in governor's keyed limiters, one for each policy. Clones share them.
#[derive(Clone)]
pub struct GovernorStore {
    limiters: Arc<[Limiter]>,
    hasher: RandomState,
    clock: DefaultClock,
}

impl GovernorStore {
    /// A limiter of governor's for each policy, with the policy's quota.
    #[must_use]
    pub fn new(quotas: &[Quota]) -> Self {
        let limiter = |quota: &Quota| {
            let limiter: DefaultKeyedRateLimiter<Digest> = RateLimiter::keyed(theirs(*quota));
            limiter.with_middleware()
        };
        let limiters = quotas.iter().map(limiter).collect();
        Self { limiters, hasher: RandomState::new(), clock: DefaultClock::default() }
    }

    /// Frees the memory of keys whose buckets are full. It visits every key.
    pub fn retain_recent(&self) {
        for limiter in &*self.limiters {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    fn take(&self, entry: &Entry) -> Result<(u64, bool), StoreError> {
        let corrupt = || StoreError::new(StoreErrorKind::Corrupt);
        let limiter = self.limiters.get(usize::from(entry.policy)).ok_or_else(corrupt)?;
        match entry.mode {
            Mode::Enforce | Mode::Observe | Mode::Hold { .. } => {}
            // All that was taken is charged: nothing is to be done.
            Mode::Settle { actual, .. } if actual == entry.cost => return Ok((0, true)),
            _ => return Err(corrupt()),
        }
        let Some(cells) = NonZeroU32::new(entry.cost) else { return Ok((0, true)) };
        let tolerance = entry.quota.tolerance();
        let price = entry.quota.interval_nanos().saturating_mul(entry.cost.into());
        Ok(match limiter.check_key_n(&entry.key, cells) {
            // What is left of the burst tells the debt, to within a cell.
            Ok(Ok(left)) => {
                let left = entry
                    .quota
                    .interval_nanos()
                    .saturating_mul(left.remaining_burst_capacity().into());
                (tolerance.saturating_sub(left).saturating_sub(price), true)
            }
            Ok(Err(until)) => {
                let wait = nanos(until.wait_time_from(self.clock.now()));
                (tolerance.saturating_sub(price).saturating_add(wait), false)
            }
            Err(_more_than_the_burst) => (0, false),
        })
    }
}

fn theirs(quota: Quota) -> governor::Quota {
    let burst = NonZeroU32::new(quota.capacity()).unwrap_or(NonZeroU32::MIN);
    let paced = governor::Quota::with_period(quota.interval());
    // A quota's interval is never zero.
    paced.unwrap_or(governor::Quota::per_second(burst)).allow_burst(burst)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Store for GovernorStore {
    type Pending = NeverPending;

    fn digest(&self, key: &Key<'_>) -> Digest {
        Digest::from_bits(self.hasher.hash_one(key.as_bytes()).into())
    }

    fn decide(&self, batch: &Batch) -> Answer<Result<Verdicts, StoreError>, Self::Pending> {
        let mut answers = [(0, true); Batch::MAX];
        for (entry, answer) in batch.entries().iter().zip(&mut answers) {
            match self.take(entry) {
                Ok(taken) => *answer = taken,
                Err(error) => return Answer::Now(Err(error)),
            }
            if !answer.1 && entry.mode.is_enforced() {
                break;
            }
        }
        Answer::Now(Ok(Verdicts::new(batch, answers)))
    }

    fn prepare(&self, policies: usize) -> Result<(), ConfigError> {
        let tables = self.limiters.len();
        if tables == policies { Ok(()) } else { Err(ConfigError::StoreTables { tables, policies }) }
    }
}

impl fmt::Debug for GovernorStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GovernorStore")
            .field("limiters", &self.limiters.len())
            .finish_non_exhaustive()
    }
}
