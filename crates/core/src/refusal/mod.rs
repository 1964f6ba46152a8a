//! The reasons to refuse a request, and the one place that renders them.

mod grpc;
mod refusals;
mod replacement;

use std::error::Error;

use http::{HeaderMap, StatusCode};

pub use self::{
    grpc::GrpcCode,
    refusals::{Refusal, Refusals, Renderer},
    replacement::Replacement,
};
use crate::{Outcome, Problem};

/// Why a layer or a handler refuses a request: one struct for each reason.
///
/// Operators read `Display` and `source`. The client receives only the [`Problem`].
///
/// ```
/// use hardpoint_core::{Problem, Rejection};
/// use http::StatusCode;
/// use std::{error::Error, fmt};
///
/// #[derive(Debug)]
/// struct OutOfStock;
///
/// impl fmt::Display for OutOfStock {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         f.write_str("the warehouse has no item left")
///     }
/// }
///
/// impl Error for OutOfStock {}
///
/// impl Rejection for OutOfStock {
///     fn problem(&self) -> Problem {
///         Problem::new(StatusCode::CONFLICT, "out_of_stock", "Out of stock")
///     }
/// }
/// ```
pub trait Rejection: Error + Send + Sync + 'static {
    /// Returns the problem that the client receives.
    fn problem(&self) -> Problem;

    /// Adds header fields to the response, such as `Allow`. Default: none.
    fn headers(&self, _headers: &mut HeaderMap) {}
}

impl Rejection for Problem {
    fn problem(&self) -> Problem {
        self.clone()
    }
}

/// The refusal behind a response, stored in its extensions. Outer layers count and record it.
///
/// A gRPC refusal has status 200 on the wire, so a layer that classifies responses must look here
/// first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    status: StatusCode,
    code: &'static str,
    outcome: Outcome,
}

impl Refused {
    /// The refusal's status. It differs from the response's if the refusal was rendered for gRPC or
    /// by a [`Renderer`] with a status of its own.
    #[must_use]
    pub fn status(self) -> StatusCode {
        self.status
    }

    /// The code of the [`Problem`].
    #[must_use]
    pub fn code(self) -> &'static str {
        self.code
    }

    /// How the request ended.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        self.outcome
    }
}
