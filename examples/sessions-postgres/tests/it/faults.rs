//! A server that fails, and what it keeps.

use std::{error::Error, time::Duration};

use hardpoint_auth::{
    VerifyErrorKind,
    session::{Grant, SessionClient, SessionError, StoreError},
};
use hardpoint_core::{Time, event::StoreErrorKind};
use hardpoint_testkit::{
    leak::LeakScanner,
    redis::{Network, Weather},
};
use sessions_postgres::{PostgresSessions, create_schema};
use sqlx::{Executor, postgres::PgPoolOptions};

use crate::{
    instance::{Instance, builder, eventually, key},
    server::{PATIENCE, Server, options},
};

/// A short one, since these tests wait for it.
const DEADLINE: Duration = Duration::from_millis(500);

fn store_error<T: std::fmt::Debug>(result: Result<T, SessionError>) -> StoreError {
    match result {
        Err(SessionError::Store(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_is_found_again() {
    let (mut server, key) = (Server::start().await, key());
    create_schema(&server.pool()).await.unwrap();
    let store = PostgresSessions::builder(server.pool()).deadline(DEADLINE);
    let store = store.max_staleness(Duration::from_secs(1));
    let here = Instance::with(store, &key, |sessions| sessions);
    here.fresh().await;
    let (live, ended) = (here.log_in("alice").await, here.log_in("bob").await);
    let revocations = here.store.revocations();
    server.kill();
    for _ in 0..5 {
        let start = Time::system().now();
        let kind = store_error(here.refresh(live.refresh_token()).await).kind();
        let took = Time::system().now().saturating_since(start);
        assert!(matches!(kind, StoreErrorKind::Timeout | StoreErrorKind::Unavailable), "{kind:?}");
        assert!(took < 3 * DEADLINE, "{took:?}");
    }
    eventually("staleness", || revocations.is_stale()).await;
    assert_eq!(here.accepts(&live), Err(VerifyErrorKind::RevocationUnknown));

    server.launch().await;
    // While this instance tries again, another one ends a session.
    let other = Instance::on(server.pool(), &key).await;
    assert!(other.sessions.revoke("bob", ended.session().id).await.unwrap());
    here.fresh().await;
    eventually("the revocation", || here.accepts(&ended) == Err(VerifyErrorKind::Revoked)).await;
    assert_eq!(here.accepts(&live), Ok(()));
    let again = async || here.refresh(live.refresh_token()).await.is_ok();
    hardpoint_testkit::eventually("a session that can be refreshed", again).await;
    let news = here.log_in("carol").await;
    assert!(other.sessions.revoke("carol", news.session().id).await.unwrap());
    eventually("news", || here.accepts(&news) == Err(VerifyErrorKind::Revoked)).await;
}

/// Connections that a network has swallowed give their places in the pool back.
#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_answers_nothing_costs_a_deadline_and_no_connection() {
    let (server, key) = (Server::start().await, key());
    create_schema(&server.pool()).await.unwrap();
    let network = Network::before(server.address());
    // Without a test, a connection is found to be dead only by a command.
    let pool = PgPoolOptions::new().max_connections(4).test_before_acquire(false);
    let pool = pool.connect_lazy_with(options(network.address()));
    let store = PostgresSessions::builder(pool.clone()).deadline(DEADLINE);
    let store = store.max_staleness(Duration::from_secs(1));
    let here = Instance::with(store, &key, |sessions| sessions);
    here.fresh().await;
    let live = here.log_in("alice").await;
    let open = [pool.acquire().await, pool.acquire().await, pool.acquire().await];
    drop(open);
    eventually("idle connections", || pool.num_idle() >= 3).await;
    network.set(Weather::Hole);
    for _ in 0..2 {
        let start = Time::system().now();
        // More than the pool has connections.
        let all: Vec<_> = (0..40)
            .map(|_| {
                let (sessions, token) = (here.sessions.clone(), live.refresh_token().to_owned());
                tokio::spawn(async move {
                    let grant = async |_| Ok(Grant::new());
                    sessions.refresh(&token, &SessionClient::new(), grant).await
                })
            })
            .collect();
        for refreshed in all {
            assert_eq!(store_error(refreshed.await.unwrap()).kind(), StoreErrorKind::Timeout);
        }
        let took = Time::system().now().saturating_since(start);
        assert!(took < 3 * DEADLINE, "{took:?}");
    }
    network.set(Weather::Fair);
    let again = async || here.refresh(live.refresh_token()).await.is_ok();
    hardpoint_testkit::eventually("a session that can be refreshed", again).await;
    here.fresh().await;
    assert_eq!(here.accepts(&live), Ok(()));
    let all = async {
        [pool.acquire().await, pool.acquire().await, pool.acquire().await, pool.acquire().await]
    };
    let all = tokio::time::timeout(PATIENCE, all).await;
    assert!(all.is_ok_and(|all| all.iter().all(Result::is_ok)), "all places are free");
}

/// The command reaches the server although its caller is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_future_loses_no_command() {
    let (server, key) = (Server::start().await, key());
    let pool = server.pool();
    create_schema(&pool).await.unwrap();
    let here = Instance::on(server.pool(), &key).await;
    let live = here.log_in("alice").await;
    let mut revoked = Box::pin(here.sessions.revoke("alice", live.session().id));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(revoked.as_mut().poll(&mut context).is_pending());
    drop(revoked);
    eventually("the end", || here.accepts(&live) == Err(VerifyErrorKind::Revoked)).await;
    assert!(here.sessions.sessions("alice").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_the_schema_is_corrupt_and_a_locked_table_is_late() {
    let (server, key) = (Server::start().await, key());
    let store = builder(server.pool()).deadline(DEADLINE);
    let here = Instance::with(store, &key, |sessions| sessions);
    let error = store_error(here.sessions.log_in("alice").open().await);
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert_eq!(error.source().unwrap().to_string(), "the server refused with SQLSTATE 42883");
    create_schema(&server.pool()).await.unwrap();
    let live = here.log_in("alice").await;
    let mut connection = server.connection().await;
    connection.execute("BEGIN; LOCK TABLE session_family;").await.unwrap();
    let late = store_error(here.refresh(live.refresh_token()).await);
    assert_eq!(late.kind(), StoreErrorKind::Timeout);
    connection.execute("ROLLBACK").await.unwrap();
    assert!(here.refresh(live.refresh_token()).await.is_ok());
}

/// A backup from before a rotation.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_rotation_is_no_theft() {
    let (server, key) = (Server::start().await, key());
    let pool = server.pool();
    create_schema(&pool).await.unwrap();
    let here = Instance::on(server.pool(), &key).await;
    let first = here.log_in("alice").await;
    let second = here.refresh(first.refresh_token()).await.unwrap();
    pool.execute("CREATE TABLE backup AS SELECT * FROM session_family").await.unwrap();
    let third = here.refresh(second.refresh_token()).await.unwrap();
    let fourth = here.refresh(third.refresh_token()).await.unwrap();
    let restore = "DELETE FROM session_family; INSERT INTO session_family SELECT * FROM backup;";
    pool.execute(restore).await.unwrap();
    let lost = here.refresh(fourth.refresh_token()).await;
    assert!(matches!(lost, Err(SessionError::RolledBack)), "{lost:?}");
    assert_eq!(here.accepts(&fourth), Ok(()), "the session has not ended");
    let retried = here.refresh(first.refresh_token()).await;
    assert!(retried.is_ok(), "within the grace it is a retry: {retried:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_is_removed_and_nothing_else() {
    let (server, key) = (Server::start().await, key());
    let pool = server.pool();
    create_schema(&pool).await.unwrap();
    let here = Instance::on(server.pool(), &key).await;
    let live = here.log_in("alice").await;
    here.sessions.revoke_all("bob").await.unwrap();
    for number in 0..3 {
        let ended = here.log_in(&format!("user {number}")).await;
        let session = ended.session();
        assert!(here.sessions.revoke(&session.subject, session.id).await.unwrap());
        here.log_in(&format!("user {number}")).await;
    }
    let expire = "UPDATE session_family SET idle_deadline = 1 WHERE subject LIKE 'user %'; \
                  UPDATE session_subject SET until = 1 WHERE subject LIKE 'user %'; \
                  UPDATE session_revocation SET until = 1 WHERE kind = 'session';";
    pool.execute(expire).await.unwrap();
    let counts = async || {
        let count = "SELECT session_sweep($1)";
        sqlx::query_scalar::<_, i64>(count).bind(2_i64).fetch_one(&pool).await.unwrap()
    };
    assert_eq!([counts().await, counts().await, counts().await], [6, 3, 0], "two of each table");
    let left: (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM session_family), (SELECT count(*) FROM session_subject), \
         (SELECT count(*) FROM session_revocation)",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(left, (1, 2, 1), "alice, alice and bob, bob's epoch");
    assert!(here.refresh(live.refresh_token()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_the_database_is_a_token() {
    let (server, key) = (Server::start().await, key());
    let pool = server.pool();
    create_schema(&pool).await.unwrap();
    let here = Instance::on(server.pool(), &key).await;
    let client = SessionClient::new().user_agent("Firefox").binding(b"canary-binding");
    let first = here.sessions.log_in("canary-subject").client(client.clone()).open().await.unwrap();
    let grant = async |_| Ok(Grant::new());
    let second = here.sessions.refresh(first.refresh_token(), &client, grant).await.unwrap();
    here.sessions.revoke_token(second.issued().token_id(), Duration::MAX).await.unwrap();
    here.sessions.revoke_all("bob").await.unwrap();
    let mut values = String::new();
    for table in ["session_store", "session_subject", "session_family", "session_revocation"] {
        let all = sqlx::AssertSqlSafe(format!("SELECT t::text FROM {table} t"));
        let rows: Vec<String> = sqlx::query_scalar(all).fetch_all(&pool).await.unwrap();
        assert!(!rows.is_empty(), "{table}");
        values.extend(rows.into_iter().map(|row| row + "\n"));
    }
    let tokens = [first.refresh_token(), second.refresh_token()];
    // The proof and the tag, which the store must not have: the last 32 of 61 bytes.
    let parts = tokens.map(|token| &token[token.len() - 42..]);
    let secrets = [tokens[0], tokens[1], parts[0], parts[1], "canary-binding"];
    let secrets = secrets.into_iter().chain([first.access_token(), second.access_token()]);
    LeakScanner::new(secrets).assert_clean("values", values.as_bytes());
    assert!(!LeakScanner::new(["canary-subject"]).scan("values", values.as_bytes()).is_empty());
}

/// Neither an error nor anything that is shown of the store contains what was stored.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_shows_nothing_personal() {
    let (server, key) = (Server::start().await, key());
    let pool = server.pool();
    create_schema(&pool).await.unwrap();
    let refuse = "ALTER TABLE session_family ADD CHECK (subject <> 'canary-subject')";
    pool.execute(refuse).await.unwrap();
    let here = Instance::on(server.pool(), &key).await;
    let error = store_error(here.sessions.log_in("canary-subject").open().await);
    let shown = format!("{error} {error:?} {:?} {:?}", error.source(), here.store);
    assert!(shown.contains("23514") && !shown.contains("canary"), "{shown}");
}
