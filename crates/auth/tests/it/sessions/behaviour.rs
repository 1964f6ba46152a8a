//! Logging in, refreshing, listing and logging out.

use std::num::NonZeroU32;

use hardpoint_auth::session::AfterGrace;
use hardpoint_core::{Rejection, event::RefreshResult};
use http::StatusCode;
use serde_json::json;

use super::*;

#[tokio::test]
async fn a_log_in_makes_a_pair_whose_access_token_names_its_session() {
    let service = Service::new();
    let tokens = service.log_in("alice").await;
    let verified = service.verifier.verify(tokens.access_token()).unwrap();
    let id = tokens.session().id.to_string();
    assert_eq!((verified.subject(), verified.session_id()), ("alice", Some(id.as_str())));
    assert_eq!(verified.scopes().collect::<Vec<_>>(), ["notes:read", "notes:write"]);
    assert!(verified.epoch().is_some());
    assert_eq!(verified.logged_in(), Some(Duration::from_secs(1_800_000_000)));
    assert_eq!(tokens.scope(), "notes:read notes:write");
    assert_eq!(tokens.expires_in(), Duration::from_secs(15 * 60));
    assert!(tokens.refresh_token().starts_with("hrt_"));
}

#[tokio::test]
async fn a_refresh_rotates_and_a_retry_gets_the_same_successor() {
    let service = Service::new();
    let first = service.log_in("alice").await;
    let second = service.refresh(first.refresh_token()).await.unwrap();
    assert_ne!(first.refresh_token(), second.refresh_token());
    service.clock.advance(GRACE - SECOND);
    let again = service.refresh(first.refresh_token()).await.unwrap();
    assert_eq!(second.refresh_token(), again.refresh_token());
    assert_eq!(service.accepts(&again), Ok(()));
    assert_eq!(again.session().id, first.session().id);
    let third = service.refresh(again.refresh_token()).await.unwrap();
    assert_ne!(third.refresh_token(), second.refresh_token());
    use RefreshResult::{Replayed, Rotated};
    assert_eq!(service.told.results(), [Rotated, Replayed, Rotated]);
}

#[tokio::test]
async fn a_used_token_ends_the_session_with_its_access_tokens_and_one_event() {
    let service = Service::new();
    let agent =
        |name| SessionClient::new().user_agent(name).address("203.0.113.9".parse().unwrap());
    let first = service.log_in("alice").await;
    let other = service.log_in("alice").await;
    let owner = agent("owner");
    let second = service.sessions.refresh(first.refresh_token(), &owner, same).await.unwrap();
    assert_eq!(service.accepts(&first), Ok(()));
    service.clock.advance(GRACE);
    let thief = agent("thief");
    let reused = service.sessions.refresh(first.refresh_token(), &thief, same).await;
    let Err(SessionError::Reused(reuse)) = reused else { panic!("{reused:?}") };
    assert_eq!(reuse.session.client.agent(), Some("owner"));
    assert_eq!(reuse.presenter.agent(), Some("thief"));
    assert_eq!((&*reuse.session.subject, reuse.presented, reuse.current), ("alice", 1, 2));
    assert_eq!(reuse.since_rotation, GRACE);
    for tokens in [&first, &second] {
        assert_eq!(service.accepts(tokens), Err(VerifyErrorKind::Revoked));
        let ended = service.refresh(tokens.refresh_token()).await;
        assert!(matches!(ended, Err(SessionError::Unknown)), "{ended:?}");
    }
    assert_eq!(service.accepts(&other), Ok(()), "other sessions live on");
    assert!(service.refresh(other.refresh_token()).await.is_ok());
    assert_eq!(service.told.count("SessionReused("), 1);
    assert_eq!(service.told.count("same_network: Some(true), same_user_agent: Some(false)"), 1);
}

#[tokio::test]
async fn without_a_grace_the_first_retry_ends_the_session() {
    let service = Service::with(|builder| builder.grace(Duration::ZERO));
    let first = service.log_in("alice").await;
    service.refresh(first.refresh_token()).await.unwrap();
    let retry = service.refresh(first.refresh_token()).await;
    assert!(matches!(retry, Err(SessionError::Reused(_))), "{retry:?}");
}

