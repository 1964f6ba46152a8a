//! Logging in, refreshing and logging out.

use std::{
    num::NonZeroU32,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hardpoint_core::{
    Secret, Telemetry,
    event::{RefreshResult, SessionRefreshed, SessionReused, StoreFailed, StoreKind},
};

use super::{
    Accepted, AfterGrace, Grant, GrantError, Opening, Presentation, Presented, Reuse, Revoke,
    RootSecret, Rotation, Session, SessionClient, SessionError, SessionId, SessionStore,
    StoreError, Transition, Which,
    family::millis,
    refresh_token::{LABEL, Proof, RefreshToken},
    root::{DerivedKey, DerivedKeys},
};
use crate::{ConfigError, IssueError, IssuedToken, TokenIssuer};

/// Opens sessions, refreshes them, and ends them. See the [module docs](super).
///
/// Clones share the sessions.
#[derive(Clone)]
pub struct SessionIssuer {
    inner: Arc<Inner>,
}

struct Inner {
    tokens: TokenIssuer,
    keys: DerivedKeys,
    store: SessionStore,
    rotation: Rotation,
    absolute: Duration,
    max_sessions: NonZeroU32,
    telemetry: OnceLock<Telemetry>,
}

debug_only!(Inner { tokens, store, rotation, absolute, max_sessions });
debug_only!(SessionIssuer { inner });

/// Sets up a [`SessionIssuer`].
///
/// Defaults: a grace of 10 s, an idle time of 7 days, an absolute lifetime of 90 days,
/// [`AfterGrace::Strict`], 100 sessions per subject.
#[derive(Debug)]
#[must_use]
pub struct SessionIssuerBuilder {
    inner: Inner,
}

impl SessionIssuerBuilder {
    /// How long after a rotation the previous refresh token is still answered, with the same
    /// successor. Default: 10 s, the time that a browser's tabs and a retry after a lost response
    /// need. The most is a minute.
    ///
    /// A thief who presents a token within the grace of its owner's refresh gets the same successor
    /// and is not noticed. With 0 each token is answered once, and a client that loses a response
    /// has to log in again.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.inner.rotation.grace = grace;
        self
    }

    /// What the previous refresh token means after the grace. Default: [`AfterGrace::Strict`].
    pub fn after_grace(mut self, after_grace: AfterGrace) -> Self {
        self.inner.rotation.after_grace = after_grace;
        self
    }

    /// How long a session lives without being refreshed. Default: 7 days, so that a weekly user
    /// stays logged in. A stolen device that is not used is logged out after this time. It must not
    /// be shorter than the access tokens' lifetime.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.inner.rotation.idle = idle;
        self
    }

    /// How long a session lives in any case. Default: 90 days. Afterwards the subject proves again
    /// who it is. Access tokens that were minted before the end live on until they expire.
    pub fn absolute(mut self, absolute: Duration) -> Self {
        self.inner.absolute = absolute;
        self
    }

    /// How many sessions a subject may have. Default: 100. A further log-in ends those that were not
    /// used for the longest time. Each takes up to 1 KB in the store.
    pub fn max_sessions(mut self, max_sessions: NonZeroU32) -> Self {
        self.inner.max_sessions = max_sessions;
        self
    }

    /// Reports refreshes and reuse to this observer. Default: to none.
    pub fn telemetry(self, telemetry: &Telemetry) -> Self {
        telemetry.fill(&self.inner.telemetry);
        self
    }

    /// The issuer.
    ///
    /// # Errors
    /// [`ConfigError::Session`] if the grace is longer than a minute, or a lifetime is shorter than
    /// what it contains.
    pub fn build(self) -> Result<SessionIssuer, ConfigError> {
        let Inner { rotation, absolute, tokens, .. } = &self.inner;
        if rotation.grace > Rotation::MAX_GRACE {
            return Err(ConfigError::Session(
                "the grace is longer than a minute, in which a thief would go unnoticed; write at \
                 most 60s",
            ));
        }
        if rotation.idle < tokens.lifetime().max(rotation.grace) {
            return Err(ConfigError::Session(
                "the idle time is shorter than the lifetime of access tokens or than the grace, so \
                 sessions would end while they are used; write a longer one",
            ));
        }
        if *absolute < rotation.idle {
            return Err(ConfigError::Session(
                "the absolute lifetime is shorter than the idle time, which would have no effect; \
                 write a longer one",
            ));
        }
        Ok(SessionIssuer { inner: Arc::new(self.inner) })
    }
}

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
                telemetry: OnceLock::new(),
            },
        }
    }

    /// A log-in of `subject`, who has proved who it is. [`open`](LogIn::open) opens the session.
    pub fn log_in<'a>(&'a self, subject: &'a str) -> LogIn<'a> {
        LogIn {
            issuer: self,
            subject,
            grant: Grant::new(),
            client: SessionClient::new(),
            method: "password",
            replaces: None,
        }
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
                self.inner.report(RefreshResult::Denied);
                self.revoke(subject, *id).await?;
                return Err(SessionError::Denied);
            }
            Err(error) => return Err(error.into()),
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
        let (Some(found), Some(key)) = (found, inner.keys.current()) else {
            inner.report(RefreshResult::Invalid);
            return Err(SessionError::Invalid);
        };
        let presentation = Presentation {
            session: found.session,
            generation: found.generation,
            proof: found.proof.digest(found.session),
            key_id: key.id(),
            client,
            rotation: inner.rotation,
            access: inner.access(),
        };
        let presented = inner.store.present(&presentation).await;
        match presented.map_err(|error| inner.failed(error))? {
            Presented::Accepted(accepted) => self.accept(accepted, &found, client),
            Presented::Reused(reuse) => {
                inner.reused(&reuse);
                Err(SessionError::Reused(reuse))
            }
            Presented::RolledBack => {
                inner.report(RefreshResult::RolledBack);
                Err(SessionError::RolledBack)
            }
            Presented::Unknown => {
                inner.report(RefreshResult::Unknown);
                Err(SessionError::Unknown)
            }
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
            inner.report(RefreshResult::Invalid);
            return Err(SessionError::Invalid);
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
    fn access(&self) -> Duration {
        self.tokens.lifetime().saturating_add(MARGIN)
    }

    fn report(&self, result: RefreshResult) {
        if let Some(telemetry) = self.telemetry.get() {
            telemetry.on(&SessionRefreshed::new(result).into());
        }
        if !matches!(
            result,
            RefreshResult::Rotated | RefreshResult::Replayed | RefreshResult::Forgiven
        ) {
            let reason = result.as_str();
            tracing::debug!(target: "hardpoint::auth::session", reason, "refresh refused");
        }
    }

    fn reused(&self, reuse: &Reuse) {
        self.report(RefreshResult::Reused);
        let event = SessionReused::new(
            reuse.current.saturating_sub(reuse.presented),
            reuse.since_rotation,
            reuse.session.client.is_near(&reuse.presenter),
            reuse.session.client.is_alike(&reuse.presenter),
        );
        if let Some(telemetry) = self.telemetry.get() {
            telemetry.on(&event.into());
        }
        tracing::warn!(
            target: "hardpoint::auth::session",
            generations_behind = event.generations_behind,
            since_rotation_ms = millis(event.since_rotation),
            same_network = event.same_network,
            same_user_agent = event.same_user_agent,
            "a refresh token was used twice, so the session has ended"
        );
    }

    fn failed(&self, error: StoreError) -> SessionError {
        if let Some(telemetry) = self.telemetry.get() {
            telemetry.on(&StoreFailed::new(StoreKind::Session, error.kind()).into());
        }
        SessionError::Store(error)
    }

    fn mint(
        &self,
        session: &Session,
        epoch: u64,
        grant: &Grant,
    ) -> Result<IssuedToken, IssueError> {
        let scopes = grant.within(&session.scope);
        // The clock of the store may be ahead of ours, and verifiers refuse a log-in in the future.
        let logged_in = session.created.as_secs().min(self.tokens.now().as_secs());
        let id = session.id.to_string();
        let token = self.tokens.token(&session.subject).scopes(&scopes);
        let token = token.claim("sid", id).claim("epoch", epoch).claim("auth_time", logged_in);
        let claims = grant.claims.iter();
        claims.fold(token, |token, (name, value)| token.claim(name, value.clone())).sign()
    }
}

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
    /// What the session may do. Its scopes are the most that the session will ever have. Default: no
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
        let key = inner.keys.current().map(DerivedKey::id).ok_or(SessionError::Randomness)?;
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
        let created = Duration::from_millis(opened.at);
        let session = Session {
            id,
            subject: self.subject.into(),
            scope: scope.as_str().into(),
            method: self.method.into(),
            created,
            last_used: created,
            expires: created.saturating_add(inner.rotation.idle.min(inner.absolute)),
            client: self.client.kept(),
        };
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

/// A refresh token was rotated. Made by [`SessionIssuer::rotate`].
#[derive(Debug)]
#[must_use = "the successor of the refresh token must reach the client"]
pub struct Rotated {
    issuer: SessionIssuer,
    session: Session,
    refresh: Secret<str>,
    epoch: u64,
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

/// What a verifier may add to the lifetime of a token as leeway.
const MARGIN: Duration = Duration::from_secs(5 * 60);
