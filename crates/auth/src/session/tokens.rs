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
        let (session, tokens) = (&self.session, &self.issuer.inner.tokens);
        let scopes = grant.within(&session.scope);
        // The clock of the store may be ahead of this process, and verifiers refuse a log-in in the future.
        let logged_in = session.created.as_secs().min(tokens.now().as_secs());
        let token =
            tokens.token(&session.subject).scopes(&scopes).claim("sid", session.id.to_string());
        let token = token.claim("epoch", self.epoch).claim("auth_time", logged_in);
        let claims = grant.claims.iter();
        let token = claims.fold(token, |token, (name, value)| token.claim(name, value.clone()));
        let access = token.sign().map_err(SessionError::Issue)?;
        Ok(SessionTokens { access, scope: scopes.join(" "), rotated: self })
    }
}

/// The tokens of a session, to be sent to its client. `Debug` hides them.
pub struct SessionTokens {
    rotated: Rotated,
    access: IssuedToken,
    scope: String,
}

debug_only!(SessionTokens { rotated });

impl SessionTokens {
    /// The access token.
    #[must_use]
    pub fn access_token(&self) -> &str {
        self.access.expose()
    }

    /// The refresh token.
    #[must_use]
    pub fn refresh_token(&self) -> &str {
        self.rotated.refresh_token()
    }

    /// The scopes of the access token, separated by spaces.
    #[must_use]
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// How long the access token lives.
    #[must_use]
    pub fn expires_in(&self) -> Duration {
        self.rotated.issuer.inner.tokens.lifetime()
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &Session {
        self.rotated.session()
    }

    /// The access token as it was issued, with its id and its expiry.
    #[must_use]
    pub fn issued(&self) -> &IssuedToken {
        &self.access
    }
}
