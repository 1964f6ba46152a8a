//! Concurrent refreshes, and what a thief can do.

use std::{collections::HashSet, sync::Barrier, thread};

use hardpoint_core::event::RefreshResult;

use super::*;

/// One refresh token, presented by many threads at once.
fn present_at_once(service: &Service, token: &str, threads: usize) -> Vec<Result<String, String>> {
    let start = Barrier::new(threads);
    let refresh = || {
        start.wait();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let refreshed = runtime.block_on(service.refresh(token));
        let refreshed = refreshed.map(|tokens| tokens.refresh_token().to_owned());
        refreshed.map_err(|error| format!("{error:?}"))
    };
    thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(refresh)).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// `HARDPOINT_SOAK` makes it 10,000 rounds.
fn rounds() -> usize {
    if option_env!("HARDPOINT_SOAK").is_some() { 10_000 } else { 200 }
}

#[test]
fn refreshes_at_once_neither_fork_nor_log_out() {
    let service = Service::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut token = runtime.block_on(service.log_in("alice")).refresh_token().to_owned();
    for round in 0..rounds() {
        let answers = present_at_once(&service, &token, 64);
        let successors: HashSet<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(successors.len(), 1, "round {round}");
        token = successors.into_iter().next().unwrap();
    }
    let results = service.told.results();
    let rotated = results.iter().filter(|result| **result == RefreshResult::Rotated).count();
    assert_eq!(rotated, rounds(), "one of each round advances the session");
    assert_eq!(results.len(), 64 * rounds());
}

#[test]
fn reuse_at_once_is_reported_once() {
    for _ in 0..50 {
        let service = Service::with(|builder| builder.grace(Duration::ZERO));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let first = runtime.block_on(service.log_in("alice"));
        runtime.block_on(service.refresh(first.refresh_token())).unwrap();
        let answers = present_at_once(&service, first.refresh_token(), 16);
        assert!(answers.iter().all(Result::is_err));
        assert_eq!(service.told.count("SessionReused("), 1);
        assert_eq!(service.accepts(&first), Err(VerifyErrorKind::Revoked));
    }
}

#[test]
fn log_ins_and_log_outs_at_once_leave_no_session_behind() {
    let service = Service::new();
    let left = thread::scope(|scope| {
        let work = |thread: usize| {
            let service = &service;
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(async {
                    let mut opened = Vec::new();
                    for round in 0..50 {
                        let tokens = service.log_in("alice").await;
                        let _result = service.refresh(tokens.refresh_token()).await;
                        if round % 10 == thread {
                            service.sessions.revoke_all("alice").await.unwrap();
                        }
                        opened.push(tokens);
                    }
                    opened
                })
            }
        };
        let all: Vec<_> = (0..4).map(|thread| scope.spawn(work(thread))).collect();
        all.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let listed = service.sessions.sessions("alice").await.unwrap();
        let listed: HashSet<_> = listed.iter().map(|session| session.id).collect();
        for tokens in &left {
            let lives = listed.contains(&tokens.session().id);
            assert_eq!(service.accepts(tokens).is_ok(), lives, "a token lives with its session");
        }
        service.sessions.revoke_all("alice").await.unwrap();
        assert!(service.sessions.sessions("alice").await.unwrap().is_empty());
        for tokens in &left {
            assert_eq!(service.accepts(tokens), Err(VerifyErrorKind::Revoked));
            assert!(service.refresh(tokens.refresh_token()).await.is_err());
        }
    });
}

#[tokio::test]
async fn a_thief_is_detected_whoever_comes_first() {
    for thief_first in [true, false] {
        let service = Service::new();
        let stolen = service.log_in("alice").await;
        let first = service.refresh(stolen.refresh_token()).await.unwrap();
        service.clock.advance(GRACE);
        // Both now hold copies of `stolen`; one of them also holds `first`.
        let second = service.refresh(stolen.refresh_token()).await;
        assert!(matches!(second, Err(SessionError::Reused(_))), "thief first: {thief_first}");
        assert_eq!(service.accepts(&first), Err(VerifyErrorKind::Revoked));
    }
}

/// Thief and owner refresh in turn, each with the newest token that it has.
#[tokio::test]
async fn interleaved_refreshes_of_thief_and_owner_are_detected_after_the_grace() {
    let service = Service::new();
    let start = service.log_in("alice").await.refresh_token().to_owned();
    let (mut owner, mut thief) = (start.clone(), start);
    let mut detected = None;
    for turn in 0..10 {
        service.clock.advance(GRACE + SECOND);
        let token = if turn % 2 == 0 { &mut owner } else { &mut thief };
        match service.refresh(token).await {
            Ok(tokens) => *token = tokens.refresh_token().to_owned(),
            Err(SessionError::Reused(_)) => {
                detected = Some(turn);
                break;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(detected, Some(1), "the second holder");
}

/// What the docs say that a grace costs.
#[tokio::test]
async fn a_thief_within_every_grace_is_not_detected_and_without_a_grace_is() {
    for (grace, undetected) in [(GRACE, true), (Duration::ZERO, false)] {
        let service = Service::with(|builder| builder.grace(grace));
        let mut token = service.log_in("alice").await.refresh_token().to_owned();
        let mut is_detected = false;
        for _ in 0..5 {
            service.clock.advance(DAY);
            let owners = service.refresh(&token).await;
            let thiefs = service.refresh(&token).await;
            is_detected |= owners.is_err() || thiefs.is_err();
            let Ok(tokens) = owners else { break };
            token = tokens.refresh_token().to_owned();
        }
        assert_eq!(!is_detected, undetected, "{grace:?}");
    }
}

#[tokio::test]
async fn a_lost_response_is_retried_within_the_grace() {
    let service = Service::new();
    let first = service.log_in("alice").await;
    let lost = service.refresh(first.refresh_token()).await.unwrap().refresh_token().to_owned();
    service.clock.advance(GRACE - SECOND);
    let retried = service.refresh(first.refresh_token()).await.unwrap();
    assert_eq!(retried.refresh_token(), lost);
    service.clock.advance(DAY);
    assert!(service.refresh(retried.refresh_token()).await.is_ok());
}

#[tokio::test]
async fn a_dropped_refresh_is_a_lost_response() {
    let service = Service::new();
    let first = service.log_in("alice").await;
    let never = async |_| std::future::pending::<Result<Grant, GrantError>>().await;
    let client = SessionClient::new();
    let mut refresh = Box::pin(service.sessions.refresh(first.refresh_token(), &client, never));
    assert!(futures_poll(refresh.as_mut()).is_pending());
    drop(refresh);
    let retried = service.refresh(first.refresh_token()).await.unwrap();
    assert!(service.refresh(retried.refresh_token()).await.is_ok());
}

fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}
