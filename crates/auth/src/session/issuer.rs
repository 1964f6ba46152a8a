//! Logging in, refreshing and logging out.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use hardpoint_core::{
    Telemetry,
    event::{RefreshResult, SessionRefreshed, SessionReused, StoreFailed, StoreKind},
};

use super::{
    Accepted, Grant, GrantError, LogIn, Presentation, Presented, Reuse, Revoke, RootSecret,
    Rotated, Rotation, Session, SessionClient, SessionError, SessionId, SessionIssuerBuilder,
    SessionStore, SessionTokens, StoreError, Transition, Which,
    family::millis,
    refresh_token::{LABEL, RefreshToken},
    root::DerivedKeys,
};
use crate::TokenIssuer;

/// Opens sessions, refreshes them, and ends them. See the [module docs](super).
///
/// Clones share the sessions.
#[derive(Clone)]
pub struct SessionIssuer {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) tokens: TokenIssuer,
    pub(super) keys: DerivedKeys,
    pub(super) store: SessionStore,
    pub(super) rotation: Rotation,
    pub(super) absolute: Duration,
    pub(super) max_sessions: NonZeroU32,
    pub(super) telemetry: Telemetry,
}

debug_only!(Inner { tokens, store, rotation, absolute, max_sessions });
debug_only!(SessionIssuer { inner });

impl SessionIssuer {
    /// Opens sessions in `store`. Their access tokens are minted by `tokens`, and their refresh
    /// tokens with a key that is derived from `root`.
    pub fn builder(
        tokens: TokenIssuer,
        root: &RootSecret,
        store: SessionStore,
    ) -> SessionIssuerBuilder {
        let _is_named = store.revocations().for_issuer(tokens.issuer());
        SessionIssuerBuilder {
            inner: Inner {
                tokens,
                keys: root.keys(LABEL),
                store,
                rotation: Rotation::default(),
                absolute: Duration::from_secs(90 * 24 * 60 * 60),
                max_sessions: const { NonZeroU32::new(100).unwrap() },
                telemetry: Telemetry::none(),
            },
        }
    }

    /// A log-in of `subject`, who has proved who it is. [`open`](LogIn::open) opens the session.
    pub fn log_in<'a>(&'a self, subject: &'a str) -> LogIn<'a> {
        LogIn::new(self, subject)
    }

    /// Rotates a refresh token and mints a new access token with what `grant` allows.
    ///
    /// `grant` is called after the rotation, with the session. If it fails with
    /// [`GrantError::Denied`] the session ends. If it fails otherwise, or if the future is dropped,
    /// the client retries with the token that it has and gets the same successor, within the grace.
    ///
    /// # Errors
    /// [`SessionError`], which is a [`Rejection`](hardpoint_core::Rejection).
    pub async fn refresh<F>(
        &self,
        token: &str,
        client: &SessionClient,
        grant: impl FnOnce(Session) -> F,
    ) -> Result<SessionTokens, SessionError>
    where
        F: Future<Output = Result<Grant, GrantError>>,
    {
        let rotated = self.rotate(token, client).await?;
        let granted = match grant(rotated.session.clone()).await {
            Ok(granted) => granted,
            Err(GrantError::Denied) => {
                let Session { id, subject, .. } = &rotated.session;
                let denied = self.inner.refuse(RefreshResult::Denied, SessionError::Denied);
                self.revoke(subject, *id).await?;
                return Err(denied);
            }
            Err(GrantError::Unavailable(source)) => return Err(SessionError::Unavailable(source)),
        };
        rotated.mint(&granted)
    }

    /// Rotates a refresh token, without minting an access token. For services that have none, such
    /// as one that keeps the refresh token in a cookie and calls this at each request; all others
    /// call [`refresh`](Self::refresh).
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    pub async fn rotate(
        &self,
        token: &str,
        client: &SessionClient,
    ) -> Result<Rotated, SessionError> {
        let inner = &*self.inner;
        let found = RefreshToken::open(token, &inner.keys, client.bound_to());
        let Some(found) = found else {
            return Err(inner.refuse(RefreshResult::Invalid, SessionError::Invalid));
        };
        let presentation = Presentation {
            session: found.session,
            generation: found.generation,
            proof: found.proof.digest(found.session),
            key_id: inner.keys.current().id(),
            client,
            rotation: inner.rotation,
            access: inner.access(),
        };
        let presented = inner.store.present(&presentation).await;
        match presented.map_err(|error| inner.failed(error))? {
            Presented::Accepted(accepted) => self.accept(accepted, &found, client),
            Presented::Reused(reuse) => {
                inner.reused(&reuse);
                Err(inner.refuse(RefreshResult::Reused, SessionError::Reused(reuse)))
            }
            Presented::RolledBack => {
                Err(inner.refuse(RefreshResult::RolledBack, SessionError::RolledBack))
            }
            Presented::Unknown => Err(inner.refuse(RefreshResult::Unknown, SessionError::Unknown)),
        }
    }

