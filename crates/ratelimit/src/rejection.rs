//! Why a limiter refuses a request.

use std::{error::Error, fmt, time::Duration};

use hardpoint_core::{GrpcCode, KeyMissing, Problem, Rejection};
use http::StatusCode;

/// The key has consumed its quota: 429.
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimited {
    violated: Vec<&'static str>,
    retry_after: Option<Duration>,
    problem: Option<Problem>,
}

impl RateLimited {
    pub(crate) fn new(violated: Vec<&'static str>, retry_after: Option<Duration>) -> Self {
        Self { violated, retry_after, problem: None }
    }

    /// The same refusal, told in another way.
    pub(crate) fn with_problem(mut self, problem: impl Fn(&Self) -> Problem) -> Self {
        self.problem = Some(problem(&self));
        self
    }

    /// The policies that refused.
    #[must_use]
    pub fn violated_policies(&self) -> &[&'static str] {
        &self.violated
    }

    /// When the request would be let in. `None` if it costs more than the policy's whole burst.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "quota of {} consumed", self.violated.join(", "))
    }
}

impl Error for RateLimited {}

impl Rejection for RateLimited {
    fn problem(&self) -> Problem {
        if let Some(problem) = &self.problem {
            return problem.clone();
        }
        let problem =
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests")
                .iana_type("https://iana.org/assignments/http-problem-types#quota-exceeded")
                .add_member("violated-policies", self.violated.clone());
        match self.retry_after {
            Some(after) => problem.retry_after(after),
            None => problem.detail("The request costs more than the quota ever allows at once."),
        }
    }

    fn grpc_code(&self) -> GrpcCode {
        GrpcCode::ResourceExhausted
    }
}

/// The request lacks what the policy counts it by, and the policy says to refuse it: 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAbsent {
    policy: &'static str,
    missing: KeyMissing,
}

impl KeyAbsent {
    pub(crate) const fn new(policy: &'static str, missing: KeyMissing) -> Self {
        Self { policy, missing }
    }

    /// The policy that asked for it.
    #[must_use]
    pub const fn policy(&self) -> &'static str {
        self.policy
    }
}

impl fmt::Display for KeyAbsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy {} has nothing to count by", self.policy)
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

    fn grpc_code(&self) -> GrpcCode {
        GrpcCode::InvalidArgument
    }
}

/// The store could not decide, and the limiter is told to refuse then: 503.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimiterUnavailable {
    _private: (),
}

impl LimiterUnavailable {
    pub(crate) const fn new() -> Self {
        Self { _private: () }
    }
}

impl fmt::Display for LimiterUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the rate limiter's store did not decide")
    }
}

impl Error for LimiterUnavailable {}

impl Rejection for LimiterUnavailable {
    fn problem(&self) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "limiter_unavailable", "Service unavailable")
            .retry_after(Duration::from_secs(1))
    }

    fn grpc_code(&self) -> GrpcCode {
        GrpcCode::Unavailable
    }
}
