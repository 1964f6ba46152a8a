//! A key that is to be made, and one that was.

use std::{sync::Arc, time::Duration};

use hardpoint_core::Secret;

use super::{ApiKeyId, ApiKeyOwner};
use crate::Scopes;

/// A key that is to be made.
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
    /// A key of this owner that is granted no scope and lives 90 days.
    pub fn new(owner: ApiKeyOwner<'a>) -> Self {
        const DAYS_90: Duration = Duration::from_secs(90 * 24 * 60 * 60);

        Self { owner, name: "API key", scope: "".into(), lifetime: Some(DAYS_90) }
    }

    /// What its owner calls it: 1 to 100 bytes. Default: `API key`.
    pub const fn name(mut self, name: &'a str) -> Self {
        self.name = name;
        self
    }

    /// Grants these scopes. Default: none. Grant no scope that the owner does not have.
    pub fn scopes(mut self, scopes: &Scopes) -> Self {
        self.scope = scopes.as_str().into();
        self
    }

    /// How long it lives. Default: 90 days, so that a forgotten key ends by itself.
    pub const fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Lets it live until it is ended. A copy of it that its owner forgot works for ever.
    pub const fn dangerous_never_expires(mut self) -> Self {
        self.lifetime = None;
        self
    }
}

/// A key that was made. `Debug` hides it.
#[derive(Debug)]
pub struct IssuedApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Its text. Show it to the owner once, and keep it nowhere.
    pub text: Secret<str>,
}
