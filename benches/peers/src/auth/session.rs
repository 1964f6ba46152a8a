//! Sessions: rotating a refresh token, and asking whether a token is revoked.

use std::time::Duration;

use hardpoint::{
    auth::{
        Algorithm, KeySet, Revocation, RevocationState, SessionIssuer, SessionStore, SigningKey,
        TokenCache, TokenIssuer, TokenVerifier, VerifyingKey,
        session::{Grant, GrantError, RootSecret, Session, SessionClient, SessionTokens},
    },
    core::Secret,
};
use hardpoint_bench_harness::{
    exchange::now,
    measure::Contender,
    report::{Contest, Goal},
    tokens::{AUDIENCE, ISSUER},
};
use jsonwebtoken::{EncodingKey, Header, encode};
use moka::sync::Cache;
use serde_json::json;

use super::{Jsonwebtoken, TOKENS, cycle};

/// How many sessions there are, and how many have ended.
const SESSIONS: usize = 10_000;

/// Ours rotates and mints nothing; the peer signs a refresh token, and has no state.
pub(super) fn rotate_beside_signing() -> Contest<'static> {
    let service = Service::new(SigningKey::generate().expect("randomness"));
    let key = EncodingKey::from_secret(&[7; 32]);
    let mut next = service.refresh_tokens();
    let (sessions, client, mut at) = (service.sessions, SessionClient::new(), 0);
    let rotate = move || {
        let token = &mut next[at];
        let rotated = now(sessions.rotate(token, &client)).expect("it is the current token");
        *token = rotated.refresh_token().to_owned();
        at = (at + 1) % SESSIONS;
    };
    Contest::new(Contender::new(rotate), Contender::new(move || sign(&Header::default(), &key)))
        .goal(Goal::Value(2_500.0))
}

/// Ours rotates and mints an access token; the peer signs one.
pub(super) fn refresh_beside_signing() -> Contest<'static> {
    let pem = SigningKey::generate_pem().expect("randomness");
    let service = Service::new(SigningKey::from_pem(pem.expose()).expect("our own key"));
    let key = EncodingKey::from_ed_pem(pem.expose().as_bytes()).expect("a PEM");
    let header = Header::new(jsonwebtoken::Algorithm::EdDSA);
    let mut next = service.refresh_tokens();
    let (sessions, client, mut at) = (service.sessions, SessionClient::new(), 0);
    let refresh = move || {
        let token = &mut next[at];
        let tokens = now(sessions.refresh(token, &client, same)).expect("it is the current token");
        *token = tokens.refresh_token().to_owned();
        at = (at + 1) % SESSIONS;
    };
    Contest::new(Contender::new(refresh), Contender::new(move || sign(&header, &key)))
}

/// Ours judges a token by its id, its session and its epoch while thousands of sessions have ended;
/// the peer looks up the session only.
pub(super) fn revocation_beside_moka() -> Contest<'static> {
    let service = Service::new(SigningKey::generate().expect("randomness"));
    let ended = Cache::new(2 * SESSIONS as u64);
    for tokens in &service.tokens[TOKENS..] {
        let session = tokens.session();
        now(service.sessions.revoke(&session.subject, session.id)).expect("memory answers");
        ended.insert(session.id.to_string(), ());
    }
    ended.run_pending_tasks();
    let verified = service.tokens[..TOKENS]
        .iter()
        .map(|tokens| service.verifier.verify(tokens.access_token()).expect("its session lives"));
    let (verified, revocations) = (verified.collect::<Vec<_>>(), service.store.revocations());
    assert_eq!(revocations.len(), SESSIONS - TOKENS);
    let is_live = |state| matches!(state, RevocationState::Live);
    Contest::new(
        cycle(verified.clone(), move |token| is_live(revocations.state(token))),
        cycle(verified, move |token| {
            token.session_id().is_some_and(|session| !ended.contains_key(session))
        }),
    )
    .goal(Goal::Value(90.0))
}

/// A token that comes again while thousands of sessions have ended, beside the peer that remembers
/// nothing and knows of no revocation.
pub(super) fn again_beside_cold(algorithm: Algorithm, goal: f64) -> Contest<'static> {
    let service = Service::new(SigningKey::generate_for(algorithm).expect("randomness"));
    for tokens in &service.tokens[TOKENS..] {
        let session = tokens.session();
        now(service.sessions.revoke(&session.subject, session.id)).expect("memory answers");
    }
    let texts: Vec<String> =
        service.tokens[..TOKENS].iter().map(|tokens| tokens.access_token().to_owned()).collect();
    let peer = Jsonwebtoken::with_key(&service.key);
    let verifier = service.verifier;
    assert!(texts.iter().all(|token| verifier.verify(token).is_ok() && peer.accepts(token)));
    Contest::new(
        cycle(texts.clone(), move |token| verifier.verify(token).is_ok()),
        cycle(texts, move |token| peer.accepts(token)),
    )
    .goal(Goal::Value(goal))
}

struct Service {
    sessions: SessionIssuer,
    store: SessionStore,
    verifier: TokenVerifier,
    key: VerifyingKey,
    tokens: Vec<SessionTokens>,
}

impl Service {
    /// A service with sessions in memory, one for each of many subjects.
    fn new(key: SigningKey) -> Self {
        let (store, public) = (SessionStore::memory(), key.verifying_key());
        let keys = KeySet::new([public.clone()]).expect("one key");
        let tokens = TokenIssuer::builder(key).issuer(ISSUER).audience(AUDIENCE);
        let tokens = tokens.build().expect("an issuer and an audience");
        let verifier = TokenVerifier::builder().issuer(ISSUER, keys).audience(AUDIENCE);
        let verifier = verifier.cache(TokenCache::new()).revocation(store.revocations());
        let root = RootSecret::new(Secret::from(&[7; 32][..])).expect("32 bytes");
        // Each session is rotated once in a while: without a grace nothing is a retry.
        let sessions = SessionIssuer::builder(tokens, &root, store.clone()).grace(Duration::ZERO);
        let sessions = sessions.build().expect("the defaults");
        let log_in = |number: usize| {
            let (subject, grant) = (number.to_string(), Grant::new().scopes(["notes:read"]));
            now(sessions.log_in(&subject).grant(grant).open()).expect("there is room")
        };
        let tokens = (0..SESSIONS).map(log_in).collect();
        let verifier = verifier.build().expect("an issuer and an audience");
        Self { sessions, store, verifier, key: public, tokens }
    }

    fn refresh_tokens(&self) -> Vec<String> {
        self.tokens.iter().map(|tokens| tokens.refresh_token().to_owned()).collect()
    }
}

async fn same(_: Session) -> Result<Grant, GrantError> {
    Ok(Grant::new())
}

/// The peer signs the claims of an access token.
fn sign(header: &Header, key: &EncodingKey) -> String {
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "4711", "iat": 1_800_000_000, "exp": 1_800_000_900,
        "jti": "jjwrLb4XI4xU9ri7WcmTtg", "sid": "jjwrLb4XI4xU9ri7WcmTtg", "scope": "notes:read",
        "client_id": AUDIENCE, "auth_time": 1_800_000_000,
    });
    encode(header, &claims, key).expect("it signs")
}
