//! Why a limiter refuses a request.

use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};

use hardpoint_core::{KeyMissing, Problem, Rejection};
use http::StatusCode;

use crate::Denied;

/// Makes the problem of a refusal.
pub(crate) type ProblemOf = dyn Fn(&RateLimited) -> Problem + Send + Sync;

/// A key has consumed its quota: 429.
#[derive(Clone)]
pub struct RateLimited {
    violated: Vec<Cow<'static, str>>,
    retry_after: Option<Duration>,
    problem: Option<Arc<ProblemOf>>,
}

impl RateLimited {
    pub(crate) fn new(
        violated: Vec<Cow<'static, str>>,
        retry_after: Option<Duration>,
        problem: Option<Arc<ProblemOf>>,
    ) -> Self {
        Self { violated, retry_after, problem }
    }

    /// The policies that refused.
    pub fn violated_policies(&self) -> impl Iterator<Item = &str> {
        self.violated.iter().map(AsRef::as_ref)
    }

    /// The time after which the request would be admitted. `None` if it costs more than the burst.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Debug for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimited")
            .field("violated", &self.violated)
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the quota of {} is consumed", self.violated.join(", "))
    }
}

impl Error for RateLimited {}

impl Rejection for RateLimited {
    fn problem(&self) -> Problem {
        match &self.problem {
            Some(problem) => problem(self),
            None => {
                let violated: Vec<_> = self.violated_policies().collect();
                limited(self.retry_after).add_member("violated-policies", violated)
            }
        }
    }
}

/// Without a request no policy is named: the caller knows which one it asked.
impl Rejection for Denied {
    fn problem(&self) -> Problem {
        if self.is_undecided() { unavailable() } else { limited(self.retry_after()) }
    }
}

/// A request lacks the key of a policy that rejects it then: 400.
#[derive(Debug)]
pub(crate) struct KeyAbsent {
    pub(crate) policy: String,
    pub(crate) missing: KeyMissing,
}

impl fmt::Display for KeyAbsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rate limit policy {} found no key", self.policy)
    }
}

impl Error for KeyAbsent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.missing)
    }
}

impl Rejection for KeyAbsent {
    fn problem(&self) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "rate_limit_key_missing", "Rate limit key missing")
            .detail(format!("The request has no {}.", self.missing.what()))
    }
}

/// The store did not decide, and a policy denies then: 503.
#[derive(Debug)]
pub(crate) struct LimiterUnavailable;

impl fmt::Display for LimiterUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the rate limiter's store did not decide")
    }
}

impl Error for LimiterUnavailable {}

impl Rejection for LimiterUnavailable {
    fn problem(&self) -> Problem {
        unavailable()
    }
}

fn limited(retry_after: Option<Duration>) -> Problem {
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests")
        .iana_type("https://iana.org/assignments/http-problem-types#quota-exceeded");
    match retry_after {
        Some(after) => problem.retry_after(after),
        None => problem.detail("The request costs more than the quota ever allows at once."),
    }
}

fn unavailable() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "limiter_unavailable", "Service unavailable")
        .retry_after(Duration::from_secs(1))
}
