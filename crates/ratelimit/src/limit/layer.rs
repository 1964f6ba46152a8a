//! The layers: one for each place in a stack.

use hardpoint_core::{Place, Refusals, StackLayer, Telemetry};
use tower_layer::Layer;

use super::RateLimit;
use crate::{ConfigError, Policy, RateLimiter};

/// A layer in one place: the places differ only in their names and checks.
macro_rules! layer {
    ($(#[$docs:meta])* $name:ident, $place:expr, $make:ident, $new_docs:literal) => {
        $(#[$docs])*
        #[derive(Clone, Debug)]
        #[must_use]
        pub struct $name {
            limiter: Option<RateLimiter>,
            refusals: Refusals,
        }

        impl $name {
            #[doc = $new_docs]
            pub fn new(policy: Policy) -> Result<Self, ConfigError> {
                RateLimiter::builder().policy(policy).build()?.$make()
            }

            /// The layer that limits nothing.
            pub const fn off() -> Self {
                Self { limiter: None, refusals: Refusals::unset() }
            }

            pub(crate) const fn from_limiter(limiter: RateLimiter) -> Self {
                Self { limiter: Some(limiter), refusals: Refusals::unset() }
            }

            /// Reports every decision to `telemetry`, unless the limiter has an observer already.
            /// It is the limiter's: all of its layers report there.
            pub fn telemetry(self, telemetry: &Telemetry) -> Self {
                if let Some(limiter) = &self.limiter {
                    limiter.report_to(telemetry);
                }
                self
            }

            /// Renders refusals with `refusals`. Default: problems as JSON, or what
            /// `Stack::refusals` sets.
            pub fn refusals(mut self, refusals: &Refusals) -> Self {
                self.refusals = refusals.clone();
                self
            }

            /// The limiter behind this layer; `None` if it is off.
            #[must_use]
            pub const fn limiter(&self) -> Option<&RateLimiter> {
                self.limiter.as_ref()
            }
        }

        impl StackLayer for $name {
            const PLACE: Place = $place;

            fn telemetry(self, telemetry: &Telemetry) -> Self {
                Self::telemetry(self, telemetry)
            }

            fn refusals(mut self, refusals: &Refusals) -> Self {
                self.refusals = self.refusals.or(refusals);
                self
            }
        }

        impl<S> Layer<S> for $name {
            type Service = RateLimit<S>;

            fn layer(&self, inner: S) -> Self::Service {
                if let Some(limiter) = &self.limiter {
                    limiter.applied();
                }
                RateLimit::new(inner, self.limiter.clone(), self.refusals.clone())
            }
        }
    };
}

layer! {
    /// Refuses requests over a quota, before they are authenticated. See the [module docs](super).
    RateLimitLayer, Place::RATE_LIMIT_BY_ADDRESS, layer,
    "Limits by one policy, with the state in this process.

# Errors
[`ConfigError`] if the policy's name is unusable or the policy counts by the authenticated caller."
}

layer! {
    /// Refuses requests over a quota, inside authentication, where the caller is known. See the
    /// [module docs](super).
    SubjectRateLimitLayer, Place::RATE_LIMIT_BY_SUBJECT, by_subject,
    "Limits by one policy, with the state in this process.

# Errors
[`ConfigError`] if the policy's name is unusable or the policy cannot count by the caller."
}
