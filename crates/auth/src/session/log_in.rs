//! Opening a session.

use super::{
    Grant, Opening, Rotated, SessionClient, SessionError, SessionId, SessionIssuer, SessionTokens,
    refresh_token::{Proof, RefreshToken},
};
use crate::IssueError;

/// A log-in. Made by [`SessionIssuer::log_in`].
#[must_use = "a session exists once it is opened"]
pub struct LogIn<'a> {
    issuer: &'a SessionIssuer,
    subject: &'a str,
    grant: Grant,
    client: SessionClient,
    method: &'a str,
    replaces: Option<SessionId>,
}

debug_only!(LogIn<'_> { issuer });

impl<'a> LogIn<'a> {
    pub(super) fn new(issuer: &'a SessionIssuer, subject: &'a str) -> Self {
        Self {
            issuer,
            subject,
            grant: Grant::new(),
            client: SessionClient::new(),
            method: "password",
            replaces: None,
        }
    }

    /// The session's grant. Its scopes are the most that the session will ever have. Default: no
    /// scope.
    pub fn grant(mut self, grant: Grant) -> Self {
        self.grant = grant;
        self
    }

    /// The client that logs in. Default: unknown.
    pub fn client(mut self, client: SessionClient) -> Self {
        self.client = client;
        self
    }

    /// How the subject proved who it is, for the list of sessions. Default: `password`.
    pub fn method(mut self, method: &'a str) -> Self {
        self.method = method;
        self
    }

    /// Ends this session of the same subject in the same step. For a step-up: a session whose
    /// privileges grow gets a new id, so that a copy of its earlier tokens gains nothing.
    pub fn replacing(mut self, session: SessionId) -> Self {
        self.replaces = Some(session);
        self
    }

    /// Opens the session.
    ///
    /// # Errors
    /// [`SessionError`] if the grant makes no token, or the store did not answer.
    pub async fn open(self) -> Result<SessionTokens, SessionError> {
        let inner = &*self.issuer.inner;
        let key = inner.keys.current().id();
        let id = SessionId::random().map_err(|_| SessionError::Randomness)?;
        let proof = Proof::random().map_err(|_| SessionError::Randomness)?;
        let scopes = self.grant.scopes.as_deref().unwrap_or_default();
        if scopes.iter().any(|name| name.is_empty() || name.contains(' ')) {
            return Err(SessionError::Issue(IssueError::Scopes));
        }
        let scope = scopes.join(" ");
        let opening = Opening {
            session: id,
            subject: self.subject,
            scope: &scope,
            method: self.method,
            client: &self.client,
            proof: proof.digest(id),
            key_id: key,
            rotation: inner.rotation,
            absolute: inner.absolute,
            max_sessions: inner.max_sessions,
            replaces: self.replaces,
            access: inner.access(),
        };
        let opened = inner.store.open(&opening).await.map_err(|error| inner.failed(error))?;
        let session = opening.session(opened.at);
        let token = RefreshToken { session: id, generation: 1, proof };
        let refresh = token.seal(&inner.keys, key, self.client.bound_to());
        let refresh = refresh.ok_or(SessionError::Randomness)?;
        let rotated =
            Rotated { issuer: self.issuer.clone(), session, refresh, epoch: opened.epoch };
        let minted = rotated.mint(&self.grant);
        if minted.is_err() {
            // Scopes and claims that make no token leave no session behind.
            self.issuer.revoke(self.subject, id).await?;
        }
        minted
    }
}
