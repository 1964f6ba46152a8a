//! Revoked tokens, the copy of a store, and what is done while it is stale.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use hardpoint_auth::{
    Revocation, RevocationState, Revocations, Revoked, VerifiedToken,
    session::{
        BoxFuture, FamilyStore, Opened, Opening, Presentation, Presented, Revoke, SessionId,
        StoreError,
    },
};
use hardpoint_core::{Clock, Time, event::StoreErrorKind};
use hardpoint_testkit::contract::allocations_in;

use super::*;

#[tokio::test]
async fn one_token_is_revoked_by_its_id_cached_or_not() {
    let service = Service::new();
    let (revoked, other) = (service.log_in("alice").await, service.log_in("alice").await);
    assert_eq!(service.accepts(&revoked), Ok(()));
    assert_eq!(service.accepts(&revoked), Ok(()));
    let issued = revoked.issued();
    service.sessions.revoke_token(issued.token_id(), issued.expiry()).await.unwrap();
    assert_eq!(service.accepts(&revoked), Err(VerifyErrorKind::Revoked));
    assert_eq!(service.accepts(&other), Ok(()));
    assert!(service.refresh(revoked.refresh_token()).await.is_ok(), "the session lives on");
}

#[tokio::test]
async fn an_entry_leaves_when_its_tokens_have_expired() {
    let service = Service::new();
    let tokens = service.log_in("alice").await;
    service.sessions.revoke("alice", tokens.session().id).await.unwrap();
    let revocations = service.store.revocations();
    assert_eq!(revocations.len(), 1);
    service.clock.advance(Duration::from_secs(25 * 60));
    let other = service.log_in("bob").await;
    service.sessions.revoke("bob", other.session().id).await.unwrap();
    assert_eq!(revocations.len(), 1, "only the newer one");
    assert!(!revocations.is_empty());
}

#[tokio::test]
async fn a_token_that_no_session_minted_is_revoked_with_all_sessions_of_its_subject() {
    let service = Service::new();
    let (tokens, _) = tokens(&service.key, &service.store, &service.clock);
    let plain = tokens.token("alice").sign().unwrap();
    let foreign = tokens.token("bob").sign().unwrap();
    assert!(service.verifier.verify(plain.expose()).is_ok());
    service.sessions.revoke_all("alice").await.unwrap();
    let revoked = service.verifier.verify(plain.expose()).unwrap_err();
    assert_eq!(revoked.kind(), VerifyErrorKind::Revoked);
    assert!(service.verifier.verify(foreign.expose()).is_ok());
}

#[tokio::test]
async fn another_issuers_subject_of_the_same_name_is_not_revoked() {
    let service = Service::new();
    let other_key = SigningKey::generate().unwrap();
    let keys = KeySet::new([other_key.verifying_key()]).unwrap();
    let theirs = TokenIssuer::builder(other_key).issuer("https://other.example").audience(AUDIENCE);
    let token = theirs.time(&service.clock).build().unwrap().token("alice").sign().unwrap();
    let verifier = TokenVerifier::builder()
        .issuer("https://other.example", keys)
        .issuer(ISSUER, KeySet::new([service.key.verifying_key()]).unwrap())
        .audience(AUDIENCE)
        .time(&service.clock)
        .revocation(service.store.revocations())
        .build()
        .unwrap();
    let ours = service.log_in("alice").await;
    service.sessions.revoke_all("alice").await.unwrap();
    assert!(verifier.verify(token.expose()).is_ok());
    assert!(verifier.verify(ours.access_token()).is_err());
}

/// A restart loses the sessions, so the verifier refuses their access tokens. No revocation, before
/// or after, makes them valid again.
#[tokio::test]
async fn after_an_empty_restart_no_earlier_token_lives() {
    let before = Service::new();
    let (ended, live) = (before.log_in("alice").await, before.log_in("alice").await);
    before.sessions.revoke("alice", ended.session().id).await.unwrap();
    before.sessions.revoke_all("bob").await.unwrap();
    let bobs = before.log_in("bob").await;
    assert_eq!(before.accepts(&live), Ok(()));
    before.clock.advance(SECOND);
    let restart = || {
        let store = InMemory::new().time(&before.clock).into();
        let (tokens, verifier) = tokens(&before.key, &store, &before.clock);
        (SessionIssuer::builder(tokens, &root(1), store).build().unwrap(), verifier)
    };
    let (sessions, verifier) = restart();
    let kind =
        |tokens: &SessionTokens| verifier.verify(tokens.access_token()).map_err(|e| e.kind());
    for tokens in [&ended, &live, &bobs] {
        assert_eq!(kind(tokens).err(), Some(VerifyErrorKind::Revoked));
        let refused = sessions.refresh(tokens.refresh_token(), &SessionClient::new(), same).await;
        assert!(matches!(refused, Err(SessionError::Unknown)), "{refused:?}");
    }
    // An epoch that is handed out anew is larger than all before.
    sessions.revoke_all("bob").await.unwrap();
    assert_eq!(kind(&bobs).err(), Some(VerifyErrorKind::Revoked));
    let again = sessions.log_in("bob").open().await.unwrap();
    assert_eq!(kind(&again).err(), None);
}

