//! The bound that a refused request met, for the header fields of outer limiters.

use std::fmt;

use http::{HeaderMap, HeaderValue, Response};

use super::{
    LegacyReset,
    fields::{RATELIMIT, RATELIMIT_POLICY, X_LIMIT, X_REMAINING, X_RESET},
    legacy_values,
};
use crate::{RateLimiter, store::Verdict};

/// Which policy of which limiter refused, in the extensions of the response.
///
/// Without it an outer limiter would describe only its own policies, and tell a client that it has
/// cells left beside a `Retry-After` of the inner one.
#[derive(Clone)]
pub(crate) struct Bound {
    limiter: RateLimiter,
    policy: u8,
    verdict: Verdict,
}

impl Bound {
    pub(crate) fn new(limiter: &RateLimiter, policy: u8, verdict: Verdict) -> Self {
        Self { limiter: limiter.clone(), policy, verdict }
    }

    pub(crate) fn find<B>(response: &Response<B>) -> Option<Self> {
        response.extensions().get().cloned()
    }

    /// Adds the policy to the lists, unless its limiter has sent them.
    pub(super) fn insert_ietf(&self, headers: &mut HeaderMap) {
        if headers.contains_key(&RATELIMIT) {
            return;
        }
        let rules = self.limiter.rules();
        let Some(values) = rules.rendered.item(self.policy, &self.verdict) else { return };
        // Every value is printable ASCII.
        if let [Ok(limit), Ok(policy)] = values.map(HeaderValue::try_from) {
            headers.insert(&RATELIMIT, limit);
            headers.insert(&RATELIMIT_POLICY, policy);
        }
    }

    /// Inserts the single values, unless an inner limiter has sent them.
    pub(super) fn insert_legacy(&self, form: LegacyReset, headers: &mut HeaderMap) {
        if headers.contains_key(&X_REMAINING) {
            return;
        }
        let values = legacy_values(&self.verdict, form, || self.limiter.unix());
        for (name, value) in [&X_LIMIT, &X_REMAINING, &X_RESET].into_iter().zip(values) {
            headers.insert(name, value.into());
        }
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound").field("policy", &self.policy).finish_non_exhaustive()
    }
}