#[tokio::test]
async fn a_late_retry_is_forgiven_where_that_is_chosen() {
    let per_day = NonZeroU32::MIN;
    let service = Service::with(|builder| builder.after_grace(AfterGrace::BranchKill { per_day }));
    let first = service.log_in("alice").await;
    let lost = service.refresh(first.refresh_token()).await.unwrap();
    service.clock.advance(GRACE);
    let forgiven = service.refresh(first.refresh_token()).await.unwrap();
    assert_ne!(lost.refresh_token(), forgiven.refresh_token());
    let orphan = service.refresh(lost.refresh_token()).await;
    assert!(matches!(orphan, Err(SessionError::Reused(_))), "{orphan:?}");
    assert_eq!(service.accepts(&forgiven), Err(VerifyErrorKind::Revoked));
}

#[tokio::test]
async fn scopes_and_claims_are_decided_anew_and_scopes_never_grow() {
    let service = Service::new();
    let first = service.log_in("alice").await;
    let client = SessionClient::new();
    let narrow = async |session: Session| {
        assert_eq!((&*session.subject, &*session.scope), ("alice", "notes:read notes:write"));
        Ok(Grant::new().scopes(["notes:read", "admin"]).claim("roles", json!(["editor"])))
    };
    let second = service.sessions.refresh(first.refresh_token(), &client, narrow).await.unwrap();
    assert_eq!(second.scope(), "notes:read");
    let verified = service.verifier.verify(second.access_token()).unwrap();
    assert_eq!(verified.scopes().collect::<Vec<_>>(), ["notes:read"]);
    assert!(verified.claims().has("roles", "editor"));
    let third = service.refresh(second.refresh_token()).await.unwrap();
    assert_eq!(third.scope(), "notes:read notes:write", "what log-in granted, and no more");
    assert!(
        !service.verifier.verify(third.access_token()).unwrap().claims().has("roles", "editor")
    );
}

#[tokio::test]
async fn a_subject_that_is_denied_loses_its_session_and_an_unknown_one_retries() {
    let service = Service::new();
    let first = service.log_in("alice").await;
    let client = SessionClient::new();
    let down = async |_| Err(GrantError::unavailable("the database is down"));
    let failed = service.sessions.refresh(first.refresh_token(), &client, down).await.unwrap_err();
    assert_eq!(failed.problem().status(), StatusCode::SERVICE_UNAVAILABLE);
    let second = service.refresh(first.refresh_token()).await.unwrap();
    let denied = async |_| Err(GrantError::Denied);
    let failed = service.sessions.refresh(second.refresh_token(), &client, denied).await;
    assert!(matches!(failed, Err(SessionError::Denied)), "{failed:?}");
    assert_eq!(service.accepts(&second), Err(VerifyErrorKind::Revoked));
    assert!(service.sessions.sessions("alice").await.unwrap().is_empty());
}

