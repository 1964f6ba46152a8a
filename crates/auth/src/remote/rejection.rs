//! The refusal of a request whose token can be neither believed nor refused.

use std::{error::Error, fmt, time::Duration};

use hardpoint_core::{GrpcCode, Problem, Rejection};
use http::StatusCode;

/// When to try again: a failed fetch is repeated within seconds at first.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The issuer's keys are not there, so nobody knows whether the token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeysUnavailable {
    _private: (),
}

impl KeysUnavailable {
    pub(super) const fn new() -> Self {
        Self { _private: () }
    }
}

impl fmt::Display for KeysUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the issuer's keys are not there")
    }
}

impl Error for KeysUnavailable {}

impl Rejection for KeysUnavailable {
    fn problem(&self) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "keys_unavailable", "Service unavailable")
            .retry_after(RETRY_AFTER)
    }

    fn grpc_code(&self) -> GrpcCode {
        GrpcCode::Unavailable
    }
}
