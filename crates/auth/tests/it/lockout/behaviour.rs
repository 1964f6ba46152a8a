//! What an attacker and an owner can do.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    task::Poll,
};

use hardpoint_auth::{
    StoreError,
    lockout::{Attempter, Denied, OnFailure, Rate, RemoteAttempts, Settled, Ticket},
    session::BoxFuture,
};
use hardpoint_core::{Rejection, event::StoreErrorKind};

use super::*;

/// 1,000 guesses at once at a limit of 5, while the owner logs in with the device cookie.
#[tokio::test(flavor = "multi_thread")]
async fn of_1000_parallel_guesses_at_most_5_are_verified_while_the_owner_logs_in() {
    let fixture = Fixture::with(|builder| builder.limits(limit_of(5)));
    let guard = fixture.guard;
    let cookie = guard.reserve(OWNER, &stranger(1)).await.unwrap().succeeded().unwrap();
    let verified = Arc::new(AtomicU32::new(0));
    let guess = |number: u32| {
        let (guard, verified) = (guard.clone(), Arc::clone(&verified));
        tokio::spawn(async move {
            let from = stranger(u8::try_from(number % 250).unwrap());
            let Ok(attempt) = guard.reserve(OWNER, &from).await else { return };
            verified.fetch_add(1, Ordering::SeqCst);
            // The hash: others run meanwhile.
            tokio::task::yield_now().await;
            attempt.failed();
        })
    };
    let guesses: Vec<_> = (0..1_000).map(guess).collect();
    let mut log_ins = 0;
    for guess in guesses {
        let attempt = guard.reserve(OWNER, &device(&cookie)).await.unwrap();
        assert!(attempt.is_known_device());
        assert!(attempt.succeeded().is_some());
        log_ins += 1;
        guess.await.unwrap();
    }
    let verified = verified.load(Ordering::SeqCst);
    println!(
        "1,000 parallel guesses at limit 5: {verified} verified; the owner logged in {log_ins} times"
    );
    assert_eq!(verified, 5);
}

