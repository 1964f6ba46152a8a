//! What every store has to be, and what concurrent clients do to it.

use std::{
    collections::HashSet,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use hardpoint_auth::{
    VerifyErrorKind,
    session::{SessionClient, SessionError},
};
use hardpoint_core::{Event, Telemetry, event::RefreshResult};
use sessions_postgres::create_schema;
use sqlx::Executor;

use crate::{
    conformance,
    instance::{Instance, builder, key},
    server::Server,
};

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_the_model() {
    let server = Server::start().await;
    let pool = server.pool();
    create_schema(&pool).await.unwrap();
    conformance::check(100, async || {
        let empty = "TRUNCATE session_store, session_subject, session_family, session_revocation";
        // The tasks of the history before may hold a lock that this one waits for, and the reverse.
        let mut emptied = pool.execute(empty).await;
        for _ in 0..5 {
            if emptied.is_err() {
                emptied = pool.execute(empty).await;
            }
        }
        emptied.unwrap();
        create_schema(&pool).await.unwrap();
        (builder(pool.clone()).start().unwrap(), None)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refreshes_at_once_on_two_instances_neither_fork_nor_log_out() {
    let (server, key) = (Server::start().await, key());
    create_schema(&server.pool()).await.unwrap();
    let (rotated, counted) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let telemetry = {
        let (rotated, counted) = (Arc::clone(&rotated), Arc::clone(&counted));
        Telemetry::new(move |event: &Event<'_>| {
            if let Event::SessionRefreshed(refreshed) = event {
                let is_rotated = refreshed.result == RefreshResult::Rotated;
                rotated.fetch_add(i64::from(is_rotated), Ordering::SeqCst);
                counted.fetch_add(1, Ordering::SeqCst);
            }
        })
    };
    let instance =
        || Arc::new(Instance::with(builder(server.pool()), &key, |b| b.telemetry(&telemetry)));
    let instances = [instance(), instance()];
    let mut token = instances[0].log_in("alice").await.refresh_token().to_owned();
    let rounds = if option_env!("HARDPOINT_SOAK").is_some() { 10_000 } else { 200 };
    for round in 0..rounds {
        let refresh = |number: usize| {
            let (instance, token) = (Arc::clone(&instances[number % 2]), token.clone());
            tokio::spawn(async move { instance.refresh(&token).await })
        };
        let all: Vec<_> = (0..64).map(refresh).collect();
        let mut successors = HashSet::new();
        for refreshed in all {
            successors.insert(refreshed.await.unwrap().unwrap().refresh_token().to_owned());
        }
        assert_eq!(successors.len(), 1, "round {round}");
        token = successors.into_iter().next().unwrap();
    }
    let rotated = rotated.load(Ordering::SeqCst);
    assert_eq!(rotated, rounds, "one of each round advances the session");
    assert_eq!(counted.load(Ordering::SeqCst), 64 * rounds);
}

/// The first of them ends the session, and the others find none.
#[tokio::test(flavor = "multi_thread")]
async fn reuse_at_once_is_reported_once() {
    let (server, key) = (Server::start().await, key());
    create_schema(&server.pool()).await.unwrap();
    let instance = Instance::with(builder(server.pool()), &key, |b| b.grace(Duration::ZERO));
    let instance = Arc::new(instance);
    instance.fresh().await;
    for _ in 0..20 {
        let first = instance.log_in("alice").await;
        let second = instance.refresh(first.refresh_token()).await.unwrap();
        let reuse = |_| {
            let (instance, token) = (Arc::clone(&instance), first.refresh_token().to_owned());
            tokio::spawn(async move { instance.refresh(&token).await })
        };
        let mut reused = 0;
        for refreshed in (0..16).map(reuse).collect::<Vec<_>>() {
            match refreshed.await.unwrap() {
                Err(SessionError::Reused(reuse)) => {
                    assert_eq!((reuse.presented, reuse.current), (1, 2));
                    reused += 1;
                }
                Err(SessionError::Unknown) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(reused, 1);
        assert_eq!(instance.accepts(&second), Err(VerifyErrorKind::Revoked));
    }
}

/// Two log-ins at once never leave more sessions than a subject may have, and a log-in at the same
/// time as the end of all sessions is before it or after it.
#[tokio::test(flavor = "multi_thread")]
async fn log_ins_and_log_outs_at_once_agree() {
    let (server, key) = (Server::start().await, key());
    create_schema(&server.pool()).await.unwrap();
    let three = NonZeroU32::new(3).unwrap();
    let instance = Instance::with(builder(server.pool()), &key, |b| b.max_sessions(three));
    let instance = Arc::new(instance);
    instance.fresh().await;
    let mut work = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let instance = Arc::clone(&instance);
        work.spawn(async move {
            let mut opened = Vec::new();
            for round in 0..20 {
                let tokens = instance.log_in("alice").await;
                let _ended_meanwhile = instance.refresh(tokens.refresh_token()).await;
                if round % 10 == worker {
                    instance.sessions.revoke_all("alice").await.unwrap();
                } else if round % 10 == worker + 1 {
                    let own = tokens.session().id;
                    instance.sessions.revoke_others("alice", own).await.unwrap();
                }
                opened.push(tokens);
            }
            opened
        });
    }
    let opened: Vec<_> = work.join_all().await.into_iter().flatten().collect();
    let listed = instance.sessions.sessions("alice").await.unwrap();
    assert!(listed.len() <= 3, "{}", listed.len());
    let listed: HashSet<_> = listed.iter().map(|session| session.id).collect();
    for tokens in &opened {
        let lives = listed.contains(&tokens.session().id);
        assert_eq!(instance.accepts(tokens).is_ok(), lives, "a token lives with its session");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_with_their_clients() {
    let (server, key) = (Server::start().await, key());
    create_schema(&server.pool()).await.unwrap();
    let instance = Instance::on(server.pool(), &key).await;
    let client = SessionClient::new().user_agent("Firefox").address("2001:db8::1".parse().unwrap());
    let log_in = instance.sessions.log_in("alice").client(client.clone()).method("magic-link");
    let first = log_in.open().await.unwrap();
    let second = instance.log_in("alice").await;
    let listed = instance.sessions.sessions("alice").await.unwrap();
    let ids: Vec<_> = listed.iter().map(|session| session.id).collect();
    assert_eq!(ids, [second.session().id, first.session().id], "the newest first");
    assert_eq!((&listed[1].client, &*listed[1].method), (&client, "magic-link"));
    assert_eq!(&listed[1], first.session());
    assert_eq!(listed[0].client, SessionClient::new());
}
