//! One instance of a service.

use std::{sync::Arc, time::Duration};

use hardpoint_auth::{
    KeySet, RevocationPolicy, SessionIssuer, SessionStore, SigningKey, TokenCache, TokenIssuer,
    TokenVerifier, VerifyErrorKind,
    session::{
        Grant, RootSecret, SessionClient, SessionError, SessionIssuerBuilder, SessionTokens,
    },
};
use hardpoint_core::Secret;
use sessions_postgres::{PostgresSessions, PostgresSessionsBuilder};
use sqlx::PgPool;

/// A deadline that a loaded machine keeps.
const DEADLINE: Duration = Duration::from_secs(5);

pub(crate) struct Instance {
    pub(crate) sessions: SessionIssuer,
    pub(crate) verifier: TokenVerifier,
    pub(crate) store: SessionStore,
}

impl Instance {
    pub(crate) async fn on(pool: PgPool, key: &Arc<SigningKey>) -> Self {
        let instance = Self::with(builder(pool), key, |sessions| sessions);
        instance.fresh().await;
        instance
    }

    pub(crate) fn with(
        store: PostgresSessionsBuilder,
        key: &Arc<SigningKey>,
        change: impl FnOnce(SessionIssuerBuilder) -> SessionIssuerBuilder,
    ) -> Self {
        let (store, keys) = (store.start().unwrap(), KeySet::new([key.verifying_key()]).unwrap());
        let tokens = TokenIssuer::builder(Arc::clone(key)).issuer("https://id.example");
        let tokens = tokens.audience("api").build().unwrap();
        let root = RootSecret::new(Secret::from(&[1; 32][..])).unwrap();
        let sessions = change(SessionIssuer::builder(tokens, &root, store.clone()));
        let verifier = TokenVerifier::builder().issuer("https://id.example", keys).audience("api");
        let verifier = verifier.cache(TokenCache::new()).revocation(store.revocations());
        let verifier = verifier.unknown_revocation(RevocationPolicy::Deny).build().unwrap();
        Self { sessions: sessions.build().unwrap(), verifier, store }
    }

    pub(crate) async fn fresh(&self) {
        let revocations = self.store.revocations();
        eventually("a fresh copy", || !revocations.is_stale()).await;
    }

    pub(crate) async fn log_in(&self, subject: &str) -> SessionTokens {
        self.sessions.log_in(subject).open().await.unwrap()
    }

    pub(crate) async fn refresh(&self, token: &str) -> Result<SessionTokens, SessionError> {
        let grant = async |_| Ok(Grant::new());
        self.sessions.refresh(token, &SessionClient::new(), grant).await
    }

    pub(crate) fn accepts(&self, tokens: &SessionTokens) -> Result<(), VerifyErrorKind> {
        self.verifier.verify(tokens.access_token()).map(drop).map_err(|error| error.kind())
    }
}

pub(crate) fn builder(pool: PgPool) -> PostgresSessionsBuilder {
    PostgresSessions::builder(pool).deadline(DEADLINE)
}

pub(crate) fn key() -> Arc<SigningKey> {
    Arc::new(SigningKey::generate().unwrap())
}

/// Waits until something is so.
pub(crate) async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    hardpoint_testkit::eventually(what, async || is_so()).await;
}
