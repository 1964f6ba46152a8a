//! The credentials that a refusal asks for.

use std::{borrow::Cow, time::Duration};

/// The facts behind a `WWW-Authenticate` field: the requirements that the caller's credentials do
/// not meet.
///
/// [`Refusals::refuse`](crate::Refusals::refuse) stores it in the response's extensions. The
/// authentication layer, which knows the realm and the schemes, writes the field on the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    error: &'static str,
    scope: Option<Cow<'static, str>>,
    max_age: Option<Duration>,
}

impl Challenge {
    /// Creates a challenge with this `error` code, such as `insufficient_scope` (RFC 6750 §3.1).
    #[must_use]
    pub fn new(error: &'static str) -> Self {
        Self { error, scope: None, max_age: None }
    }

    /// Sets the required scopes, separated by spaces.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<Cow<'static, str>>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Sets how recent the caller's log-in must be (RFC 9470 §3).
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// The error code.
    #[must_use]
    pub fn error(&self) -> &'static str {
        self.error
    }

    /// The required scopes.
    #[must_use]
    pub fn required_scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// How recent the log-in must be.
    #[must_use]
    pub fn required_max_age(&self) -> Option<Duration> {
        self.max_age
    }
}
