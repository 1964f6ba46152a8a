//! What every place that keeps the state must do: this process, the pure model, a remote store that
//! delays, reorders and loses answers, and real servers.
//!
//! Each law is a function over a [`Kept`]; each place has a module that runs all laws. A store of
//! another crate runs the same laws.

#[cfg(feature = "redis")]
mod cell;
mod laws;
pub(crate) mod model;
#[cfg(feature = "redis")]
mod redis;
pub(crate) mod remote;

use hardpoint_core::ManualClock;
use hardpoint_ratelimit::{Policy, RateLimiter};

use self::{model::Model, remote::Remote};

/// Where the state is kept.
#[derive(Clone)]
pub(crate) enum Kept {
    Memory,
    Model(Model),
    Remote(Remote),
    #[cfg(feature = "redis")]
    Redis(hardpoint_ratelimit::redis::RedisStore),
}

impl Kept {
    fn limiter(
        &self,
        clock: &ManualClock,
        policies: impl IntoIterator<Item = Policy>,
    ) -> RateLimiter {
        let builder = RateLimiter::builder().time(clock);
        let builder = match self.clone() {
            Self::Memory => builder,
            Self::Model(model) => builder.store(model),
            Self::Remote(remote) => builder.store(remote),
            #[cfg(feature = "redis")]
            Self::Redis(store) => builder.store(store),
        };
        let builder = policies.into_iter().fold(builder, |builder, policy| builder.policy(policy));
        builder.build().unwrap()
    }

    /// How many histories suffice: those of a server take a second for each ten.
    fn histories(&self) -> u32 {
        match self {
            Self::Memory | Self::Model(_) | Self::Remote(_) => 300,
            #[cfg(feature = "redis")]
            Self::Redis(_) => 80,
        }
    }

    /// Waits for queued settlements.
    async fn flush(&self) {
        match self {
            Self::Memory | Self::Model(_) => {}
            Self::Remote(remote) => remote.flush(),
            #[cfg(feature = "redis")]
            Self::Redis(store) => store.flush().await,
        }
    }
}

macro_rules! conforms {
    ($place:ident, $kept:expr) => {
        mod $place {
            use super::*;

            #[tokio::test]
            async fn a_burst_is_admitted_and_waiting_as_told_is_enough() {
                laws::burst(&$kept).await;
            }

            #[tokio::test]
            async fn a_batch_consumes_from_all_policies_or_from_none() {
                laws::all_or_nothing(&$kept).await;
            }

            #[test]
            fn concurrent_batches_admit_what_one_after_another_would() {
                laws::concurrency(&$kept);
            }

            #[tokio::test]
            async fn a_decision_that_is_dropped_at_any_await_is_not_lost() {
                laws::cancellation(&$kept).await;
            }

            #[tokio::test]
            async fn a_hold_keeps_the_policies_it_began_with() {
                laws::replaced_while_held(&$kept).await;
            }

            #[test]
            fn every_history_ends_as_the_pure_models() {
                laws::histories(&$kept);
            }
        }
    };
}

conforms!(memory, |_clock: &ManualClock| Kept::Memory);
conforms!(pure, |clock: &ManualClock| Kept::Model(Model::new(clock)));
conforms!(remote_in_order, |clock: &ManualClock| Kept::Remote(Remote::new(clock)));
conforms!(remote_reordering, |clock: &ManualClock| {
    Kept::Remote(Remote::new(clock).delay([5, 0, 3, 1, 0, 9]))
});
#[cfg(feature = "redis")]
conforms!(redis_server, redis::places(hardpoint_testkit::redis::Software::Redis));
#[cfg(feature = "redis")]
conforms!(valkey_server, redis::places(hardpoint_testkit::redis::Software::Valkey));
