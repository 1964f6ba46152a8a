//! What is known about an API key.

use std::{sync::Arc, time::Duration};

use hardpoint_core::{AuthMethod, Identity, Principal, event::ApiKeyErrorKind};
use subtle::ConstantTimeEq;

use super::{ApiKeyId, text::ParsedKey};

/// An API key as a store keeps it, without the secret. It is the [`Principal`] of the key's caller.
///
/// All times are since 1970, by the clock of the store. `Debug` hides all of it but the id.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// Its id: the first 16 characters behind the prefix of its text.
    pub id: ApiKeyId,
    /// The SHA-256 digest of its text. The text has 256 random bits, so it cannot be guessed from the
    /// digest.
    pub digest: [u8; 32],
    /// The issuer that vouches for the subject.
    pub issuer: Option<Arc<str>>,
    /// Who owns the key and acts with it.
    pub subject: Arc<str>,
    /// The owner's name for it.
    pub name: Arc<str>,
    /// The scopes that it was granted, separated by spaces. Empty if none.
    pub scope: Arc<str>,
    /// When it was issued.
    pub created: Duration,
    /// The lifetime that it was issued with; `None` if it never expires.
    pub lifetime: Option<Duration>,
    /// When it expires: after its lifetime, or earlier if it was replaced. `None` if never.
    pub expires: Option<Duration>,
}

debug_only!(ApiKeyRecord { id });

impl ApiKeyRecord {
    /// The key that an identity was made from; `None` if the caller used another method. Costs no
    /// allocation.
    #[must_use]
    pub fn from_identity(identity: &Identity) -> Option<Arc<Self>> {
        identity.downcast()
    }

    /// Its owner.
    pub fn owner(&self) -> ApiKeyOwner<'_> {
        ApiKeyOwner { issuer: self.issuer.as_deref(), subject: &self.subject }
    }

    /// Whether it has expired.
    #[must_use]
    pub fn is_expired(&self, now: Duration) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Makes it expire at this time, unless it expires before.
    pub(super) fn expire(&mut self, at: Duration) {
        self.expires = Some(self.expires.map_or(at, |expires| expires.min(at)));
    }

    /// The caller who presents a key with this id. The time is read only if the key expires.
    pub(super) fn admit(
        self: &Arc<Self>,
        key: &ParsedKey,
        now: impl FnOnce() -> Duration,
    ) -> Result<Identity, ApiKeyErrorKind> {
        if !bool::from(self.digest.ct_eq(&key.digest)) {
            return Err(ApiKeyErrorKind::WrongSecret);
        }
        if self.expires.is_some() && self.is_expired(now()) {
            return Err(ApiKeyErrorKind::Expired);
        }
        Ok(Identity::new(Arc::clone(self)))
    }
}

impl Principal for ApiKeyRecord {
    fn subject(&self) -> &str {
        &self.subject
    }

    fn method(&self) -> AuthMethod {
        AuthMethod::ApiKey
    }

    fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    fn scope(&self) -> &str {
        &self.scope
    }
}

/// The owner of API keys: a subject and its issuer. Only both together identify a caller.
///
/// In a handler, make it from the caller's identity, so that a user of one issuer cannot list or
/// revoke the keys of a user of another one with the same name:
///
/// ```
/// use hardpoint_auth::api_key::ApiKeyOwner;
/// use hardpoint_core::Identity;
///
/// let identity = Identity::from_subject("alice");
/// assert_eq!(ApiKeyOwner::from(&identity), ApiKeyOwner::new("alice"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct ApiKeyOwner<'a> {
    pub(super) issuer: Option<&'a str>,
    pub(super) subject: &'a str,
}

debug_only!(ApiKeyOwner<'_> {});

impl<'a> ApiKeyOwner<'a> {
    /// A subject that only this service knows, without an issuer.
    pub const fn new(subject: &'a str) -> Self {
        Self { issuer: None, subject }
    }

    /// The issuer that vouches for the subject, as the `iss` of its tokens names it. Default: none.
    ///
    /// With it, the keys and the tokens of a subject count as one caller, for example for limits.
    pub const fn issuer(self, issuer: &'a str) -> Self {
        Self { issuer: Some(issuer), ..self }
    }

    /// The issuer that vouches for the subject.
    #[must_use]
    pub const fn issuer_name(&self) -> Option<&'a str> {
        self.issuer
    }

    /// The subject.
    #[must_use]
    pub const fn subject(&self) -> &'a str {
        self.subject
    }

    /// Bytes that no other owner has, for stores that find owners by a digest.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let issuer = self.issuer.unwrap_or_default();
        // No issuer differs from an empty one, and a boundary that moves changes the length.
        let length = self.issuer.map_or(0, |issuer| issuer.len() + 1).to_be_bytes();
        [&length[..], issuer.as_bytes(), self.subject.as_bytes()].concat()
    }
}

impl<'a> From<&'a Identity> for ApiKeyOwner<'a> {
    fn from(identity: &'a Identity) -> Self {
        Self { issuer: identity.issuer(), subject: identity.subject() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_owners_have_the_same_bytes() {
        let owner = ApiKeyOwner::new;
        let owners = [
            owner("alice"),
            owner("ice").issuer("al"),
            owner("alice").issuer(""),
            owner("").issuer("alice"),
            owner(""),
            owner("").issuer(""),
        ];
        let bytes: HashSet<_> = owners.iter().map(ApiKeyOwner::to_bytes).collect();
        assert_eq!(bytes.len(), owners.len());
    }
}
