//! What an API key is issued with, and the issued key.

use std::{sync::Arc, time::Duration};

use hardpoint_core::Secret;

use super::{ApiKeyId, ApiKeyOwner};
use crate::Scopes;

/// A key to issue.
#[derive(Clone)]
#[must_use]
pub struct NewApiKey<'a> {
    pub(super) owner: ApiKeyOwner<'a>,
    pub(super) name: &'a str,
    pub(super) scope: Arc<str>,
    pub(super) lifetime: Option<Duration>,
}

debug_only!(NewApiKey<'_> { lifetime });

impl<'a> NewApiKey<'a> {
    /// A key of this owner without scopes that lives 90 days.
    pub fn new(owner: ApiKeyOwner<'a>) -> Self {
        const DAYS_90: Duration = Duration::from_secs(90 * 24 * 60 * 60);

        Self { owner, name: "API key", scope: "".into(), lifetime: Some(DAYS_90) }
    }

    /// The owner's name for the key: 1 to 100 bytes. Default: `API key`.
    pub const fn name(mut self, name: &'a str) -> Self {
        self.name = name;
        self
    }

    /// Grants these scopes. Default: none. Check first that the owner has them.
    pub fn scopes(mut self, scopes: &Scopes) -> Self {
        self.scope = scopes.as_str().into();
        self
    }

    /// How long the key lives. Default: 90 days, so that a forgotten key expires.
    pub const fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// The key never expires: it works until it is revoked. A forgotten copy of it works forever.
    pub const fn dangerous_never_expires(mut self) -> Self {
        self.lifetime = None;
        self
    }
}

/// A newly issued key. `Debug` hides its text.
#[derive(Debug)]
pub struct IssuedApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Its text. Show it to the owner once, and store it nowhere.
    pub text: Secret<str>,
}