/// What became of an epoch that a store forgot, by its time or by eviction.
#[tokio::test]
async fn a_forgotten_epoch_is_not_known_and_never_zero() {
    let service = Service::new();
    service.sessions.revoke_all("alice").await.unwrap();
    let tokens = service.log_in("alice").await;
    assert_eq!(service.accepts(&tokens), Ok(()));
    let clock = service.clock.clone();
    let forgetful = Revocations::remote(&clock, 5 * SECOND);
    forgetful.synced(clock.now());
    forgetful.began(1);
    let verified = service.verifier.verify(tokens.access_token()).unwrap();
    assert!(matches!(forgetful.state(&verified), RevocationState::Unknown));
    let epoch = verified.epoch().unwrap();
    let until = clock.unix().as_secs() + 900;
    forgetful.record(&Revoked::Subject { subject: "alice", epoch, until });
    assert!(matches!(forgetful.state(&verified), RevocationState::Live));
    forgetful.record(&Revoked::Subject { subject: "alice", epoch: epoch - 1, until });
    assert!(matches!(forgetful.state(&verified), RevocationState::Live), "never smaller");
    forgetful.record(&Revoked::Subject { subject: "alice", epoch: epoch + 1, until });
    assert!(matches!(forgetful.state(&verified), RevocationState::Revoked));
}

#[tokio::test]
async fn an_epoch_is_kept_as_long_as_a_session_with_it() {
    let service = Service::new();
    service.sessions.revoke_all("alice").await.unwrap();
    let mut tokens = service.log_in("alice").await;
    for _ in 0..14 {
        service.clock.advance(6 * DAY);
        // Others come and go, and sweep.
        let other = service.log_in("bob").await;
        service.sessions.revoke("bob", other.session().id).await.unwrap();
        tokens = service.refresh(tokens.refresh_token()).await.unwrap();
        assert_eq!(service.accepts(&tokens), Ok(()));
    }
    service.clock.advance(20 * DAY);
    let other = service.log_in("bob").await;
    service.sessions.revoke("bob", other.session().id).await.unwrap();
    assert_eq!(service.store.revocations().len(), 1, "the epoch is gone with its last session");
    let again = service.log_in("alice").await;
    assert_eq!(service.accepts(&again), Ok(()));
}

#[tokio::test]
async fn a_stale_copy_knows_what_it_knew_and_not_the_rest() {
    let service = Service::new();
    let clock = service.clock.clone();
    let copy = Revocations::remote(&clock, 5 * SECOND);
    let (live, ended) = (service.log_in("alice").await, service.log_in("bob").await);
    let read = |tokens: &SessionTokens| service.verifier.verify(tokens.access_token()).unwrap();
    let (live, ended) = (read(&live), (read(&ended), ended.session().id));
    copy.record(&Revoked::Session { id: ended.1, until: clock.unix().as_secs() + 900 });
    assert!(copy.is_stale());
    assert!(matches!(copy.state(&live), RevocationState::Unknown), "never synchronised");
    copy.began(live.epoch().unwrap());
    copy.synced(clock.now());
    assert!(matches!(copy.state(&live), RevocationState::Live));
    clock.advance(5 * SECOND);
    assert!(matches!(copy.state(&live), RevocationState::Live));
    clock.advance(Duration::from_millis(1));
    assert!(matches!(copy.state(&live), RevocationState::Unknown));
    assert!(matches!(copy.state(&ended.0), RevocationState::Revoked), "known is known");
    copy.synced(clock.now());
    assert!(matches!(copy.state(&live), RevocationState::Live));
}

/// A store that knows one ended session, and may be down.
struct Asked {
    revocations: Revocations,
    ended: Mutex<Option<SessionId>>,
    is_down: AtomicUsize,
    count: AtomicU64,
}

impl FamilyStore for Asked {
    fn open(&self, _: &Opening<'_>) -> BoxFuture<Opened> {
        unreachable!("not asked here")
    }

