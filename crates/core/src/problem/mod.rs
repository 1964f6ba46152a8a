//! The error model: Problem Details for HTTP APIs (RFC 9457).

mod challenge;
mod status;

use std::{borrow::Cow, error::Error, fmt, time::Duration};

use http::StatusCode;
use serde_json::{Map, Value};

pub use self::challenge::Challenge;
use crate::{GrpcCode, Outcome};

/// The description of a refusal that the client receives.
///
/// [`Refusals`](crate::Refusals) renders it as `application/problem+json` with the members `type`,
/// `title`, `status` and `code`, and, where present, `detail`, `request_id` and extensions.
/// `docs/problems.md` lists every code that hardpoint uses.
///
/// A problem is a [`Rejection`](crate::Rejection), so a layer or a handler can refuse with it
/// directly. Clients read it: never put the text of an internal error into
/// [`detail`](Self::detail).
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    iana_type: Option<&'static str>,
    detail: Option<Cow<'static, str>>,
    retry_after: Option<Duration>,
    grpc_code: Option<GrpcCode>,
    outcome: Option<Outcome>,
    challenge: Option<Box<Challenge>>,
    /// Boxed, as most problems have none and a problem is often the `Err` of a `Result`.
    members: Option<Box<Map<String, Value>>>,
}

impl Problem {
    /// Creates a problem of this kind.
    ///
    /// Programs compare `code` (`rate_limited`), people read `title`. Neither changes from one
    /// occurrence to the next. A `status` outside 400 to 599 becomes 500, because a refusal must
    /// never look like a success.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        let refusal = status.is_client_error() || status.is_server_error();
        Self {
            status: if refusal { status } else { StatusCode::INTERNAL_SERVER_ERROR },
            code,
            title,
            iana_type: None,
            detail: None,
            retry_after: None,
            grpc_code: None,
            outcome: None,
            challenge: None,
            members: None,
        }
    }

    /// Creates the general problem of a status, such as `not_found` for 404.
    ///
    /// ```
    /// use hardpoint_core::Problem;
    /// use http::StatusCode;
    ///
    /// let problem = Problem::from_status(StatusCode::NOT_FOUND).detail("Note 7 does not exist.");
    /// assert_eq!(problem.code(), "not_found");
    /// ```
    #[must_use]
    pub fn from_status(status: StatusCode) -> Self {
        let (code, title) = status::code_and_title(status.as_u16());
        Self::new(status, code, title)
    }

    /// Uses a type that is registered with IANA instead of `urn:hardpoint:problem:<code>`.
    #[must_use]
    pub fn iana_type(mut self, uri: &'static str) -> Self {
        self.iana_type = Some(uri);
        self
    }

    /// Explains this occurrence to the client. Default: none.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Sets the delay after which the client may retry. Sent as `Retry-After` in whole seconds,
    /// rounded up and at least 1.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Sets the code that a gRPC client receives. Default: [`GrpcCode::from_status`].
    #[must_use]
    pub fn grpc_code(mut self, code: GrpcCode) -> Self {
        self.grpc_code = Some(code);
        self
    }

    /// Sets how the refused request ended, for records and metrics. Default: [`Outcome::Rejected`]
    /// for a status below 500 and for 501, otherwise [`Outcome::Failed`].
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// Sets the facts from which an authentication layer writes `WWW-Authenticate`. Default: none.
    #[must_use]
    pub fn challenge(mut self, challenge: Challenge) -> Self {
        self.challenge = Some(Box::new(challenge));
        self
    }

    /// Adds an extension member. It cannot set a standard member.
    #[must_use]
    pub fn add_member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.get_or_insert_default().insert(name.to_owned(), value.into());
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The code, which programs compare.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The title, which people read.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// The explanation of this occurrence.
    #[must_use]
    pub fn detail_text(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// The delay after which the client may retry, not rounded.
    #[must_use]
    pub fn retry_delay(&self) -> Option<Duration> {
        self.retry_after
    }

    /// `Retry-After` in seconds, rounded up so that a client that waits this long is not early.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        let after = self.retry_after?;
        Some(after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).max(1))
    }

    /// The extension members, in alphabetical order.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.members.iter().flat_map(|members| members.iter()).map(|(name, value)| (&**name, value))
    }

    pub(crate) fn grpc_code_or_default(&self) -> GrpcCode {
        self.grpc_code.unwrap_or_else(|| GrpcCode::from_status(self.status))
    }

    pub(crate) fn outcome_or_default(&self) -> Outcome {
        let rejected = self.status.is_client_error() || self.status == StatusCode::NOT_IMPLEMENTED;
        let default = if rejected { Outcome::Rejected } else { Outcome::Failed };
        self.outcome.unwrap_or(default)
    }

    pub(crate) fn take_challenge(&mut self) -> Option<Challenge> {
        self.challenge.take().map(|challenge| *challenge)
    }

    /// Renders the body as JSON.
    #[must_use]
    pub fn to_json(&self, request_id: Option<&str>) -> Vec<u8> {
        let mut body = self.members.as_deref().cloned().unwrap_or_default();
        for standard in ["detail", "instance", "request_id"] {
            body.remove(standard);
        }
        let kind = match self.iana_type {
            Some(uri) => uri.to_owned(),
            None => format!("urn:hardpoint:problem:{}", self.code),
        };
        body.insert("type".to_owned(), kind.into());
        body.insert("title".to_owned(), self.title.into());
        body.insert("status".to_owned(), self.status.as_u16().into());
        body.insert("code".to_owned(), self.code.into());
        if let Some(detail) = &self.detail {
            body.insert("detail".to_owned(), detail.as_ref().into());
        }
        if let Some(id) = request_id {
            body.insert("request_id".to_owned(), id.into());
        }
        Value::Object(body).to_string().into_bytes()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with {} `{}`", self.status.as_u16(), self.code)
    }
}

