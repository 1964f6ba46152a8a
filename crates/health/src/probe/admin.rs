//! Probes on the admin listener.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{Head, Problem, Refusals, ResponseBody};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use serde_json::{Value, json};
use tower_service::Service;

use super::{
    answer::{Answer, respond},
    draft,
    layer::{is_read, method_not_allowed},
};
use crate::{
    Lifecycle,
    board::Board,
    check::{Tracked, state::Status},
    heartbeat::Pulse,
};

/// A service for the admin listener that answers all probes and the full report. See the
/// [module docs](super).
#[derive(Clone, Debug)]
pub struct Probes {
    lifecycle: Lifecycle,
}

impl Probes {
    /// Creates a service that answers for `lifecycle`.
    #[must_use]
    pub fn new(lifecycle: &Lifecycle) -> Self {
        Self { lifecycle: lifecycle.clone() }
    }

    pub(crate) fn answer<B>(&self, request: &Request<B>) -> Response<ResponseBody<NoBody>> {
        let board = self.lifecycle.board();
        let refusals = Refusals::new();
        let method = request.method();
        let read = is_read(method);
        match request.uri().path() {
            "/livez" if read => Answer::liveness(board).response(method),
            "/readyz" if read => Answer::readiness(board).response(method),
            "/startupz" if read => Answer::startup(board).response(method),
            "/health" if read && draft::is_wanted(request.headers()) => {
                let (status, report) = draft::report(board);
                let body = Bytes::from(report.to_string());
                let mut response = respond(method, draft::MEDIA_TYPE, body);
                *response.status_mut() = status;
                response
            }
            "/health" if read => {
                let body = Bytes::from(report(board).to_string());
                respond(method, "application/json", body)
            }
            "/livez" | "/readyz" | "/startupz" | "/health" => {
                method_not_allowed(&refusals, request)
            }
            _ => {
                let not_found = Problem::from_status(StatusCode::NOT_FOUND);
                refusals.refuse(&refusals.facts(Head::new(request)), &not_found)
            }
        }
    }
}

impl<B> Service<Request<B>> for Probes {
    type Response = Response<ResponseBody<NoBody>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(&request)))
    }
}

/// The inner body type of responses that have no inner service. It has no values.
#[derive(Clone, Copy, Debug)]
pub enum NoBody {}

impl Body for NoBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match *self {}
    }
}

fn report(board: &Board) -> Value {
    let phase = board.phase();
    let now = board.seconds();
    let checks: Vec<_> = board.checks().map(|check| line(board, check, now)).collect();
    json!({
        "status": board.verdict().as_str(),
        "started": board.is_started(),
        "draining": phase.is_draining(),
        "in_flight": phase.in_flight(),
        "runtime": runtime(board.pulse()),
        "checks": checks,
    })
}

fn runtime(pulse: Pulse) -> Value {
    let blocked = match pulse {
        Pulse::Beating => Some(0),
        Pulse::Silent(workers) => Some(workers),
        // Nothing is known of single workers.
        Pulse::Stalled => None,
    };
    json!({ "status": pulse.as_str(), "blocked_workers": blocked })
}

/// The report's entry for one check. It never contains the text of an error.
fn line(board: &Board, check: &Tracked, now: u32) -> Value {
    // A single load, so that all fields belong to the same moment.
    let state = check.state();
    let status = if board.skips(check) { "skipped" } else { state.status.as_str() };
    let overdue = check.overdue_since().map(|since| u64::from(now).saturating_sub(since));
    let ran = state.status != Status::Unknown || state.streak > 0;
    json!({
        "name": &*check.name,
        "status": status,
        "code": check.code(state),
        "gates_readiness": check.gates_readiness,
        "since_seconds": now.saturating_sub(state.since),
        "last_duration_ms": ran.then_some(state.took_ms),
        "overdue_seconds": overdue,
    })
}
