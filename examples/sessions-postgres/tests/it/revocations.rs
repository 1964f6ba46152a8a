//! What one instance ends, and the others refuse.

use std::time::Duration;

use hardpoint_auth::{VerifyErrorKind, session::SessionError};
use hardpoint_core::Time;
use sessions_postgres::create_schema;
use sqlx::Executor;

use crate::{
    instance::{Instance, builder, eventually, key},
    server::Server,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_one_instance_ends_the_other_refuses() {
    let (server, key) = (Server::start().await, key());
    create_schema(&server.pool()).await.unwrap();
    let here = Instance::on(server.pool(), &key).await;
    let there = Instance::on(server.pool(), &key).await;
    let mut took = Vec::new();
    for number in 0..200 {
        let subject = format!("user {number}");
        let tokens = here.log_in(&subject).await;
        assert_eq!(there.accepts(&tokens), Ok(()));
        let (start, session) = (Time::system().now(), tokens.session().id);
        match number % 3 {
            0 => assert!(here.sessions.revoke(&subject, session).await.unwrap()),
            1 => assert_eq!(here.sessions.revoke_all(&subject).await.unwrap(), 1),
            _ => {
                let issued = tokens.issued();
                here.sessions.revoke_token(issued.token_id(), issued.expiry()).await.unwrap();
            }
        }
        assert_eq!(here.accepts(&tokens), Err(VerifyErrorKind::Revoked), "read your writes");
        eventually("the revocation", || there.accepts(&tokens).is_err()).await;
        took.push(Time::system().now().saturating_since(start));
        assert_eq!(there.accepts(&tokens), Err(VerifyErrorKind::Revoked));
    }
    took.sort_unstable();
    println!("revoked there after {:?} (p50), {:?} (p99)", took[100], took[197]);
    assert!(took[197] < Duration::from_millis(500), "{:?}", took[197]);
}

#[tokio::test(flavor = "multi_thread")]
async fn reuse_and_replacement_end_sessions_everywhere() {
    let (server, key) = (Server::start().await, key());
    create_schema(&server.pool()).await.unwrap();
    let here = Instance::on(server.pool(), &key).await;
    let there = Instance::on(server.pool(), &key).await;
    let first = here.log_in("alice").await;
    let second = there.refresh(first.refresh_token()).await.unwrap();
    let third = here.refresh(second.refresh_token()).await.unwrap();
    let reused = there.refresh(first.refresh_token()).await;
    let Err(SessionError::Reused(reuse)) = reused else { panic!("{reused:?}") };
    assert_eq!((reuse.presented, reuse.current), (1, 3));
    assert_eq!(there.accepts(&third), Err(VerifyErrorKind::Revoked));
    eventually("the end", || here.accepts(&third) == Err(VerifyErrorKind::Revoked)).await;
    let ended = here.refresh(third.refresh_token()).await;
    assert!(matches!(ended, Err(SessionError::Unknown)), "{ended:?}");

    let old = here.log_in("alice").await;
    let new = here.sessions.log_in("alice").replacing(old.session().id).open().await.unwrap();
    assert_eq!(here.accepts(&old), Err(VerifyErrorKind::Revoked), "read your writes");
    eventually("the replacement", || there.accepts(&old).is_err()).await;
    assert_eq!(there.accepts(&new), Ok(()));
}

/// Rows that were written without a notification, as if it had been lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_notification_delays_a_revocation_and_loses_none() {
    let (server, key) = (Server::start().await, key());
    let pool = server.pool();
    create_schema(&pool).await.unwrap();
    pool.execute("CREATE FUNCTION lost(text, text) RETURNS void LANGUAGE sql AS ''").await.unwrap();
    let silent: String = sqlx::query_scalar("SELECT pg_get_functiondef('session_record'::regproc)")
        .fetch_one(&pool)
        .await
        .unwrap();
    let silent = silent.replace("pg_notify", "lost");
    pool.execute(sqlx::AssertSqlSafe(silent)).await.unwrap();
    let here = Instance::on(server.pool(), &key).await;
    let most = Duration::from_secs(2);
    let there = builder(server.pool()).max_staleness(most);
    let there = Instance::with(there, &key, |sessions| sessions);
    there.fresh().await;
    for _ in 0..3 {
        let tokens = here.log_in("alice").await;
        let start = Time::system().now();
        assert!(here.sessions.revoke("alice", tokens.session().id).await.unwrap());
        eventually("the revocation", || there.accepts(&tokens).is_err()).await;
        assert_eq!(there.accepts(&tokens), Err(VerifyErrorKind::Revoked));
        let took = Time::system().now().saturating_since(start);
        assert!(took < most, "{took:?}");
    }
}

