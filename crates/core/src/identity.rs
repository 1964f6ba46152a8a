//! The authenticated caller.

use std::{any::Any, fmt, sync::Arc, time::Duration};

/// The authenticated caller of a request and its permissions.
///
/// An authentication layer stores it in the
/// [`RequestContext`](crate::RequestContext::set_identity). Limits count by its issuer and subject,
/// the access line contains its subject, and handlers can read all of it. Cloning it does not
/// allocate. `Debug` shows only the method, because the rest is personal data.
///
/// ```
/// use hardpoint_core::{AuthMethod, Identity};
///
/// let identity = Identity::from_subject("alice");
/// assert_eq!(identity.subject(), "alice");
/// assert_eq!(identity.method(), AuthMethod::Other);
/// assert!(!identity.has_scope("notes:write"));
/// ```
#[derive(Clone)]
pub struct Identity(Arc<dyn Principal>);

impl Identity {
    /// Creates the identity that `principal` describes.
    #[must_use]
    pub fn new(principal: Arc<impl Principal>) -> Self {
        Self(principal)
    }

    /// Creates the identity of a caller that another system authenticated. It has a subject, but no
    /// issuer and no scopes.
    #[must_use]
    pub fn from_subject(subject: impl Into<Box<str>>) -> Self {
        Self::new(Arc::new(Named(subject.into())))
    }

    /// The caller's name within its issuer, such as the `sub` of a token or the owner of an API
    /// key.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.0.subject()
    }

    /// The issuer that vouches for the subject. Only issuer and subject together identify a caller.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.0.issuer()
    }

    /// The session that the credentials belong to.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.0.session_id()
    }

    /// The scopes that the caller was granted.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.scope().split(' ').filter(|name| !name.is_empty())
    }

    /// Whether the caller was granted this scope. Names are compared exactly; no scope implies
    /// another.
    #[must_use]
    pub fn has_scope(&self, name: &str) -> bool {
        self.scopes().any(|own| own == name)
    }

    /// Whether the claim of this name equals `role`, or is an array that contains it.
    #[must_use]
    pub fn has_role(&self, claim: &str, role: &str) -> bool {
        self.0.has_role(claim, role)
    }

    /// Whether the credential leaves out this claim, as tokens of Entra do with long lists of groups:
    /// whether the caller has one of its roles is not known.
    #[must_use]
    pub fn omits_roles(&self, claim: &str) -> bool {
        self.0.omits_roles(claim)
    }

    /// When the caller last authenticated (`auth_time`), as the time since 1970. `None` if unknown.
    #[must_use]
    pub fn logged_in(&self) -> Option<Duration> {
        self.0.logged_in()
    }

    /// The kind of credential.
    #[must_use]
    pub fn method(&self) -> AuthMethod {
        self.0.method()
    }

    /// Whether `other` is the same caller: equal issuer and subject.
    #[must_use]
    pub fn is_same_caller(&self, other: &Self) -> bool {
        self.issuer() == other.issuer() && self.subject() == other.subject()
    }

    /// The principal that the identity was made from, if it is a `P`. Does not allocate.
    #[must_use]
    pub fn downcast<P: Principal>(&self) -> Option<Arc<P>> {
        let principal: Arc<dyn Any + Send + Sync> = Arc::clone(&self.0) as _;
        principal.downcast().ok()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("method", &self.method()).finish_non_exhaustive()
    }
}

/// The source of an [`Identity`]: a verified token, an API key, a session.
pub trait Principal: Any + Send + Sync {
    /// The caller's name within its issuer.
    fn subject(&self) -> &str;

    /// The kind of credential.
    fn method(&self) -> AuthMethod;

    /// The issuer that vouches for the subject. Default: unknown.
    fn issuer(&self) -> Option<&str> {
        None
    }

    /// The session that the credentials belong to. Default: none.
    fn session_id(&self) -> Option<&str> {
        None
    }

    /// The granted scopes, separated by spaces (RFC 6749 §3.3). Default: none.
    fn scope(&self) -> &str {
        ""
    }

    /// Whether the claim of this name equals `role`, or is an array that contains it. Default: no.
    fn has_role(&self, _claim: &str, _role: &str) -> bool {
        false
    }

    /// Whether the credential leaves out this claim, so that its roles are not known. Default: no.
    fn omits_roles(&self, _claim: &str) -> bool {
        false
    }

    /// When the caller last authenticated, as the time since 1970. Default: unknown.
    fn logged_in(&self) -> Option<Duration> {
        None
    }
}

/// The kind of credential that a caller presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthMethod {
    /// An API key.
    ApiKey,
    /// A kind of credential that hardpoint does not know.
    Other,
    /// A session cookie.
    Session,
    /// A signed token.
    Token,
}

impl AuthMethod {
    /// The method as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Other => "other",
            Self::Session => "session",
            Self::Token => "token",
        }
    }
}

struct Named(Box<str>);

impl Principal for Named {
    fn subject(&self) -> &str {
        &self.0
    }

    fn method(&self) -> AuthMethod {
        AuthMethod::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Token;

    impl Principal for Token {
        fn subject(&self) -> &str {
            "alice"
        }

        fn method(&self) -> AuthMethod {
            AuthMethod::Token
        }

        fn issuer(&self) -> Option<&str> {
            Some("https://id.example")
        }

        fn scope(&self) -> &str {
            "notes:read notes:write"
        }
    }

    #[test]
    fn a_scope_is_compared_whole() {
        let identity = Identity::new(Arc::new(Token));
        assert!(identity.has_scope("notes:read"));
        for absent in ["notes", "read", "notes:read notes:write", "", " "] {
            assert!(!identity.has_scope(absent), "{absent:?}");
        }
    }

    #[test]
    fn one_issuers_alice_is_not_another_ones() {
        let token = Identity::new(Arc::new(Token));
        assert!(token.is_same_caller(&token.clone()));
        assert!(!token.is_same_caller(&Identity::from_subject("alice")));
    }

    #[test]
    fn the_principal_can_be_had_back_and_only_as_what_it_is() {
        let token = Arc::new(Token);
        let identity = Identity::new(Arc::clone(&token));
        assert!(Arc::ptr_eq(&identity.downcast::<Token>().unwrap(), &token));
        assert!(identity.downcast::<Named>().is_none());
    }

    #[test]
    fn debug_hides_the_caller() {
        let shown = format!("{:?}", Identity::from_subject("alice@example.org"));
        assert!(!shown.contains("alice"), "{shown}");
    }
}
