//! A look at details of the running service: an operator's route on the admin listener.

use std::time::Duration;

use axum::{Json, Router, extract::State, routing::put};
use hardpoint::{core::Problem, observability::LogsHandle};
use http::StatusCode;
use serde::Deserialize;

/// The longest time for which an operator may see more. Nobody has to remember to end it.
const LONGEST: u64 = 60;

/// `PUT /log-filter`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    filter: String,
    /// After so many minutes the configured filter returns.
    #[serde(default = "ten")]
    minutes: u64,
}

const fn ten() -> u64 {
    10
}

pub(crate) fn route(logs: LogsHandle) -> Router {
    Router::new().route("/log-filter", put(change)).with_state(logs)
}

async fn change(
    State(logs): State<LogsHandle>,
    Json(change): Json<Change>,
) -> Result<StatusCode, Problem> {
    let time = Duration::from_mins(change.minutes.min(LONGEST));
    let refused = Problem::from_status(StatusCode::UNPROCESSABLE_ENTITY);
    match logs.set_filter_for(&change.filter, time) {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(refused.detail(error.to_string())),
    }
}