#[tokio::test]
async fn every_refusal_that_a_client_causes_is_the_same() {
    let service = Service::with(|builder| builder.grace(Duration::ZERO));
    let first = service.log_in("alice").await;
    service.refresh(first.refresh_token()).await.unwrap();
    let reused = service.refresh(first.refresh_token()).await.unwrap_err();
    let unknown = service.refresh(first.refresh_token()).await.unwrap_err();
    let invalid = service.refresh("hrt_AAAA").await.unwrap_err();
    assert!(matches!(reused, SessionError::Reused(_)) && matches!(unknown, SessionError::Unknown));
    for error in [reused, unknown, invalid, SessionError::RolledBack, SessionError::Denied] {
        let problem = error.problem();
        assert_eq!(problem.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(problem.to_json(None), SessionError::Unknown.problem().to_json(None), "{error}");
    }
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_and_at_its_absolute_end() {
    let service = Service::new();
    let idle = service.log_in("alice").await;
    service.clock.advance(7 * DAY);
    assert!(matches!(service.refresh(idle.refresh_token()).await, Err(SessionError::Unknown)));
    let mut tokens = service.log_in("alice").await;
    for _ in 0..14 {
        service.clock.advance(6 * DAY);
        tokens = service.refresh(tokens.refresh_token()).await.unwrap();
    }
    assert_eq!(tokens.session().expires - tokens.session().created, 90 * DAY);
    service.clock.advance(6 * DAY);
    assert!(matches!(service.refresh(tokens.refresh_token()).await, Err(SessionError::Unknown)));
}

#[tokio::test]
async fn a_calendar_that_is_set_back_extends_neither_the_grace_nor_the_session() {
    let service = Service::new();
    let first = service.log_in("alice").await;
    service.refresh(first.refresh_token()).await.unwrap();
    service.clock.advance(GRACE);
    service.clock.step_unix(Duration::from_secs(1_000_000));
    let late = service.refresh(first.refresh_token()).await;
    assert!(matches!(late, Err(SessionError::Reused(_))), "{late:?}");
}

#[tokio::test]
async fn sessions_are_listed_with_their_clients_and_ended_one_by_one() {
    let service = Service::new();
    let client = SessionClient::new().user_agent("Firefox").address("2001:db8::1".parse().unwrap());
    let first = service.sessions.log_in("alice").client(client).method("magic-link");
    let first = first.open().await.unwrap();
    service.clock.advance(SECOND);
    let second = service.log_in("alice").await;
    let foreign = service.log_in("mallory").await;
    let listed = service.sessions.sessions("alice").await.unwrap();
    let ids: Vec<_> = listed.iter().map(|session| session.id).collect();
    assert_eq!(ids, [second.session().id, first.session().id], "the newest first");
    let oldest = &listed[1];
    assert_eq!((oldest.client.agent(), &*oldest.method), (Some("Firefox"), "magic-link"));
    assert_eq!(oldest.client.network().as_deref(), Some("2001:db8::/48"));
    service.clock.advance(SECOND);
    service.refresh(first.refresh_token()).await.unwrap();
    let listed = service.sessions.sessions("alice").await.unwrap();
    assert_eq!(listed[1].last_used - listed[1].created, 2 * SECOND);

    assert!(!service.sessions.revoke("mallory", first.session().id).await.unwrap(), "foreign");
    assert!(service.sessions.revoke("alice", first.session().id).await.unwrap());
    assert!(!service.sessions.revoke("alice", first.session().id).await.unwrap(), "already over");
    assert_eq!(service.accepts(&first), Err(VerifyErrorKind::Revoked));
    assert_eq!(service.accepts(&second), Ok(()));
    assert_eq!(service.accepts(&foreign), Ok(()));
    assert!(service.refresh(first.refresh_token()).await.is_err());
    assert_eq!(service.sessions.sessions("alice").await.unwrap().len(), 1);
}

#[tokio::test]
async fn all_sessions_end_or_all_but_one() {
    let service = Service::new();
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(service.log_in("alice").await);
    }
    let foreign = service.log_in("mallory").await;
    let kept = all.pop().unwrap();
    assert_eq!(service.sessions.revoke_others("alice", kept.session().id).await.unwrap(), 3);
    for ended in &all {
        assert_eq!(service.accepts(ended), Err(VerifyErrorKind::Revoked));
    }
    assert_eq!(service.accepts(&kept), Ok(()));
    assert_eq!(service.sessions.revoke_all("alice").await.unwrap(), 1);
    assert_eq!(service.accepts(&kept), Err(VerifyErrorKind::Revoked));
    assert!(service.refresh(kept.refresh_token()).await.is_err());
    assert_eq!(service.accepts(&foreign), Ok(()));
    let again = service.log_in("alice").await;
    assert_eq!(service.accepts(&again), Ok(()));
    assert_eq!(service.sessions.revoke_all("alice").await.unwrap(), 1);
    assert_eq!(service.accepts(&again), Err(VerifyErrorKind::Revoked));
    assert_eq!(service.accepts(&kept), Err(VerifyErrorKind::Revoked), "still");
}

#[tokio::test]
async fn a_step_up_gets_a_new_id_and_ends_the_old_session() {
    let service = Service::new();
    let first = service.log_in("alice").await;
    let foreign = service.log_in("mallory").await;
    let up = service.sessions.log_in("alice").replacing(first.session().id).open().await.unwrap();
    assert_ne!(up.session().id, first.session().id);
    assert_eq!(service.accepts(&first), Err(VerifyErrorKind::Revoked));
    assert_eq!(service.accepts(&up), Ok(()));
    let other = service.sessions.log_in("alice").replacing(foreign.session().id).open().await;
    assert_eq!(service.accepts(&other.unwrap()), Ok(()));
    assert_eq!(service.accepts(&foreign), Ok(()), "only a session of the same subject");
}

#[tokio::test]
async fn the_session_that_was_not_used_for_the_longest_time_makes_room() {
    let service = Service::with(|builder| builder.max_sessions(NonZeroU32::new(3).unwrap()));
    let mut all = Vec::new();
    for _ in 0..3 {
        service.clock.advance(SECOND);
        all.push(service.log_in("alice").await);
    }
    service.clock.advance(SECOND);
    let oldest = service.refresh(all[0].refresh_token()).await.unwrap();
    service.clock.advance(SECOND);
    let newest = service.log_in("alice").await;
    assert_eq!(service.accepts(&all[1]), Err(VerifyErrorKind::Revoked));
    for living in [&oldest, &all[2], &newest] {
        assert_eq!(service.accepts(living), Ok(()));
    }
    assert_eq!(service.sessions.sessions("alice").await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_token_bound_to_a_client_is_garbage_for_every_other() {
    let service = Service::new();
    let phone = SessionClient::new().binding(b"phone");
    let first = service.sessions.log_in("alice").client(phone.clone()).open().await.unwrap();
    for other in [SessionClient::new(), SessionClient::new().binding(b"laptop")] {
        let refused = service.sessions.refresh(first.refresh_token(), &other, same).await;
        assert!(matches!(refused, Err(SessionError::Invalid)), "{refused:?}");
    }
    let second = service.sessions.refresh(first.refresh_token(), &phone, same).await.unwrap();
    assert!(service.sessions.refresh(second.refresh_token(), &phone, same).await.is_ok());
}

#[tokio::test]
async fn a_root_secret_is_replaced_without_ending_sessions() {
    let service = Service::new();
    let first = service.log_in("alice").await;
    let both = root(2).previous(Secret::from(&[1; 32][..])).unwrap();
    let (client, renewed) = (SessionClient::new(), service.twin(&both));
    let second = renewed.refresh(first.refresh_token(), &client, same).await.unwrap();
    let again = renewed.refresh(first.refresh_token(), &client, same).await.unwrap();
    assert_eq!(second.refresh_token(), again.refresh_token());
    // The old instance does not know the new root, which a roll-out must distribute first.
    assert!(matches!(service.refresh(second.refresh_token()).await, Err(SessionError::Invalid)));
    // An instance that knows both but signs with the old one retries to the same successor.
    let behind = service.twin(&root(1).previous(Secret::from(&[2; 32][..])).unwrap());
    let retried = behind.refresh(first.refresh_token(), &client, same).await.unwrap();
    assert_eq!(retried.refresh_token(), second.refresh_token());
    // After a leak the old root verifies nothing.
    let leaked = service.log_in("alice").await;
    let refused = service.twin(&root(2)).refresh(leaked.refresh_token(), &client, same).await;
    assert!(matches!(refused, Err(SessionError::Invalid)), "{refused:?}");
}

#[tokio::test]
async fn a_full_store_refuses_log_ins_and_ends_no_session() {
    let clock = ManualClock::default();
    let store = InMemory::new().capacity(2).time(&clock).into();
    let service = Service::on(store, clock, &root(1), |builder| builder);
    let first = service.log_in("alice").await;
    let second = service.log_in("bob").await;
    let full = service.sessions.log_in("mallory").open().await.unwrap_err();
    assert_eq!(full.problem().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(service.refresh(first.refresh_token()).await.is_ok());
    assert!(service.sessions.revoke("bob", second.session().id).await.unwrap());
    service.log_in("mallory").await;
    service.clock.advance(8 * DAY);
    assert!(service.sessions.sessions("alice").await.unwrap().is_empty());
    assert!(service.sessions.sessions("mallory").await.unwrap().is_empty());
    service.log_in("bob").await;
    service.log_in("bob").await;
}

#[tokio::test]
async fn a_grant_that_makes_no_token_leaves_no_session() {
    let service = Service::new();
    for bad in [Grant::new().scopes(["two words"]), Grant::new().claim("sid", "mine")] {
        let failed = service.sessions.log_in("alice").grant(bad).open().await;
        assert!(matches!(failed, Err(SessionError::Issue(_))), "{failed:?}");
    }
    assert!(service.sessions.sessions("alice").await.unwrap().is_empty());
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let build = |change: fn(SessionIssuerBuilder) -> SessionIssuerBuilder| {
        let store = SessionStore::memory();
        let key = SigningKey::generate().unwrap();
        let tokens = TokenIssuer::builder(key).issuer(ISSUER).audience(AUDIENCE).build().unwrap();
        change(SessionIssuer::builder(tokens, &root(1), store)).build().map(drop)
    };
    assert!(build(|builder| builder).is_ok());
    assert!(build(|builder| builder.grace(Duration::from_secs(60))).is_ok());
    assert!(build(|builder| builder.grace(Duration::from_secs(61))).is_err());
    assert!(build(|builder| builder.idle(Duration::from_secs(60))).is_err());
    assert!(build(|builder| builder.absolute(DAY)).is_err());
}
