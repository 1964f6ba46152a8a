//! The tokens of a session.

use std::time::Duration;

use hardpoint_core::Secret;

use super::{Grant, Session, SessionError, SessionIssuer};
use crate::IssuedToken;

/// A refresh token was rotated. Made by [`SessionIssuer::rotate`].
#[derive(Debug)]
#[must_use = "the successor of the refresh token must reach the client"]
pub struct Rotated {
    pub(super) issuer: SessionIssuer,
    pub(super) session: Session,
    pub(super) refresh: Secret<str>,
    pub(super) epoch: u64,
}

impl Rotated {
    /// The session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The new refresh token, to be sent to the client.
    #[must_use]
    pub fn refresh_token(&self) -> &str {
        self.refresh.expose()
    }

    /// Mints an access token.
    ///
    /// # Errors
    /// [`SessionError::Issue`] if the grant makes no token.
    pub fn mint(self, grant: &Grant) -> Result<SessionTokens, SessionError> {
        let Self { issuer, session, refresh, epoch } = self;
        let access = issuer.inner.mint(&session, epoch, grant).map_err(SessionError::Issue)?;
        let scope = grant.within(&session.scope).join(" ");
        let expires_in = issuer.inner.tokens.lifetime();
        Ok(SessionTokens { access, refresh, scope, session, expires_in })
    }
}

/// The tokens of a session, to be sent to its client. `Debug` hides them.
pub struct SessionTokens {
    access: IssuedToken,
    refresh: Secret<str>,
    scope: String,
    session: Session,
    expires_in: Duration,
}

debug_only!(SessionTokens { expires_in });

impl SessionTokens {
    /// The access token.
    #[must_use]
    pub fn access_token(&self) -> &str {
        self.access.expose()
    }

    /// The refresh token.
    #[must_use]
    pub fn refresh_token(&self) -> &str {
        self.refresh.expose()
    }

    /// The scopes of the access token, separated by spaces.
    #[must_use]
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// How long the access token lives.
    #[must_use]
    pub fn expires_in(&self) -> Duration {
        self.expires_in
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The access token as it was issued, with its id and its expiry.
    #[must_use]
    pub fn issued(&self) -> &IssuedToken {
        &self.access
    }
}
