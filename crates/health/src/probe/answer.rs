//! The responses of the short probes. They are constants: a probe formats nothing, even in an
//! overloaded process.

use bytes::Bytes;
use hardpoint_core::ResponseBody;
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER},
};

use crate::{
    board::{Board, Verdict},
    heartbeat::Pulse,
};

/// The wait before the next attempt: about one probe period of a balancer.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

const OK: Answer = Answer::pass(r#"{"status":"ok"}"#);
const DEGRADED: Answer = Answer::pass(r#"{"status":"degraded"}"#);
const DRAINING: Answer = Answer::fail(
    r#"{"code":"draining","status":503,"title":"The service is shutting down","type":"urn:hardpoint:problem:draining"}"#,
);
const NOT_READY: Answer = Answer::fail(
    r#"{"code":"not_ready","status":503,"title":"The service is not ready","type":"urn:hardpoint:problem:not_ready"}"#,
);
const STALLED: Answer = Answer::fail(
    r#"{"code":"stalled","status":503,"title":"The service does not respond","type":"urn:hardpoint:problem:stalled"}"#,
);
const STARTING: Answer = Answer::fail(
    r#"{"code":"starting","status":503,"title":"The service is starting","type":"urn:hardpoint:problem:starting"}"#,
);

/// The response to a short probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pass: bool,
    body: &'static str,
}

impl Answer {
    const fn pass(body: &'static str) -> Self {
        Self { pass: true, body }
    }

    const fn fail(body: &'static str) -> Self {
        Self { pass: false, body }
    }

    /// Whether the service's runtime responds. Liveness looks at nothing else, so that a failing
    /// dependency cannot get all replicas killed.
    pub(super) fn liveness(board: &Board) -> Self {
        if board.pulse() == Pulse::Stalled { STALLED } else { OK }
    }

    /// Whether the service takes new work.
    pub(super) fn readiness(board: &Board) -> Self {
        match board.verdict() {
            Verdict::Degraded => DEGRADED,
            Verdict::Draining => DRAINING,
            Verdict::NotReady => NOT_READY,
            Verdict::Ok => OK,
            Verdict::Stalled => STALLED,
            Verdict::Starting => STARTING,
        }
    }

    /// Whether the service has started. A started service stays started.
    pub(super) fn startup(board: &Board) -> Self {
        if board.is_started() { OK } else { STARTING }
    }

    pub(super) fn response<B>(self, method: &Method) -> Response<ResponseBody<B>> {
        let body = Bytes::from_static(self.body.as_bytes());
        let mut response = if self.pass {
            respond(method, "application/json", body)
        } else {
            respond(method, "application/problem+json", body)
        };
        if !self.pass {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response
    }
}

/// A response with `body`. For HEAD, only the length of the body.
pub(super) fn respond<B>(
    method: &Method,
    content_type: &'static str,
    body: Bytes,
) -> Response<ResponseBody<B>> {
    let length = body.len();
    let mut response = Response::new(if *method == Method::HEAD {
        ResponseBody::empty()
    } else {
        ResponseBody::full(body)
    });
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use hardpoint_core::Problem;
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_constants_are_what_the_error_model_renders() {
        for (answer, code, title) in [
            (DRAINING, "draining", "The service is shutting down"),
            (NOT_READY, "not_ready", "The service is not ready"),
            (STALLED, "stalled", "The service does not respond"),
            (STARTING, "starting", "The service is starting"),
        ] {
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, title).to_json(None);
            let rendered: Value = serde_json::from_slice(&problem).unwrap();
            let constant: Value = serde_json::from_str(answer.body).unwrap();
            assert_eq!(constant, rendered);
            assert!(!answer.pass);
        }
    }
}
