//! Sessions as their users meet them, and the suite that every store has to pass.

mod behaviour;
pub(crate) mod conformance;
mod leaks;
mod race;
mod revocations;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use hardpoint_auth::{
    InMemory, KeySet, RevocationPolicy, SessionIssuer, SessionStore, SigningKey, TokenCache,
    TokenIssuer, TokenVerifier, VerifyErrorKind,
    session::{
        Grant, GrantError, RootSecret, Session, SessionClient, SessionError, SessionIssuerBuilder,
        SessionTokens,
    },
};
use hardpoint_core::{Event, ManualClock, Secret, Telemetry, event::RefreshResult};

use super::{AUDIENCE, ISSUER};

const GRACE: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn root(byte: u8) -> RootSecret {
    RootSecret::new(Secret::from(&[byte; 32][..])).unwrap()
}

/// A service with sessions in memory, and what it reports.
struct Service {
    clock: ManualClock,
    key: Arc<SigningKey>,
    store: SessionStore,
    sessions: SessionIssuer,
    verifier: TokenVerifier,
    told: Told,
}

/// Everything that was reported.
#[derive(Clone, Default)]
struct Told {
    results: Arc<Mutex<Vec<RefreshResult>>>,
    all: Arc<Mutex<String>>,
}

impl Told {
    fn telemetry(&self) -> Telemetry {
        let told = self.clone();
        Telemetry::new(move |event: &Event<'_>| {
            told.all.lock().unwrap().push_str(&format!("{event:?}\n"));
            if let Event::SessionRefreshed(refreshed) = event {
                told.results.lock().unwrap().push(refreshed.result);
            }
        })
    }

    fn count(&self, text: &str) -> usize {
        self.all.lock().unwrap().matches(text).count()
    }

    fn results(&self) -> Vec<RefreshResult> {
        self.results.lock().unwrap().clone()
    }
}

impl Service {
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(change: impl FnOnce(SessionIssuerBuilder) -> SessionIssuerBuilder) -> Self {
        let clock = ManualClock::default();
        let store = InMemory::new().time(&clock).into();
        Self::on(store, clock, &root(1), change)
    }

    fn on(
        store: SessionStore,
        clock: ManualClock,
        root: &RootSecret,
        change: impl FnOnce(SessionIssuerBuilder) -> SessionIssuerBuilder,
    ) -> Self {
        let key = Arc::new(SigningKey::generate().unwrap());
        let (tokens, verifier) = tokens(&key, &store, &clock);
        let told = Told::default();
        let builder = SessionIssuer::builder(tokens, root, store.clone());
        let sessions = change(builder.telemetry(&told.telemetry())).build().unwrap();
        Self { clock, key, store, sessions, verifier, told }
    }

    /// A second instance on the same store, which may have another root secret.
    fn twin(&self, root: &RootSecret) -> SessionIssuer {
        let (tokens, _) = tokens(&self.key, &self.store, &self.clock);
        SessionIssuer::builder(tokens, root, self.store.clone()).build().unwrap()
    }

    async fn log_in(&self, subject: &str) -> SessionTokens {
        let grant = Grant::new().scopes(["notes:read", "notes:write"]);
        self.sessions.log_in(subject).grant(grant).open().await.unwrap()
    }

    async fn refresh(&self, token: &str) -> Result<SessionTokens, SessionError> {
        self.sessions.refresh(token, &SessionClient::new(), same).await
    }

    fn accepts(&self, token: &SessionTokens) -> Result<(), VerifyErrorKind> {
        self.verifier.verify(token.access_token()).map(drop).map_err(|error| error.kind())
    }
}

fn tokens(
    key: &Arc<SigningKey>,
    store: &SessionStore,
    clock: &ManualClock,
) -> (TokenIssuer, TokenVerifier) {
    let keys = KeySet::new([key.verifying_key()]).unwrap();
    let issuer = TokenIssuer::builder(Arc::clone(key)).issuer(ISSUER).audience(AUDIENCE);
    let verifier = TokenVerifier::builder()
        .issuer(ISSUER, keys)
        .audience(AUDIENCE)
        .cache(TokenCache::new())
        .revocation(store.revocations())
        .unknown_revocation(RevocationPolicy::Deny)
        .time(clock);
    (issuer.time(clock).build().unwrap(), verifier.build().unwrap())
}

/// Grants what the session was granted at log-in.
async fn same(_: Session) -> Result<Grant, GrantError> {
    Ok(Grant::new())
}

#[tokio::test]
async fn memory_is_the_model() {
    conformance::check(500, async || {
        let clock = ManualClock::default();
        (InMemory::new().time(&clock).into(), Some(clock))
    })
    .await;
}
