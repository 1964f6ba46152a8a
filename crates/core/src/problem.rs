//! The one error model: Problem Details for HTTP APIs, RFC 9457.

use std::{borrow::Cow, time::Duration};

use http::StatusCode;
use serde_json::{Map, Value};

/// What a client may read about why its request was refused.
///
/// It is rendered as `application/problem+json` by [`refuse`](crate::refuse), with the members
/// `type`, `title`, `status`, `code`, and where there are any `detail`, `request_id` and
/// extensions. Every code that hardpoint uses is listed in `docs/problems.md`.
///
/// A problem is for the client: what operators need goes to the log. Never put the text of an
/// internal error into [`detail`](Self::detail).
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    iana_type: Option<&'static str>,
    detail: Option<Cow<'static, str>>,
    retry_after: Option<Duration>,
    members: Map<String, Value>,
}

impl Problem {
    /// A problem of this kind.
    ///
    /// `code` is what programs compare (`rate_limited`), `title` what people read; neither changes
    /// from one occurrence to the next. A `status` that is no error (not 400 to 599) becomes 500: a
    /// refusal must never look like a success.
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
            members: Map::new(),
        }
    }

    /// Uses a type that is registered with IANA in place of `urn:hardpoint:problem:<code>`.
    #[must_use]
    pub const fn iana_type(mut self, uri: &'static str) -> Self {
        self.iana_type = Some(uri);
        self
    }

    /// Explains this occurrence to the client. Default: none.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// When to try again; sent as `Retry-After` in whole seconds, rounded up and at least 1.
    #[must_use]
    pub const fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Adds an extension member. The standard members cannot be set by it.
    #[must_use]
    pub fn add_member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// What programs compare.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// What people read.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        self.title
    }

    /// When to try again, exactly.
    #[must_use]
    pub const fn retry_delay(&self) -> Option<Duration> {
        self.retry_after
    }

    /// `Retry-After` in seconds: rounded up, so that whoever waits so long does not come too early.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        let after = self.retry_after?;
        Some(after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).max(1))
    }

    /// The body, as JSON.
    #[must_use]
    pub fn to_json(&self, request_id: Option<&str>) -> Vec<u8> {
        let mut body = self.members.clone();
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
    fn a_refusal_never_looks_like_a_success() {
        for status in [StatusCode::OK, StatusCode::NO_CONTENT, StatusCode::FOUND] {
            assert_eq!(Problem::new(status, "x", "X").status(), StatusCode::INTERNAL_SERVER_ERROR);
        }
    }
}