impl Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_the_members_of_the_standard_and_ours() {
        let problem =
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests")
                .add_member("violated-policies", vec!["client"])
                .add_member("status", "replaced?")
                .add_member("detail", "replaced?")
                .add_member("request_id", "replaced?");
        let body: Value = serde_json::from_slice(&problem.to_json(Some("r-1"))).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "type": "urn:hardpoint:problem:rate_limited",
                "title": "Too many requests",
                "status": 429,
                "code": "rate_limited",
                "request_id": "r-1",
                "violated-policies": ["client"],
            })
        );
    }

    #[test]
    fn retry_after_is_rounded_up_and_at_least_one() {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "x", "X");
        assert_eq!(problem.retry_after_seconds(), None);
        for (after, seconds) in [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2), (59_001, 60)] {
            let problem = problem.clone().retry_after(Duration::from_millis(after));
            assert_eq!(problem.retry_after_seconds(), Some(seconds), "{after} ms");
        }
    }

    #[test]
    fn what_does_not_exist_yet_did_not_fail() {
        for (status, outcome) in [
            (StatusCode::NOT_FOUND, Outcome::Rejected),
            (StatusCode::NOT_IMPLEMENTED, Outcome::Rejected),
            (StatusCode::INTERNAL_SERVER_ERROR, Outcome::Failed),
            (StatusCode::SERVICE_UNAVAILABLE, Outcome::Failed),
        ] {
            assert_eq!(Problem::from_status(status).outcome_or_default(), outcome, "{status}");
        }
        let shed = Problem::from_status(StatusCode::SERVICE_UNAVAILABLE).outcome(Outcome::Shed);
        assert_eq!(shed.outcome_or_default(), Outcome::Shed);
    }

    #[test]
    fn a_refusal_never_looks_like_a_success() {
        for status in [StatusCode::OK, StatusCode::NO_CONTENT, StatusCode::FOUND] {
            assert_eq!(Problem::new(status, "x", "X").status(), StatusCode::INTERNAL_SERVER_ERROR);
        }
    }
}
