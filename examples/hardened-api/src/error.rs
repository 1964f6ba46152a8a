//! The error type of the handlers.

use axum::response::{IntoResponse, Response};
use hardpoint::{
    auth::{PasswordError, axum::Refusal},
    core::Problem,
    edge::axum::{ProblemResponse, RejectionResponse},
};

/// A problem, or a rejection of the layers' kinds. Both are sent with the request's id.
#[derive(Debug)]
pub(crate) enum ApiError {
    Problem(Problem),
    Refusal(Refusal),
    Rejection(RejectionResponse),
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        Self::Rejection(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => ProblemResponse(problem).into_response(),
            Self::Refusal(refusal) => refusal.into_response(),
            Self::Rejection(rejection) => rejection.into_response(),
        }
    }
}
