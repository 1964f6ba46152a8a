//! The refusal of a request whose deadline has passed.

use std::{error::Error, fmt};

use hardpoint_core::{GrpcCode, Outcome, Problem, Rejection};
use http::StatusCode;

/// The deadline of a request passed before its response was ready: 504.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadlineExceeded {
    on_arrival: bool,
}

impl DeadlineExceeded {
    pub(super) const fn new(on_arrival: bool) -> Self {
        Self { on_arrival }
    }

    /// Whether the deadline had passed before the handler was called.
    #[must_use]
    pub const fn on_arrival(self) -> bool {
        self.on_arrival
    }
}

impl fmt::Display for DeadlineExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.on_arrival {
            "the deadline passed before the request was handled"
        } else {
            "the deadline passed before the response was ready"
        })
    }
}

impl Error for DeadlineExceeded {}

impl Rejection for DeadlineExceeded {
    fn problem(&self) -> Problem {
        Problem::new(StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded", "Deadline exceeded")
            .grpc_code(GrpcCode::DeadlineExceeded)
            .outcome(Outcome::TimedOut)
    }
}