    fn present(&self, _: &Presentation<'_>) -> BoxFuture<Presented> {
        unreachable!("not asked here")
    }

    fn list(&self, _: &str) -> BoxFuture<Vec<Session>> {
        unreachable!("not asked here")
    }

    fn revoke(&self, _: &Revoke<'_>) -> BoxFuture<u32> {
        unreachable!("not asked here")
    }

    fn revoke_token(&self, _: &str, _: u64) -> BoxFuture<()> {
        unreachable!("not asked here")
    }

    fn ask(&self, token: &VerifiedToken) -> BoxFuture<RevocationState> {
        self.count.fetch_add(1, Ordering::SeqCst);
        let ended = self.ended.lock().unwrap().map(|id| id.to_string());
        let is_down = self.is_down.load(Ordering::SeqCst) == 1;
        let is_ended = ended.as_deref() == token.session_id();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(2)).await;
            if is_down {
                return Err(StoreError::new(StoreErrorKind::Timeout));
            }
            Ok(if is_ended { RevocationState::Revoked } else { RevocationState::Live })
        })
    }

    fn revocations(&self) -> &Revocations {
        &self.revocations
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_copy_is_stale_the_policy_decides() {
    let service = Service::new();
    let clock = service.clock.clone();
    let tokens = service.log_in("alice").await;
    let (text, epoch) = (tokens.access_token(), service.verifier.verify(tokens.access_token()));
    let epoch = epoch.unwrap().epoch().unwrap();
    for policy in [RevocationPolicy::Allow, RevocationPolicy::AskStore, RevocationPolicy::Deny] {
        let store = Arc::new(Asked {
            revocations: Revocations::remote(Time::manual(&clock), 5 * SECOND),
            ended: Mutex::default(),
            is_down: AtomicUsize::new(0),
            count: AtomicU64::new(0),
        });
        store.revocations.began(epoch);
        let remote = SessionStore::remote(Arc::clone(&store) as _);
        let keys = KeySet::new([service.key.verifying_key()]).unwrap();
        let builder = TokenVerifier::builder().issuer(ISSUER, keys).audience(AUDIENCE);
        let builder = builder.time(&clock).cache(TokenCache::new());
        let verifier = builder.revocation(remote.revocations()).unknown_revocation(policy);
        let verifier = verifier.build().unwrap();
        let kind = async || verifier.verify_or_wait(text).await.map(drop).map_err(|e| e.kind());
        let unknown = Err(VerifyErrorKind::RevocationUnknown);
        let now = verifier.verify(text).map(drop).map_err(|error| error.kind());
        match policy {
            RevocationPolicy::Allow => {
                assert_eq!((now, kind().await), (Ok(()), Ok(())));
            }
            RevocationPolicy::Deny => {
                assert_eq!((now, kind().await), (unknown, unknown));
            }
            _ => {
                assert_eq!((now, kind().await), (unknown, Ok(())));
                assert_eq!(kind().await, Ok(()), "again, since the copy is still stale");
                store.is_down.store(1, Ordering::SeqCst);
                assert_eq!(kind().await, unknown, "down");
                store.is_down.store(0, Ordering::SeqCst);
                *store.ended.lock().unwrap() = Some(tokens.session().id);
                assert_eq!(kind().await, Err(VerifyErrorKind::Revoked));
                *store.ended.lock().unwrap() = None;
                store.revocations.synced(clock.now());
                let before = store.count.load(Ordering::SeqCst);
                assert_eq!(kind().await, Ok(()));
                assert_eq!(store.count.load(Ordering::SeqCst), before, "a fresh copy asks nothing");
            }
        }
    }
}

/// The verifier asks on every hit of its cache, so the answer must be cheap.
#[tokio::test]
async fn asking_about_a_cached_token_allocates_nothing() {
    let service = Service::new();
    let live = service.log_in("alice").await;
    service.sessions.revoke_all("bob").await.unwrap();
    for _ in 0..100 {
        let other = service.log_in("carol").await;
        let session = other.session().id;
        assert!(service.sessions.revoke("carol", session).await.unwrap());
        let issued = other.issued();
        service.sessions.revoke_token(issued.token_id(), issued.expiry()).await.unwrap();
    }
    assert_eq!(service.store.revocations().len(), 201);
    assert_eq!(service.accepts(&live), Ok(()));
    let allocated = allocations_in(|| {
        assert!(std::hint::black_box(service.verifier.verify(live.access_token())).is_ok());
    });
    assert_eq!(allocated, 0);
}