#[tokio::test]
async fn an_attempt_that_is_dropped_counts_as_failed_and_an_unverified_one_does_not() {
    let fixture = Fixture::with(|builder| builder.limits(limit_of(2)));
    for _ in 0..20 {
        fixture.guard.reserve(OWNER, &stranger(1)).await.unwrap().unverified();
    }
    drop(fixture.guard.reserve(OWNER, &stranger(1)).await.unwrap());
    fixture.fail(OWNER, &stranger(1), 1).await;
    assert!(fixture.wait(OWNER, &stranger(2)).await.is_some());
    let told = fixture.told.lock().unwrap().clone();
    assert_eq!(told.matches("result: Failed").count(), 2, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_workers_log_in_to_one_account_at_once() {
    let fixture = Fixture::new();
    let log_in = |_| {
        let guard = fixture.guard.clone();
        tokio::spawn(async move {
            let attempt = guard.reserve(OWNER, &stranger(1)).await.unwrap();
            tokio::task::yield_now().await;
            attempt.succeeded().unwrap();
        })
    };
    for worker in (0..200).map(log_in).collect::<Vec<_>>() {
        worker.await.unwrap();
    }
}

#[tokio::test]
async fn a_log_in_does_not_wait_for_others_longer_than_its_patience() {
    let fixture = Fixture::with(|builder| builder.limits(limit_of(1)).patience(Duration::ZERO));
    let _held = fixture.guard.reserve(OWNER, &stranger(1)).await.unwrap();
    let refused = fixture.guard.reserve(OWNER, &stranger(1)).await.unwrap_err();
    assert!(matches!(refused, LockoutError::Busy));
    assert_eq!(refused.problem().status().as_u16(), 503);
}

#[tokio::test]
async fn failures_that_time_has_forgotten_make_room_for_newer_ones() {
    let clock = ManualClock::default();
    let store = InMemory::new().capacity(8).time(&clock).into();
    let guard = guard(store).limits(limit_of(2)).time(&clock).build().unwrap();
    let fail = async |account: &str| {
        guard.reserve(account, &stranger(1)).await.map(hardpoint_auth::lockout::Attempt::failed)
    };
    for old in 0..8 {
        for _ in 0..2 {
            fail(&format!("old{old}")).await.unwrap();
        }
    }
    clock.advance(Duration::from_secs(2 * 24 * 60 * 60));
    for _ in 0..2 {
        fail(OWNER).await.unwrap();
        fail("another").await.unwrap();
    }
    assert!(fail(OWNER).await.is_err(), "both failures are remembered");
}

/// A server that never answers.
struct Gone;

impl RemoteAttempts for Gone {
    fn reserve(&self, _: Attempter<'_>, _: &Limits, _: u16) -> BoxFuture<Result<Ticket, Denied>> {
        Box::pin(async { Err(StoreError::new(StoreErrorKind::Timeout)) })
    }

    fn settle(&self, _: Attempter<'_>, _: &Limits, _: Ticket, _: Settled) -> BoxFuture<()> {
        Box::pin(async { Err(StoreError::new(StoreErrorKind::Timeout)) })
    }

    fn unlock(&self, _: &str) -> BoxFuture<bool> {
        Box::pin(async { Err(StoreError::new(StoreErrorKind::Timeout)) })
    }
}

/// What this instance counted is outdated by then: another one may have unlocked the account.
#[tokio::test]
async fn a_later_outage_begins_with_empty_counts() {
    let clock = ManualClock::default();
    let lane = LaneLimits::account().hard_stop(nonzero(5));
    let guard = guard(AttemptStore::remote(Arc::new(Gone))).limits(roomy().account(lane));
    let guard = guard.on_failure(OnFailure::Local { share: 1.0 }).time(&clock).build().unwrap();
    for _ in 0..5 {
        guard.reserve(OWNER, &stranger(1)).await.unwrap().failed();
    }
    for _ in 0..10 {
        clock.advance(Duration::from_secs(60));
        assert!(guard.reserve(OWNER, &stranger(1)).await.is_err(), "one outage");
    }
    clock.advance(Duration::from_secs(61));
    guard.reserve(OWNER, &stranger(1)).await.unwrap().failed();
}

#[tokio::test]
async fn few_log_ins_wait_at_a_time() {
    let fixture = Fixture::with(|builder| builder.limits(limit_of(1)));
    let _held = fixture.guard.reserve(OWNER, &stranger(1)).await.unwrap();
    let client = stranger(2);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut waiting: Vec<_> =
        (0..256).map(|_| Box::pin(fixture.guard.reserve(OWNER, &client))).collect();
    for log_in in &mut waiting {
        assert!(log_in.as_mut().poll(&mut context).is_pending());
    }
    let mut refused = Box::pin(fixture.guard.reserve(OWNER, &client));
    let refused = refused.as_mut().poll(&mut context);
    assert!(matches!(refused, Poll::Ready(Err(LockoutError::Busy))), "at once");
    waiting.pop();
    let mut next = Box::pin(fixture.guard.reserve(OWNER, &client));
    assert!(next.as_mut().poll(&mut context).is_pending());
}

#[tokio::test]
async fn a_dropped_request_counts_as_failed() {
    let fixture = Fixture::with(|builder| builder.limits(limit_of(1)));
    let log_in = async {
        let _attempt = fixture.guard.reserve(OWNER, &stranger(1)).await.unwrap();
        std::future::pending::<()>().await;
    };
    let mut log_in = Box::pin(log_in);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(log_in.as_mut().poll(&mut context).is_pending());
    drop(log_in);
    assert!(fixture.wait(OWNER, &stranger(1)).await.is_some());
}

#[tokio::test]
async fn a_locked_account_admits_its_known_device_and_an_unlock_admits_all() {
    let fixture = Fixture::with(|builder| {
        let lane = LaneLimits::account().hard_stop(nonzero(7));
        builder.limits(roomy().account(lane))
    });
    let first = fixture.guard.reserve(OWNER, &stranger(1)).await.unwrap();
    let cookie = first.succeeded().unwrap();
    fixture.fail(OWNER, &stranger(2), 5).await;
    for _ in 0..2 {
        let wait = fixture.wait(OWNER, &stranger(3)).await.unwrap();
        fixture.clock.advance(wait);
        fixture.fail(OWNER, &stranger(3), 1).await;
    }
    fixture.clock.advance(Duration::from_secs(7 * 24 * 60 * 60));
    assert!(fixture.wait(OWNER, &stranger(1)).await.is_some(), "locked until it is unlocked");
    assert!(fixture.told.lock().unwrap().contains("result: Locked"));
    // The owner logs in, and that unlocks nothing for strangers.
    fixture.guard.reserve(OWNER, &device(&cookie)).await.unwrap().succeeded().unwrap();
    assert!(fixture.wait(OWNER, &stranger(1)).await.is_some());
    assert!(fixture.guard.unlock(OWNER).await.unwrap());
    assert!(!fixture.guard.unlock(OWNER).await.unwrap());
    assert_eq!(fixture.wait(OWNER, &stranger(1)).await, None);
}

/// One guess for each of many accounts from one network.
#[tokio::test]
async fn credential_stuffing_from_one_network_is_bounded_and_its_own_log_ins_do_not_help() {
    let fixture = Fixture::with(|builder| {
        let rate = Rate::new(nonzero(10), Duration::from_secs(60)).burst(nonzero(20));
        builder.limits(Limits::new().network(Some(rate)))
    });
    let attacker = stranger(9);
    let mut admitted = 0;
    for number in 0..100 {
        // A log-in to an own account between the guesses resets nothing but that account.
        let own = fixture.guard.reserve("mallory@example.org", &attacker).await;
        if let Ok(own) = own {
            drop(own.succeeded());
        }
        if let Ok(guess) = fixture.guard.reserve(&format!("user{number}"), &attacker).await {
            admitted += 1;
            guess.failed();
        }
    }
    assert_eq!(admitted, 20);
    assert_eq!(fixture.wait("user1", &stranger(10)).await, None, "another network");
    let v6 = |text: &str| LoginClient::new().address(text.parse().unwrap());
    fixture.fail("user200", &v6("2001:db8::1"), 1).await;
    fixture.clock.advance(Duration::from_secs(60));
    fixture.fail("user300", &attacker, 1).await;
}

#[tokio::test]
async fn a_flood_from_many_networks_is_bounded_and_known_devices_get_in() {
    let fixture = Fixture::with(|builder| {
        let rate = Rate::new(nonzero(1), Duration::from_secs(1)).burst(nonzero(50));
        builder.limits(Limits::new().global(Some(rate)))
    });
    let cookie = fixture.guard.reserve(OWNER, &stranger(1)).await.unwrap().succeeded().unwrap();
    let mut admitted = 0;
    for number in 0..200_u8 {
        if let Ok(guess) = fixture.guard.reserve(&format!("user{number}"), &stranger(number)).await
        {
            admitted += 1;
            guess.failed();
        }
    }
    assert_eq!(admitted, 50);
    assert_eq!(fixture.wait(OWNER, &stranger(250)).await, Some(Duration::from_secs(1)));
    assert_eq!(fixture.wait(OWNER, &device(&cookie)).await, None);
}

#[tokio::test]
async fn known_and_unknown_accounts_and_all_lanes_get_the_same_answer() {
    let fixture = Fixture::new();
    let mut texts = Vec::new();
    for account in [OWNER, "nobody@example.org"] {
        fixture.fail(account, &stranger(1), 5).await;
        let error = fixture.guard.reserve(account, &stranger(1)).await.unwrap_err();
        texts.push(String::from_utf8(error.problem().to_json(None)).unwrap());
        assert_eq!(error.problem().status().as_u16(), 429);
    }
    assert_eq!(texts[0], texts[1]);
    let text = &texts[0];
    for word in ["lane", "account", "network", "alice", "locked"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
}

#[tokio::test]
async fn events_and_debug_texts_name_no_account_and_no_address() {
    let fixture = Fixture::new();
    let attempt = fixture.guard.reserve(OWNER, &stranger(7)).await.unwrap();
    let mut shown = format!("{attempt:?} {:?} {:?}", fixture.guard, stranger(7));
    let cookie = attempt.succeeded().unwrap();
    shown += &format!("{cookie:?} {:?}", device(&cookie));
    fixture.fail(OWNER, &stranger(7), 5).await;
    let error = fixture.guard.reserve(OWNER, &stranger(7)).await.unwrap_err();
    shown += &format!("{error:?} {error}");
    shown += &fixture.told.lock().unwrap();
    let header = cookie.header();
    let (name, value) =
        header.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
    for secret in ["alice", "203.0.113", name, value] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(!header.to_str().unwrap().contains("alice"));
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let of = |lane: LaneLimits| guard(AttemptStore::memory()).limits(Limits::new().account(lane));
    let lane = LaneLimits::account;
    let day = Duration::from_secs(24 * 60 * 60);
    for (builder, word) in [
        (of(lane().free_attempts(nonzero(101))), "hard stop"),
        (of(lane().delays(day, Duration::from_secs(1))), "longest delay"),
        (of(lane().forget_after(Duration::from_secs(60))), "forget_after()"),
        (guard(AttemptStore::memory()).on_failure(OnFailure::Local { share: 0.0 }), "share"),
        (guard(AttemptStore::memory()).on_failure(OnFailure::Local { share: f32::NAN }), "share"),
        (
            guard(AttemptStore::memory()).on_failure(OnFailure::LocalThenDeny { share: 1.5 }),
            "share",
        ),
    ] {
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}