    /// The sessions of a subject, the newest first.
    ///
    /// # Errors
    /// [`SessionError::Store`] if the store did not answer.
    pub async fn sessions(&self, subject: &str) -> Result<Vec<Session>, SessionError> {
        let listed = self.inner.store.list(subject).await;
        listed.map_err(|error| self.inner.failed(error))
    }

    /// Ends a session of a subject, with its access tokens. Returns `false` if the subject has no
    /// such session.
    ///
    /// # Errors
    /// [`SessionError::Store`] if the store did not answer. The session may have ended or not.
    pub async fn revoke(&self, subject: &str, session: SessionId) -> Result<bool, SessionError> {
        Ok(self.end(subject, Which::One(session)).await? > 0)
    }

    /// Ends all sessions of a subject but this one, with their access tokens. Returns their number.
    ///
    /// # Errors
    /// As [`revoke`](Self::revoke).
    pub async fn revoke_others(
        &self,
        subject: &str,
        session: SessionId,
    ) -> Result<u32, SessionError> {
        self.end(subject, Which::AllBut(session)).await
    }

    /// Ends all sessions of a subject, and revokes every access token that was minted for it until
    /// now. Returns the number of sessions.
    ///
    /// # Errors
    /// As [`revoke`](Self::revoke).
    pub async fn revoke_all(&self, subject: &str) -> Result<u32, SessionError> {
        self.end(subject, Which::All).await
    }

    /// Revokes one access token by its `jti`, until it expires, since 1970.
    ///
    /// # Errors
    /// As [`revoke`](Self::revoke).
    pub async fn revoke_token(&self, id: &str, expiry: Duration) -> Result<(), SessionError> {
        let until = expiry.saturating_add(MARGIN).as_secs();
        let revoked = self.inner.store.revoke_token(id, until).await;
        revoked.map_err(|error| self.inner.failed(error))
    }

    async fn end(&self, subject: &str, which: Which) -> Result<u32, SessionError> {
        let (access, absolute) = (self.inner.access(), self.inner.absolute);
        let revoked = self.inner.store.revoke(&Revoke { subject, which, access, absolute }).await;
        revoked.map_err(|error| self.inner.failed(error))
    }

    fn accept(
        &self,
        accepted: Accepted,
        found: &RefreshToken,
        client: &SessionClient,
    ) -> Result<Rotated, SessionError> {
        let inner = &self.inner;
        let Accepted { transition, session, generation, key_id, epoch } = accepted;
        let next = RefreshToken { generation, ..found.clone() };
        // A retry gets the token that the first answer contained, which may be of another key.
        let Some(refresh) = next.seal(&inner.keys, key_id, client.bound_to()) else {
            return Err(inner.refuse(RefreshResult::Invalid, SessionError::Invalid));
        };
        inner.report(match transition {
            Transition::Replayed => RefreshResult::Replayed,
            Transition::Forgiven => RefreshResult::Forgiven,
            _ => RefreshResult::Rotated,
        });
        Ok(Rotated { issuer: self.clone(), session, refresh, epoch })
    }
}

impl Inner {
    /// How long an access token may be accepted after its session has ended, unless it is revoked.
    pub(super) fn access(&self) -> Duration {
        self.tokens.lifetime().saturating_add(MARGIN)
    }

    fn report(&self, result: RefreshResult) {
        self.telemetry.on(&SessionRefreshed::new(result).into());
    }

    fn refuse(&self, result: RefreshResult, error: SessionError) -> SessionError {
        self.report(result);
        let reason = result.as_str();
        tracing::debug!(target: "hardpoint::auth::session", reason, "refresh refused");
        error
    }

    fn reused(&self, reuse: &Reuse) {
        let event = SessionReused::new(
            reuse.current.saturating_sub(reuse.presented),
            reuse.since_rotation,
            reuse.session.client.is_near(&reuse.presenter),
            reuse.session.client.is_alike(&reuse.presenter),
        );
        self.telemetry.on(&event.into());
        tracing::warn!(
            target: "hardpoint::auth::session",
            generations_behind = event.generations_behind,
            since_rotation_ms = millis(event.since_rotation),
            same_network = event.same_network,
            same_user_agent = event.same_user_agent,
            "a refresh token was used twice, so the session has ended"
        );
    }

    pub(super) fn failed(&self, error: StoreError) -> SessionError {
        self.telemetry.on(&StoreFailed::new(StoreKind::Session, error.kind()).into());
        SessionError::Store(error)
    }
}

/// What a verifier may add to the lifetime of a token as leeway.
const MARGIN: Duration = crate::token::MAX_LEEWAY;