/// The numbers went back, as after a backup was restored, and what was revoked since then has numbers
/// that the instances have read already.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_go_back_are_read_again() {
    let (server, key) = (Server::start().await, key());
    let pool = server.pool();
    create_schema(&pool).await.unwrap();
    let here = Instance::on(server.pool(), &key).await;
    let there = Instance::on(server.pool(), &key).await;
    for _ in 0..5 {
        let ended = here.log_in("bob").await;
        assert!(here.sessions.revoke("bob", ended.session().id).await.unwrap());
        eventually("the revocation", || there.accepts(&ended).is_err()).await;
    }
    let tokens = here.log_in("alice").await;
    let restored =
        "UPDATE session_store SET number = 2; DELETE FROM session_revocation WHERE number > 2;";
    pool.execute(restored).await.unwrap();
    assert!(here.sessions.revoke("alice", tokens.session().id).await.unwrap());
    let number: i64 =
        sqlx::query_scalar("SELECT number FROM session_store").fetch_one(&pool).await.unwrap();
    assert_eq!(number, 3, "which both have read");
    eventually("the revocation", || there.accepts(&tokens).is_err()).await;
    assert_eq!(there.accepts(&tokens), Err(VerifyErrorKind::Revoked));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_starts_later_reads_all_pages() {
    let (server, key) = (Server::start().await, key());
    let pool = server.pool();
    create_schema(&pool).await.unwrap();
    let here = Instance::on(server.pool(), &key).await;
    let first = here.log_in("alice").await;
    assert!(here.sessions.revoke("alice", first.session().id).await.unwrap());
    let many = "SELECT session_record('token', 'many ' || n, 0, session_now() + 900000) \
                FROM generate_series(1, 2500) n";
    pool.execute(many).await.unwrap();
    let last = here.log_in("alice").await;
    here.sessions.revoke_token(last.issued().token_id(), Duration::MAX).await.unwrap();
    let later = Instance::on(server.pool(), &key).await;
    for tokens in [&first, &last] {
        assert_eq!(later.accepts(tokens), Err(VerifyErrorKind::Revoked));
    }
    assert_eq!(later.store.revocations().len(), 2_502);
    assert_eq!(later.accepts(&later.log_in("bob").await), Ok(()));
}

/// An epoch that the store forgot, and a store that began anew, between two revocations of all
/// sessions.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_forgets_hands_out_no_epoch_twice() {
    let (server, key) = (Server::start().await, key());
    let pool = server.pool();
    create_schema(&pool).await.unwrap();
    let here = Instance::on(server.pool(), &key).await;
    let first = here.log_in("alice").await;
    here.sessions.revoke_all("alice").await.unwrap();
    let second = here.log_in("alice").await;
    assert_eq!(here.accepts(&first), Err(VerifyErrorKind::Revoked));
    let second_epoch = here.verifier.verify(second.access_token()).unwrap().epoch().unwrap();

    pool.execute("DELETE FROM session_subject; DELETE FROM session_revocation;").await.unwrap();
    let fresh = Instance::on(server.pool(), &key).await;
    assert_eq!(fresh.accepts(&second), Err(VerifyErrorKind::RevocationUnknown), "never 0");
    let over = fresh.refresh(second.refresh_token()).await;
    assert!(matches!(over, Err(SessionError::Unknown)), "{over:?}");
    fresh.sessions.revoke_all("alice").await.unwrap();
    assert_eq!(fresh.accepts(&second), Err(VerifyErrorKind::Revoked));
    let third = fresh.log_in("alice").await;
    let third_epoch = fresh.verifier.verify(third.access_token()).unwrap().epoch().unwrap();
    assert!(third_epoch > second_epoch, "{third_epoch} after {second_epoch}");

    // What the operator runs after a backup was restored.
    pool.execute("UPDATE session_store SET origin = session_now()").await.unwrap();
    let fourth = here.log_in("alice").await;
    for instance in [&here, &fresh] {
        for tokens in [&first, &second] {
            let revoked = Err(VerifyErrorKind::Revoked);
            eventually("the new origin", || instance.accepts(tokens) == revoked).await;
        }
    }
    let over = here.refresh(third.refresh_token()).await;
    assert!(matches!(over, Err(SessionError::Unknown)), "{over:?}");
    for instance in [&here, &fresh] {
        eventually("a fresh copy", || instance.accepts(&fourth) == Ok(())).await;
    }
    assert_eq!(here.sessions.revoke_all("alice").await.unwrap(), 1, "only the fourth");
    assert_eq!(here.accepts(&fourth), Err(VerifyErrorKind::Revoked));
}
