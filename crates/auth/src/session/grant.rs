//! What an access token allows.

use serde_json::Value;

use super::StoreError;

/// What the access tokens of a session allow: scopes and claims. Decided by the application at
/// log-in, and again at each refresh, so that a role that a user lost is gone when the access token
/// expires.
///
/// ```
/// use hardpoint_auth::session::Grant;
///
/// let grant = Grant::new().scopes(["notes:read"]).claim("roles", vec!["editor"]);
/// # let _ = grant;
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Grant {
    pub(super) scopes: Option<Vec<String>>,
    pub(super) claims: Vec<(String, Value)>,
}

debug_only!(Grant {});

impl Grant {
    /// At log-in no scope and no claims; at a refresh the scopes of the session and no claims.
    pub const fn new() -> Self {
        Self { scopes: None, claims: Vec::new() }
    }

    /// Allows these scopes. At a refresh only those count that the session was granted at log-in, so
    /// that a session never gains a scope.
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// Adds a claim to the access token, as
    /// [`NewToken::claim`](crate::NewToken::claim) does. `sid`, `epoch` and `auth_time` are set by
    /// the session.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.push((name.into(), value.into()));
        self
    }

    /// The scopes of the next access token of a session with these scopes.
    pub(super) fn within(&self, session: &str) -> Vec<String> {
        let own = session.split(' ').filter(|name| !name.is_empty());
        let is_granted = |name: &&str| {
            self.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|scope| scope == name))
        };
        own.filter(is_granted).map(str::to_owned).collect()
    }
}

/// The application grants nothing at a refresh.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// The subject may not use the session any more, since its account was closed or locked. The
    /// session ends.
    #[error("the subject may not use the session any more")]
    Denied,
    /// The application could not decide. The refresh token was rotated: the client gets its
    /// successor if it retries within the grace.
    #[error("it is not known what the subject may do")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl GrantError {
    /// It is not known what the subject may do, for this reason.
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }
}

impl From<StoreError> for GrantError {
    fn from(error: StoreError) -> Self {
        Self::unavailable(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_keeps_its_scopes_loses_some_and_gains_none() {
        let session = "notes:read notes:write";
        assert_eq!(Grant::new().within(session), ["notes:read", "notes:write"]);
        assert_eq!(Grant::new().scopes(["notes:write", "admin"]).within(session), ["notes:write"]);
        assert!(Grant::new().scopes([""; 0]).within(session).is_empty());
        assert!(Grant::new().scopes(["admin"]).within("").is_empty());
        assert!(
            Grant::new().scopes(["notes:read notes:write", "notes"]).within(session).is_empty()
        );
    }
}
