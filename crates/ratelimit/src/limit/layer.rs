//! The layer.

use hardpoint_core::Clock;
use tower_layer::Layer;

use super::RateLimit;
use crate::{ConfigError, MemoryStore, Policy, RateLimiter};

/// Refuses requests over a quota. See the [module docs](super).
#[derive(Debug)]
#[must_use]
pub struct RateLimitLayer<St = MemoryStore, Ob = ()> {
    limiter: Option<RateLimiter<St, Ob>>,
}

impl RateLimitLayer {
    /// Limits by one policy, with the state in this process.
    ///
    /// # Errors
    /// [`ConfigError`] if the policy's name cannot stand in a header.
    pub fn new(policy: Policy) -> Result<Self, ConfigError> {
        Ok(RateLimiter::builder().policy(policy).build()?.layer())
    }

    /// The layer that limits nothing.
    pub const fn off() -> Self {
        Self { limiter: None }
    }
}

impl<C: Clock> RateLimitLayer<MemoryStore<C>> {
    /// Limits by one policy, with the state in this process and by another clock.
    ///
    /// # Errors
    /// [`ConfigError`] if the policy's name cannot stand in a header.
    pub fn with_clock(policy: Policy, clock: C) -> Result<Self, ConfigError> {
        Ok(RateLimiter::builder().policy(policy).build_with_clock(clock)?.layer())
    }
}

impl<St, Ob> RateLimitLayer<St, Ob> {
    pub(crate) const fn of(limiter: RateLimiter<St, Ob>) -> Self {
        Self { limiter: Some(limiter) }
    }

    /// The layer that limits nothing, of the type of one over another store: for a choice at run
    /// time.
    pub const fn off_with_store() -> Self {
        Self { limiter: None }
    }

    /// The limiter behind this layer; `None` if it is off.
    #[must_use]
    pub const fn limiter(&self) -> Option<&RateLimiter<St, Ob>> {
        self.limiter.as_ref()
    }
}

impl<St, Ob> Clone for RateLimitLayer<St, Ob> {
    fn clone(&self) -> Self {
        Self { limiter: self.limiter.clone() }
    }
}

impl<S, St, Ob> Layer<S> for RateLimitLayer<St, Ob> {
    type Service = RateLimit<S, St, Ob>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimit::new(inner, self.limiter.clone())
    }
}
